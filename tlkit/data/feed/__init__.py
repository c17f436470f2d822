"""Batches: order, augmentation and prefetching of the samples."""
