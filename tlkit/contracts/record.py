"""The records that plugins offer and recipes select by name."""

from __future__ import annotations

from tlkit.contracts.augmentation import Augmentation
from tlkit.contracts.backbone import Backbone
from tlkit.contracts.dataset import Dataset
from tlkit.contracts.exporter import Exporter
from tlkit.contracts.head import Head
from tlkit.contracts.schedule import Schedule

Record = Backbone | Head | Augmentation | Schedule | Dataset | Exporter
"""A record of any kind."""
