"""``profile.csv``: where the time of each command that worked on a run went."""

from __future__ import annotations

import pytest

from tlkit import RunError
from tlkit.runs.profile import Profile, added_up, profile_text, read_profile
from tlkit.system.stages import StageTime

TIMES = [StageTime("starting TensorFlow", 3.0, 3.5), StageTime("training", 1.0, 1.5, 3240), StageTime("=1+1")]


def test_what_was_written_is_read_and_a_command_replaces_only_its_own_stages(tmp_path):
    path = tmp_path / "profile.csv"
    run = Profile(path)
    run.write(TIMES[:1])
    run.write(TIMES)
    assert read_profile(path) == [TIMES]
    Profile(path).write(TIMES[:1])
    assert read_profile(path) == [TIMES, TIMES[:1]]
    assert path.read_bytes().splitlines()[:3] == [
        b"command,stage,wall_seconds,cpu_seconds,images,images_per_second,share",
        b"1,starting TensorFlow,3.000,3.500,,,0.7500",
        b"1,training,1.000,1.500,3240,3240.0,0.2500",
    ]


def test_the_times_of_several_commands_add_up_by_stage():
    other = [StageTime("training", 2.0, 2.0, 10), StageTime("everything else", 1.0, 1.0)]
    assert added_up([other, TIMES]) == [
        StageTime("training", 3.0, 3.5, 3250),
        TIMES[0],
        TIMES[2],
        StageTime("everything else", 1.0, 1.0),
    ]


def test_the_table_to_print_has_the_share_and_the_speed_of_each_stage():
    lines = profile_text(TIMES).splitlines()
    assert lines[1].split() == ["starting", "TensorFlow", "3.0", "3.5", "75.0%"]
    assert lines[2].split() == ["training", "1.0", "1.5", "25.0%", "3240", "3240.0"]
    assert lines[-1].split() == ["all", "4.0", "5.0"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("1,training,nan,1,,,0", "expected numbers of at least 0"),
        ("1,training,1,-1,,,0", "expected numbers of at least 0"),
        ("1,training,x,1,,,0", "could not convert"),
        ("1,training,1", "expected 7 values, received 3"),
        ("1,training,1,1,,,0\n" * 10_001, "has 10001 rows; expected at most 10000"),
    ],
)
def test_a_damaged_profile_is_refused(tmp_path, row, message):
    path = tmp_path / "profile.csv"
    Profile(path).write([])
    with path.open("a") as file:
        file.write(row)
    with pytest.raises(RunError, match=message):
        read_profile(path)
    run = Profile(path)
    assert message in run.damage
    run.write(TIMES)
    assert Profile(path).damage == ""
    assert read_profile(path) == [TIMES]
