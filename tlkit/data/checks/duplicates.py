"""Find files that show the same picture: by their bytes, and by perceptual hashes that differ in a few bits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

HASH_BITS = 256
_TOGETHER = 2_000_000
"""How many pairs are compared, and how many are kept, at a time."""
_ROWS = 100_000
"""How many codes are unpacked at a time."""
_FLIPPED = 56
"""The most bits of a band whose bits are looked at one by one."""
_CROWDED = 64
"""Codes in a band, on average, from which it pays to look for bands that differ in a bit."""


def same_pictures(digests: np.ndarray, pictures: np.ndarray, near: int) -> np.ndarray:
    """Number the pictures: files with equal bytes or near hashes get the same number, transitively.

    Args:
        digests: the digest of each file's bytes, uint8 (N, 32); a file with zeros equals no other.
        pictures: the perceptual hash of each file, uint8 (N, 32), or zeros.
        near: the number of the 256 bits that may differ between hashes of the same picture.

    Returns:
        the number of each file's picture, int (N,).
    """
    return connected(_all_pairs(digests, pictures, near), len(digests))


def _all_pairs(digests: np.ndarray, pictures: np.ndarray, near: int) -> Iterator[np.ndarray]:
    yield _equal_pairs(digests)
    hashed = np.flatnonzero(pictures.any(1))
    if not len(hashed):
        return
    equal = _equal_pairs(pictures)
    yield equal
    first = np.ones(len(pictures), bool)
    first[equal[:, 0]] = False
    places = hashed[first[hashed]]
    for pairs in near_pairs(pictures[places], near):
        yield places[pairs]


def connected(edges: Iterable[np.ndarray], count: int) -> np.ndarray:
    """Number the connected parts of a graph, in the order of their first nodes.

    Args:
        edges: pairs of nodes, int (edges, 2), some at a time.
        count: the number of nodes.

    Returns:
        the number of each node's part, int (count,).
    """
    numbers: np.ndarray | None = None
    waiting: list[np.ndarray] = []
    for pairs in edges:
        waiting += [pairs[pairs[:, 0] != pairs[:, 1]]]
        if sum(map(len, waiting)) > _TOGETHER:
            numbers = _joined(numbers, np.concatenate(waiting), count)
            waiting = []
    if any(map(len, waiting)):
        numbers = _joined(numbers, np.concatenate(waiting), count)
    return np.arange(count) if numbers is None else numbers


def _joined(numbers: np.ndarray | None, edges: np.ndarray, count: int) -> np.ndarray:
    """Number the parts after more of them are joined; ``numbers`` are those before."""
    from scipy.sparse import coo_matrix  # most data sets don't need it
    from scipy.sparse.csgraph import connected_components

    if numbers is not None:
        _, first = np.unique(numbers, return_index=True)
        edges = np.concatenate([edges, np.stack([np.arange(count), first[numbers]], axis=1)])
    graph = coo_matrix((np.ones(len(edges), bool), (edges[:, 0], edges[:, 1])), (count, count))
    return np.asarray(connected_components(graph, directed=False)[1])


def near_pairs(codes: np.ndarray, near: int) -> Iterator[np.ndarray]:
    """Find all pairs of codes that differ in at most ``near`` bits.

    The bits are dealt out to bands. Two codes that differ in at most ``near`` bits are equal in at least one of
    ``near`` + 1 bands, and differ in at most one bit in at least one of ``near`` // 2 + 1 bands. Only codes that share
    a band in this way are compared (Manku, Jain and Das Sarma 2007, section 3). The second way has fewer and wider
    bands: among a million codes it compares a hundredth of the pairs.

    Args:
        codes: unique codes, uint8 (N, bytes).
        near: the number of bits that may differ; less than the number of bits of a code.

    Yields:
        rows of ``codes``, int (pairs, 2), the smaller row first; a pair may occur several times.
    """
    bits = codes.shape[1] * 8
    crowded = len(codes) >> bits // (near + 1) >= _CROWDED and -(-bits // (near // 2 + 1)) <= _FLIPPED
    bands = near // 2 + 1 if crowded else near + 1
    words = np.ascontiguousarray(codes.view(np.uint64).T)
    for band in range(bands):
        keys = _numbers(_bits_of(codes, band, bands))
        order = np.argsort(keys, kind="stable").astype(np.int32)
        ordered = keys[order]
        starts = np.flatnonzero(np.diff(ordered, prepend=-1))
        ends, groups = np.append(starts[1:], len(order)), np.arange(len(starts))
        sizes = ends - starts
        rows = np.arange(len(order))
        yield from _near_of(words, order, rows, rows + 1, np.repeat(ends, sizes), near)
        if not crowded:
            continue
        values = ordered[starts]
        used = int(np.bitwise_or.reduce(values))
        for bit in (bit for bit in range(used.bit_length()) if used >> bit & 1):
            lower = groups[values >> bit & 1 == 0]
            other = np.searchsorted(values, values[lower] | 1 << bit)
            there = other < len(values)
            there[there] = values[other[there]] == values[lower[there]] | 1 << bit
            lower, other = lower[there], other[there]
            rows = _ranges(starts[lower], sizes[lower])
            partners = np.repeat(other, sizes[lower])
            yield from _near_of(words, order, rows, starts[partners], ends[partners], near)


def _ranges(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Return the numbers of ranges, one range after the other."""
    before = np.cumsum(lengths) - lengths
    ranges: np.ndarray = np.arange(int(lengths.sum())) + np.repeat(starts - before, lengths)
    return ranges


