"""Find the same picture among many, compared with a comparison of all pairs."""

from __future__ import annotations

import numpy as np
import pytest

from tlkit.data.checks.duplicates import HASH_BITS, near_pairs, same_pictures


def flipped(code: np.ndarray, count: int, random: np.random.Generator) -> np.ndarray:
    bits = np.unpackbits(code)
    bits[random.choice(HASH_BITS, count, replace=False)] ^= 1
    return np.packbits(bits)


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
    assert {(one, two) for one, two in near_pairs(codes, near).tolist()} == expected
    assert bool(expected) == (near > 0)


def test_many_hashes_in_one_band_are_compared_in_blocks(monkeypatch: pytest.MonkeyPatch, codes: np.ndarray) -> None:
    whole = {tuple(pair) for pair in near_pairs(codes, 8).tolist()}
    monkeypatch.setattr("tlkit.data.checks.duplicates._BLOCK", 3)
    monkeypatch.setattr("tlkit.data.checks.duplicates._SMALL", 2)
    assert {tuple(pair) for pair in near_pairs(codes, 8).tolist()} == whole


def test_a_chain_of_near_pictures_has_one_number() -> None:
    random = np.random.default_rng(1)
    first, other = random.integers(0, 256, (2, HASH_BITS // 8)).astype(np.uint8)
    chain = [first, flipped(first, 20, random)]
    chain.append(flipped(chain[-1], 20, random))
    pictures = [each.tobytes().hex() for each in (*chain, other)] + ["", ""]
    numbers = same_pictures(["a", "b", "c", "d", "c", ""], pictures, 24)
    assert len({numbers[place] for place in (0, 1, 2, 4)}) == 1
    assert len(set(numbers.tolist())) == 3
