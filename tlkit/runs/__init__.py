"""The run folder and nothing else: its files, how they are written, and how they are read safely."""
