"""How many GPUs there are, as far as that is known without TensorFlow."""

from __future__ import annotations

import pytest

from tlkit.errors import RunError
from tlkit.system import gpus

pytestmark = pytest.mark.usefixtures("on_linux")


@pytest.fixture
def on_linux(monkeypatch, tmp_path):
    monkeypatch.setattr(gpus.sys, "platform", "linux")
    monkeypatch.setattr(gpus, "_NVIDIA", tmp_path / "gpus")
    monkeypatch.setattr(gpus, "_is_there", lambda _name: False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.mark.parametrize(
    ("named", "count"), [("-1", 0), ("", 0), ("0", 1), ("0,1", 2), ("0,-1,1", 1), ("GPU-8a,GPU-9b", 2)]
)
def test_variable_says_how_many_gpus_there_are(monkeypatch, named, count):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    assert gpus.known_gpus() == count


def test_gpus_of_the_driver_are_counted(tmp_path):
    assert gpus.known_gpus() == 0
    for name in ("0000:01:00.0", "0000:02:00.0"):
        (tmp_path / "gpus" / name).mkdir(parents=True)
    assert gpus.known_gpus() == 2


def test_other_systems_and_devices_leave_it_to_tensorflow(monkeypatch):
    monkeypatch.setattr(gpus, "_is_there", lambda name: name == "kfd")
    assert gpus.known_gpus() is None
    monkeypatch.setattr(gpus.sys, "platform", "darwin")
    assert gpus.known_gpus() is None


def test_fewer_gpus_than_asked_for_are_an_error():
    gpus.refuse_missing_gpus(1)
    with pytest.raises(RunError, match="--gpus 3: TensorFlow sees 0 GPUs here; expected as many"):
        gpus.refuse_missing_gpus(3)
