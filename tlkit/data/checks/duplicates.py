"""Find files that show the same picture: by their bytes, and by perceptual hashes that differ in a few bits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

HASH_BITS = 256
_BLOCK = 1024
"""Rows per block; two blocks are compared at a time."""
_SMALL = 256
"""The most rows of a group that is compared together with others."""


def same_pictures(digests: Sequence[str], pictures: Sequence[str], near: int) -> np.ndarray:
    """Number the pictures: files with equal bytes or near hashes get the same number, transitively.

    Args:
        digests: the digest of each file's bytes, N of them; a file with an empty digest equals no other.
        pictures: the perceptual hash of each file, 64 hexadecimal digits, or empty.
        near: the number of the 256 bits that may differ between hashes of the same picture.

    Returns:
        the number of each file's picture, int (N,).
    """
    count = len(digests)
    pairs = [_equal_pairs(digests)]
    hashed = [place for place, each in enumerate(pictures) if each]
    if hashed:
        codes = np.frombuffer(bytes.fromhex("".join(pictures[place] for place in hashed)), np.uint8)
        codes, first, inverse = np.unique(
            codes.reshape(len(hashed), -1), axis=0, return_index=True, return_inverse=True
        )
        places = np.array(hashed, np.int64)
        pairs.append(np.stack([places, places[first[inverse.reshape(-1)]]], axis=1))
        pairs.append(places[first][near_pairs(codes, near)])
    return connected(np.concatenate(pairs), count)


def connected(edges: np.ndarray, count: int) -> np.ndarray:
    """Number the connected parts of a graph, in the order of their first nodes.

    Args:
        edges: pairs of nodes, int64 (edges, 2).
        count: the number of nodes.

    Returns:
        the number of each node's part, int (count,).
    """
    edges = edges[edges[:, 0] != edges[:, 1]]
    if not len(edges):
        return np.arange(count)  # most data sets: scipy need not be imported
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    graph = coo_matrix((np.ones(len(edges), bool), (edges[:, 0], edges[:, 1])), (count, count))
    return np.asarray(connected_components(graph, directed=False)[1])


def near_pairs(codes: np.ndarray, near: int) -> np.ndarray:
    """Find all pairs of codes that differ in at most ``near`` bits.

    The bits are dealt out to ``near`` + 1 bands. Two codes that differ in at most ``near`` bits are equal in at least
    one band, so only codes that share a band are compared (Manku, Jain and Das Sarma 2007, section 3).

    Args:
        codes: unique codes, uint8 (N, bytes).
        near: the number of bits that may differ; less than the number of bits of a code.

    Returns:
        rows of ``codes``, int64 (pairs, 2), the smaller row first; a pair may occur several times.
    """
    bits = np.unpackbits(codes, axis=1)
    words = np.ascontiguousarray(codes.view(np.uint64).T)
    pairs = [np.zeros((0, 2), np.int64)]
    for band in range(near + 1):
        keys = _numbers(np.packbits(bits[:, band :: near + 1], axis=1))
        order = np.argsort(keys, kind="stable")
        starts = np.flatnonzero(np.diff(keys[order], prepend=-1))
        sizes = np.diff(starts, append=len(order))
        large = sizes > _SMALL
        pairs += [
            _near_in_group(words, order[start : start + size], near)
            for start, size in zip(starts[large], sizes[large], strict=True)
        ]
        pairs += _near_neighbours(words, order, np.repeat(starts + np.where(large, 0, sizes), sizes), near)
    return np.sort(np.concatenate(pairs), axis=1)


def _numbers(rows: np.ndarray) -> np.ndarray:
    """Number rows of bytes, uint8 (N, bytes): equal rows get equal numbers, int64 (N,), none of them negative."""
    if rows.shape[1] < 8:
        padded = np.zeros((len(rows), 8), np.uint8)
        padded[:, : rows.shape[1]] = rows
        return padded.view("<i8")[:, 0]
    return np.unique(rows, axis=0, return_inverse=True)[1].reshape(-1)


def _near_neighbours(words: np.ndarray, order: np.ndarray, ends: np.ndarray, near: int) -> list[np.ndarray]:
    """Compare the codes of small groups: each with the next of its group, then each with the one after that, and on.

    Args:
        words: the codes, uint64 (words, N).
        order: the rows, group after group, int64 (N,).
        ends: for each place in ``order``, the place at which its group ends, int64 (N,).
        near: the number of bits that may differ.
    """
    pairs = []
    firsts, step = np.arange(len(order)), 1
    while len(firsts := firsts[firsts + step < ends[firsts]]):
        one, two = order[firsts], order[firsts + step]
        distances = np.zeros(len(one), np.uint16)
        for word in words:
            distances += np.bitwise_count(word[one] ^ word[two])
            close = distances <= near
            one, two, distances = one[close], two[close], distances[close]
        if len(one):
            pairs.append(np.stack([one, two], axis=1))
        step += 1
    return pairs


def _near_in_group(words: np.ndarray, group: np.ndarray, near: int) -> np.ndarray:
    """Compare all codes of a group, block by block.

    Args:
        words: the codes, uint64 (words, N).
        group: the rows to compare, int64 (G,).
        near: the number of bits that may differ.
    """
    pairs = []
    for start in range(0, len(group), _BLOCK):
        rows = words[:, group[start : start + _BLOCK]]
        for other in range(start, len(group), _BLOCK):
            columns = words[:, group[other : other + _BLOCK]]
            distances = np.zeros((rows.shape[1], columns.shape[1]), np.uint16)
            for row, column in zip(rows, columns, strict=True):
                distances += np.bitwise_count(row[:, None] ^ column)
            one, two = np.nonzero(distances <= near)
            one, two = one + start, two + other
            pairs.append(np.stack([group[one[one < two]], group[two[one < two]]], axis=1))
    return np.concatenate(pairs)


def _equal_pairs(digests: Sequence[str]) -> np.ndarray:
    """Pair each file with the first of the same digest, int64 (pairs, 2)."""
    first: dict[str, int] = {}
    pairs = [(place, first.setdefault(each, place)) for place, each in enumerate(digests) if each]
    return np.array(pairs, np.int64).reshape(-1, 2)
