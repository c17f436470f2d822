"""Importing a module without another that it would import."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from tlkit.system.import_without import without_modules


def test_only_this_thread_and_only_meanwhile_finds_no_such_module():
    found = []
    with without_modules("colorsys", "sndhdr"):
        sys.modules.pop("colorsys", None)
        with pytest.raises(ModuleNotFoundError, match="colorsys"):
            import colorsys
        other = threading.Thread(target=lambda: found.append(__import__("colorsys")))
        other.start()
        other.join()
    import colorsys

    assert found == [colorsys]


def test_keras_is_imported_without_scikit_learn_and_matplotlib():
    code = (
        "import sys; from tlkit.system.tensorflow import start_tensorflow; start_tensorflow(); "
        "assert not sys.modules.keys() & {'sklearn', 'matplotlib'}; "
        "import sklearn.metrics, matplotlib.pyplot, keras; assert keras.Model"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
