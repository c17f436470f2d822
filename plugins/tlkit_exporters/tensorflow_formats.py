"""The records of the formats that TensorFlow runs. Importing it imports nothing heavy."""

from __future__ import annotations

import tlkit

SAVEDMODEL = tlkit.Exporter(
    name="savedmodel",
    summary="TensorFlow's folder, for TensorFlow Serving and further converters",
    options=tlkit.Options,
    suffix="",
    member="saved_model.pb",
    runs_with=("tensorflow",),
    write=tlkit.lazy("tlkit_exporters.savedmodel:write"),
    open=tlkit.lazy("tlkit_exporters.savedmodel:open_file"),
    check=tlkit.lazy("tlkit_exporters.savedmodel_check:check"),
    snippet="""\
import json
from pathlib import Path
import tensorflow as tf

model = tf.saved_model.load(FILE)
probabilities = model.signatures["serving_default"](images=tf.constant(images))["probabilities"].numpy()
metadata = json.loads(Path(FILE, "assets.extra", "tlkit.json").read_text())
""",
)

KERAS = tlkit.Exporter(
    name="keras",
    summary="a .keras file with logits and probabilities, to train on or to look into",
    options=tlkit.Options,
    suffix=".keras",
    runs_with=("keras", "tensorflow"),
    write=tlkit.lazy("tlkit_exporters.keras_file:write"),
    open=tlkit.lazy("tlkit_exporters.keras_file:open_file"),
    check=tlkit.lazy("tlkit_exporters.keras_file:check"),
    snippet="""\
import json
import zipfile
import keras

model = keras.saving.load_model(FILE)
probabilities = model.predict(images, verbose=0)["probabilities"]
metadata = json.loads(zipfile.ZipFile(FILE).read("metadata.json"))["tlkit"]
""",
)
