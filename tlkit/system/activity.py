"""What a process is doing, and how far it is."""

from __future__ import annotations

from dataclasses import dataclass

from tlkit.system.text import time_text


@dataclass
class Activity:
    """What a process is doing, and how far it is.

    Args:
        title: what it is doing, such as ``"computing features"``.
        began: when it began, in seconds of the reporter's clock.
        total: the number of units; 0 if it is not known.
        unit: the name of a unit in the plural.
        done: the number of units that are done.
        earlier: the number of units of what was done before under the same title, such as another split.
        status: what else there is to say.
    """

    title: str
    began: float
    total: int = 0
    unit: str = "images"
    done: int = 0
    earlier: int = 0
    status: str = ""

    def move(self, done: int, total: int) -> None:
        """Say how many of how many units are done; where the count starts again, the earlier units still count."""
        if done < self.done:
            self.earlier += self.done
        self.done, self.total = done, total

    @property
    def images(self) -> int:
        """The number of images that are done."""
        return self.earlier + self.done if self.unit == "images" else 0

    def times(self, now: float) -> str:
        """Return how long it takes so far and, where the total is known, how long it will take."""
        passed = now - self.began
        if not self.done or self.done >= self.total:
            return time_text(passed)
        # Exact after the first count; an earlier one, such as another split, was about as fast.
        left = passed / (self.earlier + self.done) * (self.total - self.done)
        return f"{time_text(passed)}, about {time_text(left)} left"

    def line(self, now: float) -> str:
        """Return what is being done in one line."""
        count = f" {self.done:,}/{self.total:,}" if self.total > 1 else ""
        return f"{self.title}{count}: {self.times(now)} {self.status}".rstrip()
