"""The files that ``tlkit inspect`` writes."""

from __future__ import annotations

TITLES = {
    "model.png": "The network",
    "kernels.png": "First kernels",
    "weights.png": "Weights",
    "features.png": "Feature maps of one image",
}
"""Name of a picture → its title."""
PAGE = "index.html"
"""The page with all pictures."""
