"""The description of the environment, and the differences between two."""

from __future__ import annotations

import pytest

from tlkit.train import environment
from tlkit.train.environment import computes_bfloat16, computing, computing_variables, differences


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("processor : 0\nflags\t\t: fpu avx2 avx512_bf16 sse\n", True),
        ("flags : fpu amx_bf16\n", True),
        ("flags : fpu avx2\n", False),
        ("Features : asimd bf16\n", None),
    ],
)
def test_bfloat16_support_is_read_from_the_flags_of_the_processor(tmp_path, text, expected):
    (tmp_path / "cpuinfo").write_text(text)
    assert computes_bfloat16(tmp_path / "cpuinfo") is expected
    assert computes_bfloat16(tmp_path / "nothing") is None


def test_each_difference_is_reported_with_both_values():
    original = {"python": "3.11.1", "processors": 2, "packages": {"keras": "3.14.0", "numpy": "2.0.0"}}
    now = {"python": "3.11.1", "processors": 8, "packages": {"keras": "3.15.1", "numpy": "2.0.0"}}
    assert differences(original, now) == ["processors 2 before, 8 now", "keras 3.14.0 before, 3.15.1 now"]


def test_other_threads_are_reported():
    original = {"usable_processors": 2, "variables": {"OMP_NUM_THREADS": "1", "TLKIT_PLUGINS": "a.py"}}
    now = {"usable_processors": 1, "variables": {"OMP_NUM_THREADS": "2", "TF_NUM_INTRAOP_THREADS": "1"}, "packages": {}}
    assert differences(original, now) == [
        "usable_processors 2 before, 1 now",
        "OMP_NUM_THREADS 1 before, 2 now",
        "TF_NUM_INTRAOP_THREADS unset before, 1 now",
    ]
    assert differences({"variables": ["odd"]}, now) == []


def test_another_processor_number_of_threads_or_variable_is_a_difference():
    now = {
        "python": "3.11.1",
        "packages": {},
        "processor": "An old processor avx2",
        "intra_op_threads": 4,
        "variables": {"OMP_NUM_THREADS": "4", "CUDA_VISIBLE_DEVICES": "1", "TLKIT_PLUGINS": "x"},
    }
    before = {
        **now,
        "processor": "A processor avx2",
        "intra_op_threads": 2,
        "variables": {"TF_ENABLE_ONEDNN_OPTS": "0"},
    }
    assert differences(before, now) == [
        "processor A processor avx2 before, An old processor avx2 now",
        "intra_op_threads 2 before, 4 now",
        "OMP_NUM_THREADS unset before, 4 now",
        "TF_ENABLE_ONEDNN_OPTS 0 before, unset now",
    ]
    assert differences({**now, "variables": None}, now) == []
    assert differences({"python": "3.11.1"}, now) == []


def test_the_processor_is_named_with_the_instructions_that_code_is_chosen_by(tmp_path):
    file = tmp_path / "cpuinfo"
    file.write_text("model name\t: A Processor @ 2.5GHz\nflags\t\t: fpu avx2 avx sse fma\n\nmodel name : B\n")
    assert environment._cpu(file) == "A Processor @ 2.5GHz avx fma avx2"
    other = tmp_path / "other"
    other.write_text("Features : asimd bf16\n")
    assert environment._cpu(other)
    assert environment._cpu(tmp_path / "nothing")


def test_only_the_processors_that_the_process_may_use_count(monkeypatch):
    monkeypatch.setattr(environment.os, "sched_getaffinity", lambda _process: {1, 5, 6}, raising=False)
    assert computing()["usable_processors"] == 3


def test_variables_that_only_choose_devices_or_plugins_do_not_count(monkeypatch):
    for name in ("CUDA_VISIBLE_DEVICES", "TLKIT_PLUGINS", "TF_ENABLE_ONEDNN_OPTS", "MY_TOKEN"):
        monkeypatch.setenv(name, "1")
    found = computing_variables()
    assert found["TF_ENABLE_ONEDNN_OPTS"] == "1"
    assert not {"CUDA_VISIBLE_DEVICES", "TLKIT_PLUGINS", "MY_TOKEN"} & set(found)
