"""Data: decoding, splitting, the store on disk and the batches."""
