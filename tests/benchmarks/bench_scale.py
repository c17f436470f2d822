"""The rows about how a run scales: its memory, its time per image, and its fixed costs."""

from __future__ import annotations

from typing import Any

from bench_line import Goal, Line
from bench_session import Session

SMALL = {"name": "MobileNetV2", "alpha": 0.35}


def memory(session: Session) -> list[Line]:
    """Compare the peak memory of a whole run on many images with that on few."""
    few, many = session.sizes.memory
    runs = {number: _small_run(session, number) for number in (few, many)}
    raw = {str(number): measured for number, measured in runs.items()}
    lines = []
    for what, key, goal in (
        ("", "max_rss", Goal("≤", 1.1)),
        (", without pages of mapped files", "max_anonymous", None),
    ):
        least, most = (runs[number]["ended"][key] for number in (few, many))
        if least and most:
            shown = f"{most / 1e6:.0f} MB, {least / 1e6:.0f} MB"
            lines.append(
                Line(f"peak memory with {many} images over that with {few}{what}", most / least, goal, "", shown, raw)
            )
    return lines


def growth(session: Session) -> list[Line]:
    """Compare the time per image of the first row's training part for more and more images."""
    numbers = session.sizes.growth
    runs = {}
    for number in numbers:
        recipe = session.photo_recipe(number, linked=True)
        runs[number] = session.measure("bench_tlkit.run", recipe=recipe, out=session.new_folder("run"))
    each = [1000 * runs[number]["training_seconds"] / number for number in numbers]
    return [
        Line(
            f"time per image of the frozen run with {', '.join(map(str, numbers))} images: greatest over least",
            max(each) / min(each),
            Goal("≤", 1.1),
            shown=", ".join(f"{value:.1f} ms" for value in each),
            raw={str(number): measured for number, measured in runs.items()},
        )
    ]


def overhead(session: Session) -> list[Line]:
    """Measure everything in a run that is not training."""
    sizes = session.sizes
    recipe = session.photo_recipe(sizes.whole, input={"validation": 0.2})
    ours = session.measure("bench_tlkit.run", recipe=recipe, out=session.new_folder("run"), whole=True)
    whole, training = ours["process_seconds"], ours["training_seconds"]
    return [
        Line(
            f"everything that is not training in a run on {sizes.whole} images, ResNet50",
            whole - training,
            Goal("≤", 20),
            " s",
            f"{whole:.1f} s, of them training {training:.1f} s",
            {"tlkit": ours},
        )
    ]


def _small_run(session: Session, number: int) -> dict[str, Any]:
    inputs = {"image_size": session.sizes.small_side, "validation": 0.2}
    recipe = session.photo_recipe(number, SMALL, linked=True, input=inputs)
    return session.measure("bench_tlkit.run", recipe=recipe, out=session.new_folder("run"), whole=True)
