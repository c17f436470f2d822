"""Find the same picture among many, compared with a comparison of all pairs."""

from __future__ import annotations

import numpy as np
import pytest

from tlkit.data.checks.duplicates import HASH_BITS, connected, near_pairs, same_pictures


def flipped(code: np.ndarray, count: int, random: np.random.Generator) -> np.ndarray:
    bits = np.unpackbits(code)
    bits[random.choice(HASH_BITS, count, replace=False)] ^= 1
    return np.packbits(bits)


def pairs_of(codes: np.ndarray, near: int) -> set[tuple[int, int]]:
    return {(one, two) for part in near_pairs(codes, near) for one, two in part.tolist()}


@pytest.fixture
def codes() -> np.ndarray:
    """Random hashes, and copies of some of them with 1 to 40 flipped bits."""
    random = np.random.default_rng(0)
    made = random.integers(0, 256, (1500, HASH_BITS // 8)).astype(np.uint8)
    copies = [flipped(made[number], 1 + number % 40, random) for number in range(400)]
    return np.unique(np.concatenate([made, copies]), axis=0)


@pytest.mark.parametrize("near", [0, 1, 8, 24, 32])
def test_all_near_pairs_are_found_and_no_others(codes: np.ndarray, near: int) -> None:
    bits = np.unpackbits(codes, axis=1).astype(np.int16)
    distances = bits.sum(1)[:, None] + bits.sum(1)[None] - 2 * bits @ bits.T
    expected = {(one, two) for one, two in np.argwhere(distances <= near).tolist() if one < two}
    assert pairs_of(codes, near) == expected
    assert bool(expected) == (near > 0)


@pytest.mark.parametrize("near", [0, 1, 8, 24, 32])
@pytest.mark.parametrize("together", [50, 2_000_000])
def test_bands_that_differ_in_a_bit_find_the_same_pairs_as_equal_ones(
    monkeypatch: pytest.MonkeyPatch, codes: np.ndarray, near: int, together: int
) -> None:
    whole = pairs_of(codes, near)
    monkeypatch.setattr("tlkit.data.checks.duplicates._CROWDED", 0)
    monkeypatch.setattr("tlkit.data.checks.duplicates._TOGETHER", together)
    assert pairs_of(codes, near) == whole


def test_parts_of_a_graph_that_comes_in_pieces_are_those_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(2)
    edges = random.integers(0, 300, (200, 2))
    whole = connected([edges], 300)
    monkeypatch.setattr("tlkit.data.checks.duplicates._TOGETHER", 7)
    assert connected(np.array_split(edges, 60), 300).tolist() == whole.tolist()
    assert connected([], 3).tolist() == [0, 1, 2]


def test_a_chain_of_near_pictures_has_one_number() -> None:
    random = np.random.default_rng(1)
    first, other = random.integers(0, 256, (2, HASH_BITS // 8)).astype(np.uint8)
    chain = [first, flipped(first, 20, random)]
    chain.append(flipped(chain[-1], 20, random))
    nothing = np.zeros_like(first)
    digests = [np.full_like(first, number) for number in (1, 2, 3, 4, 3)] + [nothing]
    numbers = same_pictures(np.stack(digests), np.stack([*chain, other, nothing, nothing]), 24)
    assert len({numbers[place] for place in (0, 1, 2, 4)}) == 1
    assert len(set(numbers.tolist())) == 3
