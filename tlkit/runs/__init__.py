"""The run folder: its files, how they are written, and how they are read safely."""
