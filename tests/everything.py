"""A recipe that uses every part of the state of a run."""

from __future__ import annotations

from typing import Any

from recipe_text import recipe_text

PLATEAU = {"name": "plateau", "patience": 1, "factor": 0.5}
EVERYTHING: dict[str, Any] = {
    "name": "everything",
    "seed": 4,
    "input": {"image_size": 16, "batch_size": 128, "test": 0.1},
    "backbone": {"name": "resnet", "depth": 18, "units": [1, 1, 1], "filters": [4, 4, 8], "bias": False},
    "head": {"name": "mlp", "units": [8], "dropout": 0.3},
    "augment": [{"name": "shift_flip"}, {"name": "mixup"}],
    "train": {"ema": 0.9, "cache": "on", "views": 2, "early_stop": 3, "checkpoint_steps": 4},
}


def everything(epochs: int = 2, unfreeze_to: str = "conv4", **changes: Any) -> str:
    """Return a recipe that uses every part of the state of a run; each phase has ``epochs`` epochs."""
    schedule = {
        "name": "gradual_unfreeze",
        "head_epochs": epochs,
        "step_epochs": epochs,
        "unfreeze_to": unfreeze_to,
        "learning_rate": 0.02,
        "curve": PLATEAU,
    }
    return recipe_text(**{**EVERYTHING, "schedule": schedule, **changes})
