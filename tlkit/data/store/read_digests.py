"""What the bytes of millions of samples were when they were decoded, in some 100 bytes each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tlkit.data.store.decoding import Digests
from tlkit.system.columns import HexDigests


class ReadDigests(Mapping[str, Digests]):
    """Sample key → what its bytes were; the digests are made when they are asked for."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}
        self._whole = HexDigests()
        self._masked: dict[str, Digests] = {}
        """Those that are not the image's alone."""

    def add(self, key: str, digests: Digests) -> None:
        """Add a sample that is not known yet."""
        self._places[key] = len(self._places)
        self._whole.append(digests.whole)
        if digests.mask or digests.image != digests.whole:
            self._masked[key] = digests

    def __getitem__(self, key: str) -> Digests:
        whole = self._whole[self._places[key]]
        return self._masked.get(key) or Digests(whole, whole, "")

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)
