"""Batches: the order of the samples, augmentation and prefetching."""
