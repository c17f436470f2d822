"""Say of a survey that it has too few images to learn from."""

from __future__ import annotations

from tlkit.data.init.contents import Survey
from tlkit.system.text import listed

FEWEST = 20
"""Images of a class, or images with masks, that are not called few; as in the advice of a run's report."""


def few_images(survey: Survey) -> str:
    """Return what to know about a folder with few images, without a full stop; empty if it has enough."""
    counts = survey.counts.get("train") or survey.counts.get("", {})
    classes = {name: count for name, count in counts.items() if name}
    images = survey.splits.get("train") or survey.splits.get("", 0)
    scarce = sorted((name for name in classes if classes[name] < FEWEST), key=lambda name: (classes[name], name))
    if not scarce and (classes or not 0 < images < FEWEST):
        return ""
    what = listed([f"{name} ({classes[name]})" for name in scarce], 5) if scarce else f"{images} in all"
    each = " of each class" if scarce else ""
    return f"few images: {what}. Metrics of so few say little: have at least {FEWEST}{each}, better 100 or more"
