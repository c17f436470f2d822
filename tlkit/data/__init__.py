"""Data: open, check, decode, split and batch the images of a recipe."""
