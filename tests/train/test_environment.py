"""What ``environment.json`` says, and what is told of another environment."""

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
def test_instructions_for_bfloat16_are_read_from_the_processors_flags(tmp_path, text, expected):
    (tmp_path / "cpuinfo").write_text(text)
    assert computes_bfloat16(tmp_path / "cpuinfo") is expected
    assert computes_bfloat16(tmp_path / "nothing") is None


def test_what_is_different_is_named_with_both_values():
    then = {"python": "3.11.1", "processors": 2, "packages": {"keras": "3.14.0", "numpy": "2.0.0"}}
    now = {"python": "3.11.1", "processors": 8, "packages": {"keras": "3.15.1", "numpy": "2.0.0"}}
    assert differences(then, now) == ["processors 2 before, 8 now", "keras 3.14.0 before, 3.15.1 now"]
