"""How far tlkit scales: what millions of images cost here, and what a plan says about more machines.

    python tests/benchmarks/scale.py rows 1000000    # time and memory of each stage of a list of images, without them
    python tests/benchmarks/scale.py figures         # what the plan's steps cost on this machine, as JSON
    python tests/benchmarks/scale.py check           # the prediction for 1, 2 and 4 processes, and the measurement
    python tests/benchmarks/scale.py plan            # what the plan says for 10 million images on 64 workers

``figures`` and ``check`` need photos of the Oxford-IIIT Pet data set: a folder with ``pets/images``, named by
``--data`` or ``TLKIT_TEST_DATA``. Run them on an otherwise idle machine. ``plan`` takes the figures that were measured
once, or those of ``--figures FILE``. Ten million rows take 3 GB on the disk for temporary
files (``TMPDIR``), and 10,000 links.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from scale_plan import (
    GIGABIT,
    Costs,
    Images,
    Machines,
    Stage,
    Training,
    fine_tuning,
    frozen_pass,
    head,
    listing,
)

FIGURES = Path(__file__).with_name("scale_figures.json")
PROGRAM = Path(__file__).with_name("scale_worker.py")
SIDE = 224
PROCESSES = (1, 2, 4)


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    rows = verbs.add_parser("rows", help="measure the stages of a list of images")
    rows.add_argument("count", type=int)
    rows.add_argument("--no-groups", action="store_true", help="no image is in a group that stays whole")
    for name in ("figures", "check"):
        verb = verbs.add_parser(name)
        verb.add_argument("--data", type=Path, default=os.environ.get("TLKIT_TEST_DATA"))
        verb.add_argument("--images", type=int, default=200, help="photos of a round of check")
        verb.add_argument("--rounds", type=int, default=3)
    verbs.add_parser("plan").add_argument("--figures", type=Path, default=FIGURES)
    given = parser.parse_args()
    if given.verb == "rows":
        from scale_rows import measure_rows

        with tempfile.TemporaryDirectory(prefix="tlkit-rows-") as folder:
            measure_rows(given.count, Path(folder), _say, grouped=not given.no_groups)
    elif given.verb == "plan":
        plan(costs_of(json.loads(given.figures.read_text(encoding="utf-8"))), _say)
    elif given.data is None:
        parser.error("name the folder with pets/images by --data or TLKIT_TEST_DATA")
    elif given.verb == "figures":
        from scale_figures import measure

        figures = measure(Path(given.data), lambda line: print(line, file=sys.stderr, flush=True))
        print(json.dumps(figures, indent=2))
    else:
        check(Path(given.data), given.images, given.rounds, _say)


def costs_of(figures: Mapping[str, Any]) -> Costs:
    """Return the costs among measured figures."""
    return Costs(**{each.name: figures[each.name] for each in fields(Costs)})


def check(folder: Path, count: int, rounds: int, say: Callable[[str], None]) -> None:
    """Compare the predicted speed of the frozen pass in 1, 2 and 4 processes of one thread with the measured.

    Args:
        folder: the folder with ``pets/images``.
        count: how many photos to pass in each round.
        rounds: how often each number of processes is measured, in turn; the fastest counts.
        say: prints a line.
    """
    from scale_figures import photos_of

    photos = [str(photo) for photo in photos_of(folder, count)]
    with tempfile.TemporaryDirectory() as temporary:
        network = Path(temporary) / "network.tflite"
        network.write_bytes(_network())
        measured: dict[int, list[tuple[float, float]]] = {number: [] for number in PROCESSES}
        for _ in range(rounds):
            for number in PROCESSES:
                measured[number].append(passed(network, photos, number))
    # One process says what an image costs; the plan says what more of them gain.
    each = min(used for _, used in measured[1]) / len(photos)
    costs = Costs(0.0, {"litert": each}, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0)
    cores = len(os.sched_getaffinity(0))
    say(f"{len(photos)} photos, MobileNetV2 at {SIDE}, LiteRT, one thread a process")
    say(f"{cores} cores, load {os.getloadavg()[0]:.1f}")
    say(f"{'processes':<12}{'predicted':>14}{'measured':>14}{'over it':>10}{'processor ms an image':>24}")
    for number in PROCESSES:
        machines = Machines(workers=number, cores=cores)
        predicted = len(photos) / frozen_pass(Images(len(photos)), machines, costs, "litert").seconds
        wall, used = min(measured[number])
        rate, each = len(photos) / wall, 1000 * used / len(photos)
        say(f"{number:<12}{predicted:>10.1f} / s{rate:>10.1f} / s{rate / predicted:>10.2f}{each:>24.1f}")


def passed(network: Path, photos: Sequence[str], processes: int) -> tuple[float, float]:
    """Pass photos through a network in several processes; return the wall seconds and those of the processors."""
    workers = [
        subprocess.Popen(
            [sys.executable, str(PROGRAM), "pass", str(network), str(SIDE), *photos[rank::processes]],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(processes)
    ]
    for worker in workers:
        assert worker.stdout is not None
        if worker.stdout.readline() != "ready\n":
            raise SystemExit("a process did not start")
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("\n")
        worker.stdin.flush()
    answers = [json.loads(worker.communicate()[0]) for worker in workers]
    return max(wall for wall, _ in answers), sum(used for _, used in answers)


def _network() -> bytes:
    import keras

    from tlkit.models.convert import convert_to_litert

    shape = (SIDE, SIDE, 3)
    return convert_to_litert(
        keras.applications.MobileNetV2(weights=None, include_top=False, pooling="avg", input_shape=shape)
    )


def plan(costs: Costs, say: Callable[[str], None]) -> None:
    """Print what the plan says for 10 million images on one machine and on 64."""
    small, large = Images(10_000_000, features=1280), Images(10_000_000, features=2048)
    classes = 1000
    of_head = Training((1280 + 1) * classes, epochs=20, batch=8192, checkpoints=20)
    of_all = Training(25_600_000, epochs=10, batch=4096, checkpoints=10)
    for name, machines in MACHINES.items():
        say(f"{name}:")
        say(f"  {'stage':<44}{'hours':>8}  {'limit':<20}{'of it':>6}{'GB a machine':>14}")
        for what, stage in (
            ("", listing(small, costs)),
            (", MobileNetV2", frozen_pass(small, machines, costs, "MobileNetV2 litert")),
            (", 20 epochs", head(small, of_head, machines, costs)),
            (", ResNet50", frozen_pass(large, machines, costs, "ResNet50 openvino")),
            (" of ResNet50, 10 epochs", fine_tuning(large, of_all, machines, costs)),
        ):
            say(f"  {stage.name + what:<44}{_row(stage)}")
    terabytes = [small.count * each / 1e12 for each in (small.stored, small.decoded, small.kept, large.kept)]
    words = ("files", "decoded", "features of MobileNetV2", "features of ResNet50")
    say("on the disk: " + ", ".join(f"{word} {each:.2f} TB" for word, each in zip(words, terabytes, strict=True)))


MACHINES = {
    "one machine, 2 cores": Machines(threads=2),
    "64 machines of 2 cores, 10 Gbit/s, a folder of 1 GB/s": Machines(64, threads=2, opening=1e-3),
    "64 machines of 16 cores, 10 Gbit/s, a folder of 1 GB/s": Machines(64, threads=16, cores=16, opening=1e-3),
    "the same with 1 Gbit/s": Machines(64, threads=16, cores=16, opening=1e-3, link=GIGABIT),
}


def _row(stage: Stage) -> str:
    busy = {**stage.parts, **stage.beside}[stage.limit]
    return f"{stage.seconds / 3600:>8.2f}  {stage.limit:<20}{busy / stage.seconds:>6.0%}{stage.moved / 1e9:>14.0f}"


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main()
