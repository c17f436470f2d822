"""Decoded images on disk, at the model's size."""
