"""Starting TensorFlow: what a run computes does not depend on Keras's settings file or on the environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys

SHOW = """
from tlkit.system.tensorflow import start_tensorflow
start_tensorflow()
import os, keras
config = keras.config
print(config.backend(), config.floatx(), config.epsilon(), config.image_data_format(), os.environ.get("KERAS_BACKEND"))
"""
OTHER = """
import sys, types
sys.modules["keras"] = types.SimpleNamespace(config=types.SimpleNamespace(backend=lambda: "jax"))
sys.modules["tensorflow"] = None
from tlkit.errors import RunError
from tlkit.system.tensorflow import start_tensorflow
try:
    start_tensorflow()
except RunError as error:
    print(error)
"""


def test_keras_starts_with_tensorflow_and_its_own_defaults(tmp_path):
    settings = {"backend": "jax", "floatx": "float16", "epsilon": 0.1, "image_data_format": "channels_first"}
    (tmp_path / "keras.json").write_text(json.dumps(settings), encoding="utf-8")
    environment = {**os.environ, "KERAS_HOME": str(tmp_path), "KERAS_BACKEND": "torch"}
    said = subprocess.run(
        [sys.executable, "-c", SHOW], env=environment, capture_output=True, text=True, check=True
    ).stdout
    assert said.split() == ["tensorflow", "float32", "1e-07", "channels_last", "torch"]


def test_keras_that_was_imported_with_another_backend_is_refused():
    said = subprocess.run([sys.executable, "-c", OTHER], capture_output=True, text=True, check=True).stdout
    assert "has imported Keras with the backend jax; tlkit needs tensorflow" in said
