"""A model file with flipped bits is refused, or gives the same numbers: never a traceback or other numbers.

The slow tests print what they counted (``pytest -m slow -s``).
"""

from __future__ import annotations

import random
import zipfile
from collections import Counter

import keras
import numpy as np
import pytest

import tlkit
from tlkit.models.safe_load import load_model_file

L = keras.layers
PICTURES = np.random.default_rng(0).uniform(0, 255, (2, 8, 8, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("flips") / "model.keras"
    images = keras.Input((8, 8, 3), name="images")
    x = L.ReLU(name="relu")(L.BatchNormalization(name="norm")(L.Conv2D(16, 3, name="conv")(images)))
    x = L.Dropout(0.2, name="dropout")(L.GlobalAveragePooling2D(name="pool")(x))
    keras.Model(images, L.Dense(3, name="logits")(x), name="tlkit").save(path)
    return path


@pytest.fixture(scope="module")
def outcome(file):
    """Return a function that tells what loading changed content does: ``refused`` or ``same numbers``."""
    expected = np.asarray(load_model_file(file)(PICTURES))
    changed = file.with_name("changed.keras")

    def told(content, *, trust=False):
        changed.write_bytes(content)
        try:
            model = load_model_file(changed, trust=trust)
        except tlkit.TlkitError as error:
            assert "changed.keras" in str(error)
            return "refused"
        np.testing.assert_array_equal(model(PICTURES), expected)
        return "same numbers"

    return told


def flipped(content, bits):
    changed = bytearray(content)
    for bit in bits:
        changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def some_flips(content, count):
    """Yield contents with a flipped bit, several flipped bits, and a byte or a few overwritten, in turn."""
    draw = random.Random(0)
    size = len(content)
    for number in range(count):
        start = draw.randrange(size)
        yield (
            flipped(content, [draw.randrange(8 * size)]),
            flipped(content, [draw.randrange(8 * size) for _ in range(draw.randint(2, 20))]),
            content[:start] + bytes([content[start] ^ draw.randint(1, 255)]) + content[start + 1 :],
            content[:start] + draw.randbytes(8) + content[start + 8 :],
        )[number % 4]


def header_bits(file):
    """Return the bits of a ZIP file that belong to none of its entries."""
    content = file.read_bytes()
    inside = set()
    with zipfile.ZipFile(file) as archive:
        for entry in archive.infolist():
            header = content[entry.header_offset : entry.header_offset + 30]
            start = entry.header_offset + 30 + int.from_bytes(header[26:28], "little")
            start += int.from_bytes(header[28:30], "little")
            inside |= set(range(start, start + entry.file_size))
    return [8 * place + bit for place in range(len(content)) if place not in inside for bit in range(8)]


def entry_start(file, name):
    with zipfile.ZipFile(file) as archive, archive.open(name) as entry:
        return file.read_bytes().index(entry.read(64))


@pytest.mark.parametrize("trust", [False, True])
def test_some_flips_are_refused_or_change_nothing(file, outcome, trust):
    for content in some_flips(file.read_bytes(), 40):
        outcome(content, trust=trust)


def test_some_flips_of_the_headers_are_refused_or_change_nothing(file, outcome):
    content = file.read_bytes()
    for bit in random.Random(1).sample(header_bits(file), 40):
        outcome(flipped(content, [bit]))


@pytest.mark.parametrize("trust", [False, True])
def test_every_flipped_bit_of_a_weight_is_refused(file, outcome, trust):
    content = file.read_bytes()
    weight = np.asarray(load_model_file(file).get_layer("logits").kernel).tobytes()[:8]
    start = content.index(weight)
    for bit in range(8 * start, 8 * start + 64):
        assert outcome(flipped(content, [bit]), trust=trust) == "refused"


def counted(outcomes):
    counts = Counter(outcomes)
    print(f"\n{sum(counts.values())} flips: {dict(counts)}")
    return counts


@pytest.mark.slow
@pytest.mark.parametrize("trust", [False, True])
def test_500_flips_are_refused_or_change_nothing(file, outcome, trust):
    counted(outcome(content, trust=trust) for content in some_flips(file.read_bytes(), 500))


@pytest.mark.slow
def test_every_bit_of_the_headers_is_refused_or_changes_nothing(file, outcome):
    content = file.read_bytes()
    counted(outcome(flipped(content, [bit])) for bit in header_bits(file))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["config.json", "model.weights.h5"])
def test_every_bit_of_the_start_of_an_entry_is_refused(file, outcome, name):
    content, start = file.read_bytes(), 8 * entry_start(file, name)
    counts = counted(outcome(flipped(content, [bit])) for bit in range(start, start + 8 * 2048))
    assert set(counts) == {"refused"}
