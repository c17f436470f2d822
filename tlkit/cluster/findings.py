"""What the answers of the nodes mean for a training: whether it would fail, and what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tlkit.system.text import listed, size_text

Level = Literal["ok", "warning", "error"]

_MUST_BE_EQUAL = ("tlkit", "code of tlkit", "tensorflow", "keras", "ray")
_LEAST_FOLDER, _GOOD_FOLDER = 100e6, 5e9
_GOOD_TMP, _GOOD_MEMORY = 1e9, 2e9
_CLOCK_WARNING, _CLOCK_ERROR = 1.0, 15.0
ENOUGH_SECONDS = 20.0
"""Workers that have imported TensorFlow and so much time find each other, if nothing is in their way."""
SLOW_SECONDS = 3.0
"""A file that is seen so late makes workers wait for each other's files."""


@dataclass(frozen=True)
class Finding:
    """One line of what the check found.

    Args:
        level: ``error`` if a training would fail.
        what: what was looked at, such as ``clocks``.
        text: what was seen.
        remedy: what to do; empty if there is nothing to do.
    """

    level: Level
    what: str
    text: str
    remedy: str = ""


def judge_versions(own: Mapping[str, str], others: Mapping[str, Mapping[str, str]]) -> list[Finding]:
    """Compare the versions of the nodes with those of this process.

    Args:
        own: package → version here.
        others: node → package → version there.
    """
    found = []
    for name, version in own.items():
        different: dict[str, list[str]] = {}
        for node, there in others.items():
            if there.get(name, "") != version:
                different.setdefault(there.get(name, ""), []).append(node)
        for version_there, nodes in different.items():
            must = name in _MUST_BE_EQUAL or (name == "Python" and _minor(version) != _minor(version_there))
            level: Level = "error" if must or (version and not version_there) else "warning"
            seen = f"{version_there or 'not installed'} on {listed(nodes, 4)}, {version or 'not installed'} here"
            found.append(Finding(level, f"version of {name}", seen, _version_remedy(name, version)))
    if not found:
        same = ", ".join(f"{name} {version}" for name, version in own.items() if version and name != "code of tlkit")
        found.append(Finding("ok", "versions", f"the same everywhere: {same}"))
    return found


def _minor(version: str) -> list[str]:
    return version.split(".")[:2]


def _version_remedy(name: str, version: str) -> str:
    if name == "code of tlkit":
        return "the files of tlkit differ although their version may not: install the same tlkit on all nodes"
    if name == "Python":
        return f"start the nodes with Python {version}"
    return f"pip install {name}=={version} on that node" if version else f"install {name} here as well, or nowhere"


def judge_clocks(differences: Mapping[str, tuple[float, float]]) -> list[Finding]:
    """Judge how far the clocks of the nodes are from that of this process.

    Args:
        differences: node → how much later it is there, and how uncertain that is, in seconds.
    """
    found = []
    for node, (seconds, uncertain) in differences.items():
        off = abs(seconds) - uncertain
        if off > _CLOCK_WARNING:
            level: Level = "error" if off > _CLOCK_ERROR else "warning"
            text = f"{node} is {abs(seconds):.1f} s {'ahead' if seconds > 0 else 'behind'} (± {uncertain:.3f} s)"
            remedy = "synchronise it (chrony or systemd-timesyncd): how old a file or a sign of life is would be wrong"
            found.append(Finding(level, "clocks", text, remedy))
    if not found and differences:
        largest = max((abs(seconds), uncertain) for seconds, uncertain in differences.values())
        found.append(Finding("ok", "clocks", f"at most {largest[0]:.3f} s apart (± {largest[1]:.3f} s)"))
    return found


