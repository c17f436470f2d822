"""What each verb does, from a recipe or a run folder to its result; the Python API."""
