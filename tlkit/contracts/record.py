"""Any record that a plugin can offer."""

from __future__ import annotations

from tlkit.contracts.augmentation import Augmentation
from tlkit.contracts.backbone import Backbone
from tlkit.contracts.dataset import Dataset
from tlkit.contracts.head import Head
from tlkit.contracts.schedule import Schedule

Record = Backbone | Head | Augmentation | Schedule | Dataset
