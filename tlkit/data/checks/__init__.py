"""Check files before training, to find what a run would stumble over."""