def _bits_of(codes: np.ndarray, band: int, bands: int) -> np.ndarray:
    """Return the bits of a band of each code, packed: uint8 (N, bytes)."""
    parts = (codes[first : first + _ROWS] for first in range(0, len(codes), _ROWS))
    return np.concatenate([np.packbits(np.unpackbits(part, axis=1)[:, band::bands], axis=1) for part in parts])


def _numbers(rows: np.ndarray) -> np.ndarray:
    """Number rows of bytes, uint8 (N, bytes): equal rows get equal numbers, int64 (N,), none of them negative.

    Rows of less than 8 bytes differ in the bits in which their numbers differ.
    """
    if rows.shape[1] < 8:
        padded = np.zeros((len(rows), 8), np.uint8)
        padded[:, : rows.shape[1]] = rows
        return padded.view("<i8")[:, 0]
    return np.unique(rows, axis=0, return_inverse=True)[1].reshape(-1)


def _near_of(
    words: np.ndarray, order: np.ndarray, places: np.ndarray, starts: np.ndarray, ends: np.ndarray, near: int
) -> Iterator[np.ndarray]:
    """Yield the near pairs among codes and those of a range for each.

    Args:
        words: the codes, uint64 (words, N).
        order: the rows of the codes in an order, int32 (N,).
        places: the place in this order of some codes, int64 (M,).
        starts: where the range begins of the codes to compare each with.
        ends: where it ends; int64 (M,).
        near: the number of bits that may differ.
    """
    lengths = ends - starts
    some = lengths > 0
    places, starts, lengths = places[some], starts[some], lengths[some]
    before = np.cumsum(lengths)
    first = 0
    while first < len(places):
        done = before[first - 1] if first else 0
        last = max(first + 1, int(np.searchsorted(before, done + _TOGETHER, side="right")))
        part = slice(first, last)
        one = np.repeat(order[places[part]], lengths[part])
        two = order[_ranges(starts[part], lengths[part])]
        distances = np.zeros(len(one), np.uint16)
        for word in words:
            distances += np.bitwise_count(word[one] ^ word[two])
            close = distances <= near
            one, two, distances = one[close], two[close], distances[close]
        if len(one):
            yield np.sort(np.stack([one, two], axis=1), axis=1)
        first = last


def _equal_pairs(rows: np.ndarray) -> np.ndarray:
    """Pair each row of bytes, uint8 (N, 32), with the first that is equal, int64 (pairs, 2); rows of zeros with none.

    Only rows whose first 8 bytes another has, too, are compared: of millions, few.
    """
    starts = rows[:, :8].copy().view(np.int64)[:, 0]
    ordered = np.sort(starts)
    repeated = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    places = np.flatnonzero(np.isin(starts, repeated)) if len(repeated) else np.zeros(0, np.int64)
    places = places[rows[places].any(1)]
    if not len(places):
        return np.zeros((0, 2), np.int64)
    _, first, inverse = np.unique(rows[places], axis=0, return_index=True, return_inverse=True)
    pairs: np.ndarray = np.stack([places, places[first[inverse.reshape(-1)]]], axis=1)
    different: np.ndarray = pairs[pairs[:, 0] != pairs[:, 1]]
    return different
