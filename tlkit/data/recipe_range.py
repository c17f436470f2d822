"""Replace ``input.value_range = "auto"`` by the range of values that the training images use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tlkit.contracts import Sample, SampleSet
from tlkit.data.checks.check import Checked
from tlkit.data.checks.value_range import range_note, training_range
from tlkit.data.images.reading import Reading
from tlkit.data.settings import DataSettings
from tlkit.runs.samples import SamplesFile


def with_range(
    settings: DataSettings, sample_set: SampleSet, samples: Sequence[Sample], checked: Checked | None = None
) -> tuple[DataSettings, tuple[str, ...]]:
    """Replace ``input.value_range = "auto"`` by the range that the training images use; return notes on it, too.

    Args:
        settings: what the recipe says about its data.
        sample_set: the samples of the data set.
        samples: those that are used; without a check, all that no split of the data set, or of ``input.samples``, keeps
            from training count as training images.
        checked: the result of the check of the files; None if they were not checked.
    """
    setting = settings.input.value_range
    if setting is None:
        return settings, ()
    if checked is not None:
        used = checked.value_range
    elif setting == "auto":
        if settings.input.samples is not None:
            rows = SamplesFile(settings.input.samples).read_used()
            samples = [each for each in samples if each.key in rows and rows[each.key].split == "train"]
            samples = [replace(each, split="train") for each in samples]
        used = training_range(sample_set, samples, Reading.without_range(settings.input))
    else:
        return settings, ()
    table = settings.input.model_copy(update={"value_range": used if setting == "auto" else setting})
    return replace(settings, input=table), range_note(setting, used)
