"""Find weights that are no finite numbers: the layers after them may hide them, and predict something all the same."""

from __future__ import annotations

from typing import Any

import numpy as np


def without_finite_weights(model: Any) -> str | None:
    """Return the first variable of a model with a NaN or an infinity, as ``layer/variable``; None if there is none."""
    for variable in model.variables:
        values = np.asarray(variable.numpy())
        if values.dtype.kind not in "iub" and not np.isfinite(values).all():
            return str(variable.path)
    return None
