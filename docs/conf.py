"""Configure the documentation: ``nox -s docs``, or ``sphinx-build -W -n docs build/docs``."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "plugins"), str(ROOT / "docs" / "_ext")]
project = "tlkit"
author = "the tlkit developers"
release = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_click", "tlkit_reference"]
exclude_patterns = ["_ext"]
smartquotes = False  # it would make dashes of the hyphens of options

html_theme = "furo"
html_title = f"tlkit {release}"
html_show_copyright = False

myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_mock_imports = ["keras", "tensorflow"]
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
# What is documented elsewhere (the standard library, NumPy), and types that only say what a value is like.
nitpick_ignore_regex = [
    ("py:.*", r"(collections|pathlib|typing|numpy|np|annotated_types|pydantic)\..*"),
    (
        "py:class",
        r"Tensor|Path|(dict|list|tuple)\[.*|tlkit\.(runs\.card\.Card|jobs\.resume\.Where|evaluation\.(image_model\.Engines|lite_engines\.LiteEngines)|contracts\..*)",
    ),
    ("py:class", r"Axis|ComparedRun|Direction|EngineOption|ImageKind|Interval|PairedRuns|Report|State"),
]
