"""Exports: write a trained model for another runtime, and prove that the file gives the same answers."""
