"""Splitting samples into training, validation and test images, and repeating a split."""
