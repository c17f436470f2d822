"""One training on several workers: started, supervised, and started again from the last checkpoint if one is lost."""
