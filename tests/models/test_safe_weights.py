"""HDF5 files of weights that Keras does not write: each is refused by its structure, before an array is read.

The files here are small. Those with many objects, and those that claim or expand to more than they have, meet a lowered
limit, or are larger than allowed by a few bytes.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
from keras.src.legacy.saving.legacy_h5_format import save_weights_to_hdf5_group

from tlkit import DataError
from tlkit.models import safe_weights, weights
from tlkit.models.allowed import NotAllowed
from tlkit.models.safe_weights import arrays, count_elements
from tlkit.models.text_heaps import largest_text

L = keras.layers


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "own.weights.h5"
    small().save_weights(path)
    return path


def small() -> Any:
    images = keras.Input((8, 8, 3))
    return keras.Model(images, L.Dropout(0.5)(L.Conv2D(4, 3, name="conv")(images)))


def linked_groups(weights_file: Any) -> None:
    """Link each of a few groups twice; a file with many levels would have as many paths as 2 to their number."""
    group = weights_file
    for level in range(4):
        below = group.create_group(f"level{level}")
        group["again"] = below
        group = below


def linked_array(weights_file: Any) -> None:
    weights_file["again"] = weights_file["layers/conv2d/vars/0"]


def linked_to_above(weights_file: Any) -> None:
    weights_file["layers/conv2d/above"] = weights_file["layers"]


def linked_to_the_root(weights_file: Any) -> None:
    weights_file["layers/root"] = weights_file["/"]


def a_soft_link(weights_file: Any) -> None:
    weights_file["again"] = h5py.SoftLink("/layers")


def a_data_type(weights_file: Any) -> None:
    weights_file["kind"] = np.dtype("float32")


def references(weights_file: Any) -> None:
    weights_file.create_dataset("objects", data=[weights_file["layers"].ref], dtype=h5py.ref_dtype)


def region_references(weights_file: Any) -> None:
    region = weights_file["layers/conv2d/vars/0"].regionref[:1]
    weights_file.create_dataset("regions", data=[region], dtype=h5py.regionref_dtype)


def records(weights_file: Any) -> None:
    weights_file["records"] = np.zeros(3, [("a", "f4"), ("b", "f4")])


def sequences(weights_file: Any) -> None:
    weights_file.create_dataset("sequences", (2,), h5py.vlen_dtype(np.int32))


def nothing(weights_file: Any) -> None:
    weights_file["nothing"] = h5py.Empty("f")


def an_attribute_of_references(weights_file: Any) -> None:
    weights_file.attrs.create("object", weights_file["layers"].ref, dtype=h5py.ref_dtype)


def an_attribute_of_sequences(weights_file: Any) -> None:
    sequence = np.empty(1, object)
    sequence[0] = np.arange(3)
    weights_file.attrs.create("all", sequence, dtype=h5py.vlen_dtype(np.int64))


def a_claim_without_bytes(weights_file: Any) -> None:
    weights_file.create_dataset("claim", (1000, 100), "float32")


CHANGES: dict[Callable[[Any], None], str] = {
    linked_groups: "is linked twice",
    linked_array: "is linked twice",
    linked_to_above: "is linked twice",
    linked_to_the_root: "is linked twice",
    a_soft_link: "the weights' /again is a link",
    a_data_type: "the weights' /kind is neither a group nor an array",
    references: "the weights' /objects is not a plain array",
    region_references: "the weights' /regions is not a plain array",
    records: "the weights' /records is not a plain array",
    sequences: "the weights' /sequences is not a plain array",
    nothing: "the weights' /nothing is not a plain array",
    an_attribute_of_references: "the weights' attribute object of / is neither a text nor a number",
    an_attribute_of_sequences: "the weights' attribute all of / is neither a text nor a number",
    a_claim_without_bytes: "the weights claim more values than the file has bytes",
}


def changed(file: Path, change: Callable[[Any], None]) -> Path:
    with h5py.File(file, "r+") as opened:
        change(opened)
    return file


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_what_keras_does_not_write_is_refused_in_model_files_and_weights_files(
    file: Path, change: Callable[[Any], None]
) -> None:
    assert count_elements(file) == 4 * 27 + 4
    with pytest.raises(NotAllowed, match=CHANGES[change]):
        count_elements(changed(file, change))
    with pytest.raises(DataError, match=rf"own\.weights\.h5: not loaded: .*{CHANGES[change]}"):
        load(file)


def load(file: Path, model: Any = None) -> Any:
    model = model or small()
    weights._load_file(model, file, "small")
    return model


def test_objects_attributes_and_depth_are_bounded(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(safe_weights, "MAX_OBJECTS", 8)
        with pytest.raises(NotAllowed, match="more than 8 groups and arrays"):
            count_elements(file)
    with monkeypatch.context() as patch:
        patch.setattr(safe_weights, "_MAX_DEPTH", 2)
        with pytest.raises(NotAllowed, match="nested more than 2 deep"):
            count_elements(file)
    monkeypatch.setattr(safe_weights, "MAX_ATTRIBUTES", 3)
    with pytest.raises(NotAllowed, match="/layers has more than 3 attributes"):
        count_elements(changed(file, lambda opened: opened["layers"].attrs.update(dict.fromkeys("abcd", 1))))


def test_a_list_of_texts_in_a_model_file_is_refused(file: Path) -> None:
    """Each may be the same long text, so that the list is larger than the file."""
    changed(file, lambda opened: opened.attrs.update(names=["a", "b"]))
    with pytest.raises(NotAllowed, match="attribute names of / has 2 texts; expected at most 1"):
        count_elements(file)
    load(file)


def test_a_user_block_in_a_model_file_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "model.weights.h5", "w", userblock_size=512) as made:
        made["layers/vars/0"] = np.zeros(3)
    with pytest.raises(NotAllowed, match="user block"):
        count_elements(tmp_path / "model.weights.h5")


def stored(file: Path, content: bytes | None = None, name: str = "layers/conv2d/vars/0", **options: Any) -> Path:
    """Store an array anew with these options, and one piece of it with this content instead of its own."""

    def change(opened: Any) -> None:
        values = opened[name][()]
        del opened[name]
        made = opened.create_dataset(name, data=values, **options)
        if content is not None:
            made.id.write_direct_chunk((0,) * len(made.shape), content)

    return changed(file, change)


WHOLE = {"chunks": (3, 3, 3, 4)}


@pytest.mark.parametrize(
    "options",
    [
        WHOLE,
        {"chunks": (2, 3, 3, 3)},
        {"compression": "gzip"},
        {"compression": "gzip", "shuffle": True, "fletcher32": True, "chunks": (2, 2, 3, 4)},
        {"maxshape": (None, 3, 3, 4)},
    ],
    ids=str,
)
def test_arrays_that_a_tool_compressed_are_read(file: Path, options: dict[str, Any]) -> None:
    with h5py.File(file) as opened:
        expected = opened["layers/conv2d/vars/0"][()]
    np.testing.assert_array_equal(load(stored(file, **options)).get_layer("conv").kernel, expected)
    with pytest.raises(NotAllowed, match="not a plain array"):
        count_elements(file)


def test_a_piece_that_expands_to_more_than_its_size_is_refused_before_it_is_read(file: Path) -> None:
    """A few bytes too many stand for a stream of any length, for which HDF5 would take memory."""
    stored(file, zlib.compress(bytes(4 * 108 + 8)), compression="gzip", **WHOLE)
    with pytest.raises(DataError, match="layers/conv2d/vars/0 expands to more than its size"):
        load(file)


def test_a_damaged_piece_is_told(file: Path) -> None:
    with pytest.raises(DataError, match="can't be read: a compressed array is damaged"):
        load(stored(file, b"no deflate", compression="gzip", **WHOLE))


@pytest.mark.parametrize("options", [{"compression": "lzf"}, {"scaleoffset": 3}], ids=str)
def test_another_compression_than_gzip_is_refused(file: Path, options: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="is compressed in another way than by gzip"):
        load(stored(file, **options))


def test_pieces_are_bounded(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored(file, chunks=(1, 1, 1, 1))
    load(file)
    monkeypatch.setattr(safe_weights, "MAX_CHUNKS", 100)
    with pytest.raises(DataError, match="in more than 100 pieces"):
        load(file)
    monkeypatch.setattr(safe_weights, "_SPARE_CHUNK_BYTES", 0)
    with pytest.raises(DataError, match="larger than itself"):
        load(stored(file, chunks=(9, 9, 9, 9), maxshape=(None,) * 4))


def test_the_state_of_a_random_generator_has_its_size(file: Path) -> None:
    """Earlier versions of Keras write it, and read it whole before they compare the sizes."""
    name = "layers/dropout/seed_generator/vars/0"
    load(changed(file, lambda opened: opened.create_dataset(name, (2,), "uint32")))

    def enlarge(opened: Any) -> None:
        del opened[name]
        opened.create_dataset(name, (100,), "uint32", compression="gzip")

    with pytest.raises(DataError, match="is larger than the state of a random generator"):
        load(changed(file, enlarge))


def legacy(tmp_path: Path) -> Path:
    with h5py.File(tmp_path / "own.h5", "w") as opened:
        save_weights_to_hdf5_group(opened, small())
    return tmp_path / "own.h5"


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["conv", "conv"], "not loaded: the weights list conv/conv/kernel, which is one too many"),
        (["layer_of_this_file"], "can't be read: "),
    ],
)
def test_the_lists_of_a_legacy_file_name_each_array_once(tmp_path: Path, names: list[str], message: str) -> None:
    """A short list may name the same arrays again and again."""
    file = legacy(tmp_path)
    load(file)
    changed(file, lambda opened: opened.attrs.create("layer_names", [name.encode() for name in names]))
    with pytest.raises(DataError, match=rf"own\.h5: {message}"):
        load(file)


def flipped(content: bytes, bit: int) -> bytes:
    return bytes(byte ^ (1 << bit % 8) if index == bit // 8 else byte for index, byte in enumerate(content))


@pytest.mark.parametrize("form", ["keras3", "legacy"])
@pytest.mark.parametrize("count", [40, pytest.param(500, marks=pytest.mark.slow)])
def test_a_flipped_bit_in_a_weights_file_is_no_traceback(file: Path, tmp_path: Path, form: str, count: int) -> None:
    """It is refused, or changes a value: a weights file has no checksum."""
    path = file if form == "keras3" else legacy(tmp_path)
    content, model, refused = path.read_bytes(), small(), 0
    for bit in np.random.default_rng(1).integers(0, 8 * len(content), count):
        path.write_bytes(flipped(content, int(bit)))
        try:
            load(path, model)
        except DataError as error:
            assert path.name in str(error)
            refused += 1
    print(f"{form}: {refused} of {count} flips refused")


def test_the_walk_yields_each_array_once(file: Path) -> None:
    with h5py.File(file) as opened:
        names = [name for name, _ in arrays(opened, file.stat().st_size)]
    assert sorted(names) == ["layers/conv2d/vars/0", "layers/conv2d/vars/1"]


def heap_of(objects: bytes) -> bytes:
    return b"GCOL\x01\0\0\0" + (16 + len(objects)).to_bytes(8, "little") + objects


def test_a_heap_of_texts_is_checked_before_hdf5_reads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """HDF5 may not come to an end in a damaged one, with an object of no size; here objects are too small or large."""
    file = legacy(tmp_path)
    content = file.read_bytes()
    heap = content.index(b"GCOL\x01")
    with h5py.File(file) as opened:
        texts = [
            *opened.attrs["layer_names"],
            *(each for group in opened.values() for each in group.attrs["weight_names"]),
        ]
    assert largest_text(file) == max(map(len, texts))
    for place, value, message in ((8, 2**20, "claims 1048576 bytes"), (24, 2**20, "has an object of 1048576 bytes")):
        damaged = bytearray(content)
        damaged[heap + place : heap + place + 8] = value.to_bytes(8, "little")
        (tmp_path / "damaged.h5").write_bytes(damaged)
        with pytest.raises(NotAllowed, match=message):
            largest_text(tmp_path / "damaged.h5")
    (tmp_path / "damaged.h5").write_bytes(content[:heap] + heap_of(bytes(8) + (8).to_bytes(8, "little")))
    with pytest.raises(NotAllowed, match="has an object of 8 bytes"):
        largest_text(tmp_path / "damaged.h5")
    monkeypatch.setattr(weights, "_MAX_NAMES", 10)
    with pytest.raises(DataError, match="the weights' attribute layer_names may be larger than 10 bytes"):
        load(file)


def test_an_array_of_a_model_file_has_no_attributes(file: Path) -> None:
    changed(file, lambda opened: opened["layers/conv2d/vars/0"].attrs.update(dtype="float32"))
    with pytest.raises(NotAllowed, match="vars/0 has attributes"):
        count_elements(file)
    load(file)
