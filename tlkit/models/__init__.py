"""Models: backbones and their weights, the flat model with its head, freezing, and loading files safely."""
