"""What is being done is said: at once on a terminal; elsewhere when nothing was said for some seconds."""

from __future__ import annotations

import io

import pytest
from waiting import wait_until

from tlkit.system.progress import QUIET_SECONDS, Reporter
from tlkit.system.terminal import Terminal
from tlkit.system.text import time_text


class Clock:
    """A clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds


class Watched(Reporter):
    """A reporter without a thread: the test looks whether it is silent for too long."""

    def __init__(self, clock: Clock, console: Terminal | None = None) -> None:
        super().__init__(console, clock=clock)
        self.clock = clock
        if not self.console.is_terminal:
            self._watch = self._ended  # type: ignore[assignment]

    def __exit__(self, *_error: object) -> None:
        pass

    def wait(self, seconds: float) -> None:
        for _ in range(round(seconds)):
            self.clock.wait(1)
            self.say_if_silent()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def reporter(clock):
    return Watched(clock)


def lines(capsys) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_a_long_stage_is_named_whenever_nothing_was_said_for_four_seconds(reporter, capsys):
    with reporter.stage("comparing the saved model"):
        reporter.wait(9)
    assert QUIET_SECONDS == 4
    assert lines(capsys) == ["  comparing the saved model: 4 s", "  comparing the saved model: 8 s"]


def test_a_short_stage_is_not_mentioned(reporter, capsys):
    for _ in range(5):
        with reporter.stage("saving the model"):
            reporter.wait(3)
        reporter.say("saved")
    assert lines(capsys) == ["saved"] * 5


def test_the_time_that_is_left_is_said_where_the_total_is_known(reporter, capsys):
    with reporter.stage("computing features", 400) as show:
        reporter.wait(1)
        show(100, 400)
        reporter.wait(3)
    assert lines(capsys) == ["  computing features 100/400: 4 s, about 12 s left"]


def test_a_bar_within_a_stage_is_named_instead_of_it(reporter, capsys):
    with reporter.stage("training"):
        reporter.begin("epoch 1/3", 100)
        reporter.wait(4)
        reporter.end()
        reporter.wait(4)
    assert lines(capsys) == ["  epoch 1/3 0/100: 4 s", "  training: 8 s"]


@pytest.mark.parametrize(("seconds", "said"), [(4.5, []), (4.7, ["  epoch 2/3 60/100: 4 s, about 3 s left"])])
def test_an_epoch_whose_own_line_is_about_to_come_is_not_named(reporter, clock, capsys, seconds, said):
    with reporter.stage("training"):
        reporter.begin("epoch 1/3", 100)
        reporter.epoch(1, 3, {}, seconds, best=False)
        reporter.begin("epoch 2/3", 100)
        clock.wait(4.25)
        reporter.at(60, 100)
        reporter.say_if_silent()
        assert lines(capsys)[1:] == said


def test_an_epoch_that_takes_longer_than_the_last_is_named_before_five_seconds_are_over(reporter, clock, capsys):
    with reporter.stage("training"):
        reporter.epoch(1, 3, {}, 4.5, best=False)
        reporter.begin("epoch 2/3", 100)
        for _ in range(39):  # as often as the thread looks
            clock.wait(0.125)
            reporter.say_if_silent()
    assert lines(capsys)[1:] == ["  epoch 2/3 0/100: 5 s"]


def test_stages_that_work_names_itself_follow_each_other(reporter, capsys):
    with reporter.stages("looking for images") as show:
        reporter.wait(4)
        show("checking files", 1, 8)
        reporter.wait(4)
        show("checking files", 8, 8)
        show("decoding images", 2, 8)
    assert lines(capsys) == ["  looking for images: 4 s", "  checking files 1/8: 4 s, about 28 s left"]
    assert [(each.name, each.wall, each.images) for each in reporter.times.all()] == [
        ("looking for images", 4, 0),
        ("checking files", 4, 8),
        ("decoding images", 0, 2),
        ("everything else", 0, 0),
    ]


def test_time_belongs_to_the_innermost_stage_and_adds_up_to_the_whole(reporter, clock):
    for _ in range(2):
        with reporter.stage("setting up the phase"):
            clock.wait(1)
            with reporter.stage("training"):
                clock.wait(10)
            clock.wait(2)
        clock.wait(5)
    times = {each.name: each.wall for each in reporter.times.all()}
    assert times == {"setting up the phase": 6, "training": 20, "everything else": 10}


def test_an_error_ends_its_stages(reporter, clock):
    def fail() -> None:
        with reporter.stage("a"), reporter.stages("b") as show:
            show("c", 0, 1)
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fail()
    clock.wait(3)
    assert reporter.times.all()[-1].wall == 3


def test_images_of_epochs_and_of_several_splits_add_up(reporter):
    with reporter.stage("training"):
        for epoch in range(3):
            reporter.begin(f"epoch {epoch}", 10)
            reporter.at(10, 10)
            reporter.end()
    with reporter.stage("evaluating") as show:
        show(5, 6)
        show(6, 6)
        show(2, 4)
    with reporter.stage("trying learning rates", 100, "rates") as show:
        show(100, 100)
    images = {each.name: each.images for each in reporter.times.all()}
    assert images == {"training": 30, "evaluating": 8, "trying learning rates": 0, "everything else": 0}


def test_a_quiet_reporter_says_nothing_and_still_measures(clock, capsys):
    with Reporter(quiet=True, clock=clock) as reporter, reporter.stage("training"):
        clock.wait(60)
        reporter.say_if_silent()
    assert capsys.readouterr().out == ""
    assert reporter.times.all()[0].wall == 60


def test_a_thread_says_what_takes_long_while_the_work_goes_on(monkeypatch, capsys):
    monkeypatch.setattr("tlkit.system.progress.QUIET_SECONDS", 0.0)
    with Reporter() as reporter, reporter.stage("starting TensorFlow"):
        watch = reporter._watch
        said = ""

        def is_said() -> bool:
            nonlocal said
            said += capsys.readouterr().out
            return bool(said)

        wait_until(is_said, "a line of the thread")
    assert said.startswith("  starting TensorFlow: 1 s")
    assert watch is not None
    assert not watch.is_alive()


def test_a_terminal_shows_the_stage_its_times_and_then_nothing(clock, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    console = Terminal()
    console.file = stream = io.StringIO()
    console._force_terminal = console.is_interactive = True
    console.width = 120
    with Reporter(console, clock=clock) as reporter:
        with reporter.stage("computing features") as show:
            clock.wait(10)
            show(100, 400)
            reporter._bar._bar.refresh()
            shown = stream.getvalue()
            assert "computing features" in shown
            assert "100/400" in shown
            assert "10 images/s" in shown
            assert "10 s, about 30 s left" in shown
        with reporter.stage("saving the model"):
            reporter._bar._bar.refresh()
            assert "about" not in stream.getvalue().rpartition("saving the model")[2]
    assert not reporter._bar._bar.live.is_started


@pytest.mark.parametrize(("seconds", "text"), [(0, "1 s"), (89, "89 s"), (90, "2 min"), (12_000, "3 h 20 min")])
def test_a_duration_is_said_as_people_say_it(seconds, text):
    assert time_text(seconds) == text
