"""Split samples into training, validation and test images, or repeat the splits of an earlier run."""
