"""Each format's snippet in an environment with NumPy, Pillow and the runtime, without tlkit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import tlkit_exporters
from export_context import METADATA, RECIPES, expected, export_context, network, pictures
from PIL import Image

EXPORTERS = {record.name: record for record in tlkit_exporters.tlkit_exporters()}
RUNTIMES: Mapping[str, tuple[str, ...]] = {
    "savedmodel": ("tensorflow",),
    "keras": ("tensorflow", "keras"),
    "litert": ("ai-edge-litert",),
    "onnx": ("onnxruntime",),
    "openvino": ("openvino",),
}
"""Format → the distributions that its snippet needs beyond NumPy and Pillow."""
_PROGRAM = """\
import json
import sys

import numpy as np
from PIL import Image

FILE, PICTURE, KIND = sys.argv[1:]
images = np.asarray(Image.open(PICTURE).convert("RGB"), KIND)[None]
{snippet}
print(json.dumps([np.asarray(probabilities).tolist(), dict(metadata)]))
"""


def test_every_format_has_its_runtime_listed() -> None:
    assert RUNTIMES.keys() == EXPORTERS.keys()


def run(*command: object, cwd: Path) -> str:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    done = subprocess.run([str(part) for part in command], cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPORTERS)
def test_the_snippet_needs_only_numpy_pillow_and_the_runtime(name: str, tmp_path: Path) -> None:
    record, recipe = EXPORTERS[name], "unet_bilinear"
    model = network(recipe)
    images = pictures(1, RECIPES[recipe].size)
    Image.fromarray(images[0]).save(tmp_path / "picture.png")
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    packages = [f"{package}=={version(package)}" for package in ("numpy", "pillow", *RUNTIMES[name])]
    run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages, cwd=tmp_path)
    assert "tlkit" not in run(python, "-m", "pip", "list", "--disable-pip-version-check", cwd=tmp_path)
    (tmp_path / "use.py").write_text(_PROGRAM.format(snippet=record.snippet))
    for kind in ("uint8", "float32"):
        folder = tmp_path / kind
        folder.mkdir()
        path = folder / f"model{record.suffix}"
        record.write(export_context(model, folder, input_type=kind), path, record.options())
        said = run(python, "use.py", path, "picture.png", kind, cwd=tmp_path)
        probabilities, texts = json.loads(said.strip().splitlines()[-1])
        np.testing.assert_allclose(probabilities, expected(model, images)["probabilities"], atol=1e-4)
        assert {key: texts[key] for key in METADATA} == METADATA