def judge_machine(node: str, facts: Mapping[str, Any], cpus: float) -> list[Finding]:
    """Judge the processors, the memory and the free room of a node.

    Args:
        node: its name.
        facts: what it said: ``Prober.about``.
        cpus: processors that a worker is to have.
    """
    found = []
    if facts["processors"] < cpus:
        text = f"{node} has {facts['processors']}, and a worker is to have {cpus:g}"
        found.append(Finding("error", "processors", text, "ask for fewer in [cluster] cpus"))
    if 0 < facts["free_memory"] < _GOOD_MEMORY:
        text = f"{node} has {size_text(facts['free_memory'])} free"
        found.append(Finding("warning", "memory", text, "a worker with TensorFlow takes 1 to 2 GB: end other programs"))
    for where, name in (("free_tmp", "/tmp"), ("free_cache", "the cache")):
        if facts[where] < _GOOD_TMP:
            text = f"{node} has {size_text(facts[where])} free for {name}"
            remedy = "TMPDIR names another folder" if where == "free_tmp" else "TLKIT_CACHE names another folder"
            found.append(Finding("warning", f"room for {name}", text, remedy))
    return found


def judge_room(rooms: Mapping[str, tuple[int, str]], folder: str) -> list[Finding]:
    """Judge the free room of the shared folder, as the nodes see it.

    Args:
        rooms: node → free bytes, and why the folder can't be used there; an empty text if it can.
        folder: the folder.
    """
    found = []
    for node, (free, problem) in rooms.items():
        if problem:
            remedy = "mount the shared folder there at the same path, or name another one with --folder"
            found.append(Finding("error", "folder", f"{folder} on {node}: {problem}", remedy))
        elif free < _GOOD_FOLDER:
            level: Level = "error" if free < _LEAST_FOLDER else "warning"
            text = f"{folder} on {node}: {size_text(free)} are free"
            found.append(Finding(level, "room", text, "a run with its checkpoints takes several GB: free some room"))
    if not found and rooms:
        least = min(free for free, _ in rooms.values())
        found.append(Finding("ok", "room", f"at least {size_text(least)} free in {folder}"))
    return found


def judge_reduce(results: Mapping[str, Mapping[str, Any]], seconds: float) -> list[Finding]:
    """Judge a sum over all workers.

    Args:
        results: worker → what ``Prober.reduce`` returned, or ``{"problem": …}``.
        seconds: how long they had.
    """
    late = [result for result in results.values() if result.get("late")]
    if late and (seconds < ENOUGH_SECONDS or any(not "".join(result["lines"]) for result in late)):
        text = f"not measured in the {seconds:.0f} s that were left: the nodes, or their disks, are busy"
        return [Finding("warning", "all-reduce", text, "give it longer, such as --seconds 300")]
    problems = {}
    figures: list[tuple[float, float]] = []
    for name, result in results.items():
        lines = [line.split() for line in result.get("lines", ()) if line.strip()]
        stages = [words[0] for words in lines]
        if "reduced" in stages:
            words = lines[stages.index("reduced")]
            if float(words[1]) != len(results):
                problems[name] = f"the sum of {len(results)} ones was {words[1]}"
            figures.append((float(words[2]), float(words[3])))
        else:
            problems[name] = _stopped(result, stages, seconds)
    if problems:
        text = "; ".join(f"{name}: {problem}" for name, problem in list(problems.items())[:3])
        remedy = "open the ports between the nodes (all above 1024), and check that each can import TensorFlow"
        return [Finding("error", "all-reduce", text, remedy)]
    slowest, size = max(figures)
    rate = size / max(slowest, 1e-6)
    text = f"{len(results)} workers summed {size_text(size)} in {slowest * 1000:.0f} ms, {rate / 1e6:.0f} MB/s"
    if rate < 10e6:
        return [Finding("warning", "all-reduce", text, "a training that unfreezes the backbone would wait for it")]
    return [Finding("ok", "all-reduce", text)]


def _stopped(result: Mapping[str, Any], stages: Sequence[str], seconds: float) -> str:
    """Return what a worker of the sum did not come to."""
    if "problem" in result:
        return str(result["problem"])
    reached = {"": "TensorFlow was not imported", "imported": "the workers did not find each other"}
    what = reached.get(stages[-1] if stages else "", "the sum was not computed")
    why = f" within {seconds:.0f} s" if result["late"] else ""
    return f"{what}{why}" + (f" ({result['errors']})" if result["errors"] else "")
