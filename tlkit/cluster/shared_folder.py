"""Look whether a folder is the same on all nodes of a cluster, and whether locks and renames work in it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from secrets import token_hex
from typing import Any

from tlkit.cluster.findings import SLOW_SECONDS, Finding, judge_room
from tlkit.cluster.nodes import Answer, Node, answers, ask
from tlkit.cluster.probes import Prober

_ANSWER = 5.0
_SEEN = 10.0
"""Seconds within which a new file must be seen."""


class SharedFolder:
    """A folder, at the same path on all nodes and on this machine.

    Args:
        nodes: the nodes; those that are removed from the list later are not asked.
        folder: the folder.
    """

    def __init__(self, nodes: list[Node], folder: str) -> None:
        self.nodes = nodes
        self.folder = folder
        self.token = token_hex(8)
        self.own = Prober()
        self._found: list[Finding] = []

    def _add(self, *finding: Any) -> None:
        self._found.append(Finding(*finding))

    def findings(self) -> list[Finding]:
        """Look whether the nodes see the same folder, and whether locks work in it."""
        rooms = ask(self.nodes, lambda node: node.free.remote(self.folder), _ANSWER)
        seen = {each.name: answer.value or (0, answer.problem) for each, answer in zip(self.nodes, rooms, strict=True)}
        seen = {"this machine": self.own.free(self.folder), **seen}
        self._found += judge_room(seen, self.folder)
        usable = [each for each in self.nodes if not seen[each.name][1]]
        if usable and not seen["this machine"][1]:
            writer = self._writer(usable)
            if writer is not None and self._is_same(writer, usable):
                self._locks(writer, usable)
        return self._found

    def _writer(self, usable: Sequence[Node]) -> Node | None:
        """Have each node write a file of its own into the folder; return the first one that could."""
        asked = [
            each.actor.write_token.remote(self.folder, f"{self.token}-{place}", self.token)
            for place, each in enumerate(usable)
        ]
        writer = None
        for each, answer in zip(usable, answers(asked, _ANSWER), strict=True):
            problem = answer.problem or answer.value
            if problem:
                text = f"{each.name} can't write to {self.folder}: {problem}"
                self._add("error", "folder", text, "mount it writable, for the user that Ray runs as, with free room")
            writer = writer or (None if problem else each)
        return writer

    def _is_same(self, writer: Node, usable: Sequence[Node]) -> bool:
        """Have one node write a file, and the others and this machine look for it; return whether all saw it."""
        name, content = f"{self.token}-shared", token_hex(8)
        others = [each for each in usable if each is not writer]
        begin = time.monotonic()
        watching = [each.actor.wait_for_token.remote(self.folder, name, content, _SEEN) for each in others]
        [written] = answers([writer.actor.write_token.remote(self.folder, name, content)], _ANSWER)
        after = time.monotonic() - begin
        here = self.own.wait_for_token(self.folder, name, content, _SEEN)
        got = [Answer(here), *answers(watching, _SEEN + _ANSWER)]
        late = []
        same = not (written.problem or written.value)
        for who, answer in zip(["this machine", *(each.name for each in others)], got, strict=True):
            seconds, problem = answer.value or (0.0, answer.problem)
            if problem:
                same = False
                text = f"what {writer.name} wrote into {self.folder} is not seen on {who}: {problem}"
                remedy = "mount the same folder at this path on all nodes (NFS, Lustre …), or name it with --folder"
                self._add("error", "shared folder", text, remedy)
            late.append(max(0.0, seconds - (0.0 if who == "this machine" else after)))
        if same and max(late) > SLOW_SECONDS:
            text = f"a new file is seen after {max(late):.1f} s"
            self._add("warning", "shared folder", text, "mount it with a shorter cache of names (NFS: actimeo=1)")
        elif same:
            self._add(
                "ok", "shared folder", f"{self.folder} is the same everywhere; a file is seen in {max(late):.2f} s"
            )
        return same

    def _locks(self, writer: Node, usable: Sequence[Node]) -> None:
        """Have one node lock a file, and the others try: they must be refused until it is free."""
        name = f"{self.token}-shared"
        [first] = answers([writer.actor.lock.remote(self.folder, name)], _ANSWER)
        if first.value != "locked":
            text = f"{writer.name} can't lock files in {self.folder}: {first.problem or first.value}"
            self._add("error", "locks", text, "use a file system with locks (NFS: start its lock service)")
            return
        others = [each for each in usable if each is not writer]
        asked = [each.actor.lock.remote(self.folder, name) for each in others]
        tries = {"this machine": self.own.lock(self.folder, name)}
        tries |= {
            each.name: answer.problem or answer.value
            for each, answer in zip(others, answers(asked, _ANSWER), strict=True)
        }
        wrong = [f"{who}: {said}" for who, said in tries.items() if said != "busy"]
        self.own.unlock()
        ask(usable, lambda node: node.unlock.remote(), _ANSWER)
        again = self.own.lock(self.folder, name)
        self.own.unlock()
        if wrong or again != "locked":
            text = f"a lock of {writer.name} is not seen by {'; '.join(wrong) or f'this machine: {again}'}"
            remedy = (
                "two jobs could write into one run: use a file system with locks between nodes (NFS: no local_lock)"
            )
            self._add("error", "locks", text, remedy)
        else:
            self._add("ok", "locks", "a lock of one node is refused to the others")

    def clean_up(self) -> None:
        """Remove what was written into the folder."""
        names = [f"{self.token}-{place}" for place in range(len(self.nodes))] + [f"{self.token}-shared"]
        asked = [each.actor.remove_token.remote(self.folder, name) for each in self.nodes for name in names]
        answers(asked, _ANSWER)
        for name in names:
            self.own.remove_token(self.folder, name)
