"""Models: backbones, their weights, the flat model that a head completes, and freezing."""
