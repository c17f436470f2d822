"""What the bytes of millions of samples were when they were decoded, in some 50 bytes each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from tlkit.data.store.decoding import Digests
from tlkit.system.columns import Chosen, HexDigests, Places


class ReadDigests(Mapping[str, Digests]):
    """Sample key → what its bytes were; the digests are made when they are asked for."""

    def __init__(self) -> None:
        self._places = Places()
        self._whole = HexDigests()
        self._masked: dict[str, Digests] = {}
        """Those that are not the image's alone."""

    def add(self, key: str, digests: Digests) -> None:
        """Add a sample that is not known yet."""
        self._places.add(key)
        self._whole.append(digests.whole)
        if digests.mask or digests.image != digests.whole:
            self._masked[key] = digests

    def __getitem__(self, key: str) -> Digests:
        whole = self._whole[self._places[key]]
        return self._masked.get(key) or Digests(whole, whole, "")

    def whole(self, keys: Iterable[str]) -> Sequence[str]:
        """Return the digests of samples, their masks' bytes included, which take 4 bytes each besides those here."""
        return Chosen(self._whole, map(self._places.__getitem__, keys))

    def image(self, key: str) -> str:
        """Return the digest of a sample's image."""
        masked = self._masked.get(key) if self._masked else None
        return masked.image if masked else self._whole[self._places[key]]

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)


def image_digests(read: Mapping[str, Digests], keys: Iterable[str]) -> Sequence[str]:
    """Return the digests of the images of samples, those of masks aside.

    Args:
        read: sample key → what its bytes were.
        keys: the keys of the samples.
    """
    if isinstance(read, ReadDigests) and not read._masked:
        return read.whole(keys)
    return HexDigests(read[key].image for key in keys)
