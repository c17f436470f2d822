"""What cached features depend on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tlkit.data.images.decode import DECODING
from tlkit.data.run_data import Data
from tlkit.data.store.shards import FORMAT
from tlkit.system.columns import digest_of_lines
from tlkit.train.environment import THREADS, computing, computing_variables
from tlkit.train.frozen_part import FrozenPart

_FORMAT = 5


def features_key(part: FrozenPart, data: Data, rows: np.ndarray, settings: Mapping[str, Any]) -> str:
    """Return a digest of everything that determines features.

    An engine that computes each image alone gives the same bits with any number of threads. TensorFlow's augmentation
    need not.

    Args:
        part: the frozen part.
        data: the data whose files become the images.
        rows: the images.
        settings: how files become images, how the images are augmented, and the size of a batch.
    """
    alone = part.engine.computes_alone and "policies" not in settings
    what = {
        "format": (_FORMAT, FORMAT),
        "files": digest_of_lines(data.store.digests[int(row)] for row in rows),
        "decoding": DECODING,
        "settings": dict(settings),
        "frozen": part.key,
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "computing": {name: value for name, value in computing().items() if not alone or name not in THREADS},
        "variables": computing_variables(),
    }
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:32]


def targets_digest(data: Data, rows: np.ndarray) -> str:
    """Return the SHA-256 of the labels, or the masks, of some images: cached features may come with targets."""
    digest = hashlib.sha256(json.dumps([data.label_kind, len(data.classes)]).encode())
    if data.labels is not None:
        digest.update(np.ascontiguousarray(data.labels[rows]).tobytes())
    else:
        assert data.store.masks is not None
        for row in rows:
            digest.update(np.ascontiguousarray(data.store.masks[int(row)]).tobytes())
    return digest.hexdigest()
