"""What a run is and how well it did, in sentences for readers who know neither."""

from __future__ import annotations

from collections.abc import Callable

from tlkit.report.seen import Seen, percent
from tlkit.system.text import counted, listed, shorten

_NAMED = 4
"""Classes that are named."""


def run_summary(seen: Seen) -> list[str]:
    """Return the sentences at the top of a report."""
    return [sentence for sentence in (_what(seen), _how_well(seen), _beside(seen), _caution(seen)) if sentence]


def _what(seen: Seen) -> str:
    classes = listed([shorten(name, 40) for name in seen.card.classes], _NAMED)
    count = len(seen.card.classes)
    if seen.card.task == "segmentation":
        does = f"finds for each pixel of an image which of {count} classes it belongs to"
    elif seen.several:
        does = f"finds which of {count} labels an image has"
    else:
        does = f"sorts images into {count} classes"
    trained = seen.images.get("train", 0)
    return f"This model {does}: {classes}. It was trained on {counted(trained, 'image')}."


def _how_well(seen: Seen) -> str:
    if not seen.split:
        return "No images were held out, so it is not known how well it does on new ones."
    count = seen.images.get(seen.split, 0)
    where = f"{counted(count, f'{seen.split} image')}, which it was not trained on"
    if seen.value is None:
        return f"Nothing could be measured on the {where}."
    if seen.card.task == "segmentation":
        iou = f"mean IoU {seen.value:.3f}{_interval(seen, '{:.3f}'.format)}"
        return f"On {where}, predicted and true areas of a class overlap by {percent(seen.value)} on average ({iou})."
    what = "all labels of " if seen.several else ""
    return f"Of {where}, it gets {what}{percent(seen.value)} right{_interval(seen, percent, ' (', ')')}."


def _interval(seen: Seen, form: Callable[[float], str], before: str = "; ", after: str = "") -> str:
    if seen.interval is None:
        return ""
    low, high = (form(each) for each in seen.interval)
    return f"{before}95\u00a0% interval {low} to {high}{after}"


def _beside(seen: Seen) -> str:
    """Return what needs no model."""
    if seen.commonest is None:
        return ""
    name, value = seen.commonest
    if seen.card.task == "segmentation":
        return f'Calling every pixel "{shorten(name, 60)}" would give a mean IoU of {value:.3f}.'
    guess = f'Calling every image "{shorten(name, 60)}"' if name else "Giving every image the labels that most have"
    return f"{guess} would be right for {percent(value)}."


def _caution(seen: Seen) -> str:
    if seen.split != "validation":
        return ""
    return (
        "There are no test images; where validation images chose the best epoch, as by default, their figures are a "
        "little too good."
    )
