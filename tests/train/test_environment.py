"""The description of the environment, and the differences between two."""

from __future__ import annotations

import pytest

from tlkit.train.environment import computes_bfloat16, differences


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
