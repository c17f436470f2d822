"""Who is lost, from heartbeats and exit codes: with a clock of the test's own, and without processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tlkit.cluster.heartbeat import BETWEEN, ELSEWHERE, STEP, Beat, Pulse, beat_file, read_beat
from tlkit.cluster.lost import SILENT_SECONDS, SLOW_SECONDS, STOPPED_SECONDS, STUCK_SECONDS, Lost, Watch, ended_by
from tlkit.cluster.supervise import PEER_LOST, Failed, Stopped, supervise


class Team:
    """Two workers whose heartbeats a test sets, and a watch that looks at them each second."""

    def __init__(self) -> None:
        self.now = 0.0
        self.stopped: set[int] = set()
        self.beats = [Beat(), Beat()]
        self.watch = Watch(2, lambda rank: rank in self.stopped, lambda: self.now)

    def pass_second(self, *silent: int) -> Lost | None:
        self.now += 1
        for rank, beat in enumerate(self.beats):
            if rank not in silent:
                beat.number += 1
        return self.watch.look(self.beats)

    def pass_seconds(self, seconds: float, *silent: int) -> Lost | None:
        found = None
        while found is None and seconds > 0:
            found = self.pass_second(*silent)
            seconds -= 1
        return found

    def train(self, seconds: int, computing: tuple[float, float] = (0.1, 0.1)) -> Lost | None:
        """Train a step a second, of which each worker computes for some time."""
        for _ in range(seconds):
            for beat, time in zip(self.beats, computing, strict=True):
                beat.place, beat.steps, beat.training = STEP, beat.steps + 1, beat.training + time
            if found := self.pass_second():
                return found
        return None


@pytest.fixture
def team() -> Team:
    return Team()


def test_nobody_is_lost_while_all_train(team):
    assert team.train(120) is None


def test_a_stopped_process_is_lost(team):
    team.train(3)
    team.stopped.add(1)
    lost = team.pass_seconds(STOPPED_SECONDS + 2)
    assert lost is not None
    assert str(lost) == f"worker 1 was lost: frozen for {STOPPED_SECONDS:.0f} s (its process is stopped)"


def test_a_process_that_goes_on_soon_is_not_lost(team):
    team.stopped.add(1)
    assert team.pass_seconds(STOPPED_SECONDS - 2) is None
    team.stopped.clear()
    assert team.pass_seconds(60) is None


def test_a_worker_that_gives_no_sign_of_life_is_lost(team):
    team.train(3)
    lost = team.pass_seconds(30, 1)
    assert lost == Lost(1, f"was lost: frozen, without a sign of life for {SILENT_SECONDS:.0f} s")


def test_silence_during_an_import_is_no_loss(team):
    assert team.pass_seconds(60, 0, 1) is None


def test_the_worker_between_two_steps_is_the_one_that_is_stuck(team):
    team.train(3)
    team.beats[1].place = BETWEEN
    lost = team.pass_seconds(30)
    assert lost is not None
    assert lost.rank == 1
    assert "stuck" in str(lost)


def test_the_worker_that_is_a_step_behind_is_stuck(team):
    team.train(3)
    team.beats[0].steps += 1
    lost = team.pass_seconds(30)
    assert lost is not None
    assert lost.rank == 1


def test_where_all_wait_in_a_step_all_are_stuck(team):
    team.train(3)
    lost = team.pass_seconds(30)
    assert str(lost) == f"the workers were lost: stuck, without a step for {STUCK_SECONDS:.0f} s"


def test_work_without_steps_may_take_any_time(team):
    team.train(3)
    team.beats[0].place = ELSEWHERE
    assert team.pass_seconds(600) is None


def test_long_steps_are_given_more_time(team):
    team.train(3)
    team.beats[0].longest = 15.0
    assert team.pass_seconds(70) is None
    assert team.pass_seconds(10) is not None


def test_a_slow_worker_is_noticed_within_thirty_seconds(team):
    team.train(40)
    lost = team.train(30, (0.1, 0.9))
    assert lost is not None
    assert (lost.rank, lost.is_slow) == (1, True)


def test_a_worker_that_is_a_little_slower_is_kept(team):
    assert team.train(200, (0.3, 0.6)) is None


def test_a_short_pause_does_not_make_a_worker_slow(team):
    team.train(40)
    assert team.train(3, (0.1, 0.9)) is None
    assert team.train(int(SLOW_SECONDS) * 2) is None


def test_a_signal_is_named():
    assert ended_by(-9) == "was lost: killed by signal 9; perhaps the memory was exhausted"
    assert ended_by(137) == ended_by(-9)
    assert ended_by(3) == "was lost: ended with exit code 3"


def test_a_heartbeat_says_what_the_worker_did(tmp_path):
    pulse = Pulse(tmp_path, 1)
    pulse.begin_pass()
    for _ in range(3):
        pulse.begin_step()
        pulse.end_step(images=5)
    pulse.begin_step()
    pulse.reach("read")
    beat = read_beat(tmp_path, 1)
    assert beat is not None
    assert (beat.steps, beat.images, beat.place, beat.stage) == (3, 15, STEP, "read")
    assert read_beat(tmp_path, 0) is None


def test_the_first_steps_of_a_pass_may_take_any_time(tmp_path):
    pulse = Pulse(tmp_path, 0)
    pulse.begin_pass()
    pulse.begin_step()
    assert pulse.beat.place == ELSEWHERE


def test_a_worker_that_is_not_let_run_does_not_wait_for_the_others(tmp_path):
    pulse, waited = Pulse(tmp_path, 0), [0.0]
    pulse.waited = lambda: waited[0]
    for seconds, stalled in ((0.5, 0.0), (0.5, 0.4), (0.5, 3.0), (2.0, 0.0)):
        pulse.begin_step()
        waited[0] += seconds
        pulse._stalled += stalled
        pulse.end_step(images=1)
    # What a step was stalled and did not wait is taken off the next, a second of it at most: a call that holds Python's
    # lock for long looks like it.
    assert pulse.beat.waiting == pytest.approx(0.5 + 0.1 + 0.0 + 1.0, abs=0.02)


def test_what_is_no_part_of_the_training_counts_neither_as_computing_nor_as_waiting(tmp_path):
    pulse = Pulse(tmp_path, 0)
    pulse.begin_pass()
    last = pulse._last
    with pulse.elsewhere():  # such as a checkpoint, which only the first worker writes
        pulse._stalled += 3.0
    assert pulse._last > last
    pulse.waited = lambda: 0.0
    pulse.begin_step()
    pulse.waited = lambda: 1.0
    pulse.end_step(images=1)
    assert pulse.beat.waiting == pytest.approx(1.0, abs=0.02)


def test_a_damaged_heartbeat_is_none(tmp_path):
    beat_file(tmp_path, 0).write_text("{")
    assert read_beat(tmp_path, 0) is None


class Ended:
    """Workers that have ended or go on, as a test says."""

    def __init__(self, *codes: int | None) -> None:
        self._codes = list(codes)
        self.asked: list[int] = []

    def codes(self) -> list[int | None]:
        return list(self._codes)

    def is_stopped(self, rank: int) -> bool:
        return False

    def ask(self, ranks) -> None:
        self.asked.extend(ranks)
        self._codes = [143 if code is None else code for code in self._codes]

    def kill(self, ranks) -> None:
        self._codes = [-9 if code is None else code for code in self._codes]


def said(folder: Path, rank: int, **values) -> None:
    pulse = Pulse(folder, rank)
    for name, value in values.items():
        setattr(pulse.beat, name, value)
    pulse.write()


def test_all_have_ended_well(tmp_path):
    assert supervise(Ended(0, 0), tmp_path, 2, asked=lambda: False) is None


def test_a_killed_worker_is_lost_and_the_others_are_stopped(tmp_path):
    workers = Ended(None, -9)
    found = supervise(workers, tmp_path, 2, asked=lambda: False)
    assert isinstance(found, Lost)
    assert found.rank == 1
    assert workers.asked == [0, 1]


def test_who_only_lost_another_is_not_the_lost_one(tmp_path):
    found = supervise(Ended(PEER_LOST, -9), tmp_path, 2, asked=lambda: False)
    assert isinstance(found, Lost)
    assert found.rank == 1


def test_the_chief_s_words_are_shown_where_all_fail(tmp_path):
    said(tmp_path, 0, end={"code": 2, "error": {"message": "of the chief"}})
    said(tmp_path, 1, end={"code": 2, "error": {"message": "of another"}})
    found = supervise(Ended(2, 2), tmp_path, 2, asked=lambda: False)
    assert found == Failed(0, 2, {"message": "of the chief"})


def test_an_error_of_one_worker_ends_the_training(tmp_path):
    said(tmp_path, 1, end={"code": 2, "error": {"message": "of another"}})
    assert supervise(Ended(PEER_LOST, 2), tmp_path, 2, asked=lambda: False) == Failed(1, 2, {"message": "of another"})


def test_once_all_have_trained_only_the_chief_counts(tmp_path):
    class Evaluating(Ended):
        looks = 0

        def codes(self) -> list[int | None]:
            self.looks += 1
            return [None if self.looks < 4 else 0, -9]

    said(tmp_path, 0, stage="trained")
    assert supervise(Evaluating(), tmp_path, 2, asked=lambda: False) is None


def test_asked_to_stop_all_are_asked(tmp_path):
    workers = Ended(None, None)
    assert supervise(workers, tmp_path, 2, asked=lambda: True) == Stopped(saved=True)
    assert workers.asked[:2] == [0, 1]
