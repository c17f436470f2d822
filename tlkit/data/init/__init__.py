"""Looking at a folder and writing a first recipe for it."""
