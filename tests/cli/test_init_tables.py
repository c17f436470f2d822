"""``tlkit init`` for a table of images, a folder with tables, and an .npz file: what it prints is what a run reads."""

from __future__ import annotations

import tomllib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tlkit.cli import main
from tlkit.contracts import DatasetContext
from tlkit.recipe.load import load_recipe


@pytest.fixture
def init(tmp_path, monkeypatch, capsys, registry):
    """Return a function that runs ``tlkit init``: the output, the table [data], and what the data set reads by it."""
    monkeypatch.chdir(tmp_path)

    def run(path, *arguments):
        with pytest.raises(SystemExit) as caught:
            main(["init", str(path), "--out", "x.toml", *arguments])
        captured = capsys.readouterr()
        assert not caught.value.code, captured.err
        data = tomllib.loads(Path("x.toml").read_text(encoding="utf-8"))["data"]
        recipe = load_recipe(Path("x.toml"), registry)
        found = recipe.data.record.open(DatasetContext(recipe.task, recipe.seed), recipe.data.options)
        return captured.out, data, found

    return run


def pictures(folder, names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        Image.new("RGB", (32, 32), (1, 2, 3)).save(folder / name)


def counts(found):
    """Return class → number of images."""
    of_class = Counter()
    for sample in found.samples:
        numbers = sample.label if isinstance(sample.label, tuple) else (sample.label,)
        of_class.update(found.classes[number] for number in numbers)
    return dict(of_class)


BREEDS = ["boston_bull", "dingo", "pekinese"]
ROWS = [(f"{kind}{n:07x}", breed) for kind, breed in enumerate(BREEDS) for n in range(4)]
EACH = dict.fromkeys(BREEDS, 4)


@pytest.fixture
def write(tmp_path):
    """Return a function that writes a table beside ``train/``, with CRLF."""
    pictures(tmp_path / "train", [f"{name}.jpg" for name, _ in ROWS])

    def lines(header, line, encoding="utf-8"):
        text = "".join(f"{each}\r\n" for each in (header, *(line(name, breed) for name, breed in ROWS)))
        (tmp_path / "table.csv").write_bytes(text.encode(encoding))
        return "table.csv"

    return lines


@pytest.mark.parametrize(
    ("header", "line", "encoding", "written"),
    [
        (
            "id,breed",
            lambda i, b: f"{i},{b}",
            "utf-8",
            {"root": "train", "image": "id", "label": "breed", "suffix": ".jpg"},
        ),
        ("image;label", lambda i, b: f"train\\{i}.jpg;{b}", "utf-8-sig", {"delimiter": ";"}),
        ("image\tlabel", lambda i, b: f"train/{i}.jpg\t{b}", "utf-16", {"delimiter": "\t"}),
        ("image;label", lambda i, b: f"train/{i}.jpg;{b}", "utf-8", {"delimiter": ";"}),
        ("image, label", lambda i, b: f"train/{i}.jpg, {b}", "utf-8", {}),
        (
            "filename, " + ", ".join(BREEDS),
            lambda i, b: f"train/{i}.jpg, " + ", ".join(str(int(b == each)) for each in BREEDS),
            "utf-8",
            {"image": "filename", "labels": BREEDS},
        ),
        ("image,label", lambda i, b: f"Train/{i}.JPG,{b}", "utf-8", {}),
        ("image,label", lambda i, b: f"train/{i}.jpg,{b}\r\n,", "utf-8", {}),
        ("path,label", lambda i, b: f"C:\\data\\train\\{i}.jpg,{b}", "utf-8", {"strip_prefix": "C:/data/"}),
        ("0.jpg,x", lambda i, b: f"train/{i}.jpg,{b}", "utf-8", {"header": False, "image": "1", "label": "2"}),
    ],
    ids=["id", "windows", "utf16", "semicolon", "space", "one-hot", "other-case", "empty-rows", "machine", "no-header"],
)
def test_a_table_becomes_a_recipe_that_reads_it(init, write, header, line, encoding, written):
    if header == "0.jpg,x":
        header = line(*ROWS[0])
    out, data, found = init(write(header, line, encoding))
    assert {key: data[key] for key in written} == written
    assert counts(found) == EACH
    assert not found.multi_label
    assert all(sample.image.is_file() for sample in found.samples)
    assert "a table of 12 images" in out
    assert all(f"    {breed}: 4" in out for breed in BREEDS)


def test_a_row_per_label_is_announced_with_the_other_reading(init, write):
    out, data, found = init(write("image,label", lambda i, b: f"train/{i}.jpg,{b}\r\ntrain/{i}.jpg,animal"))
    assert data["row_per"] == "label"
    assert counts(found) == {**EACH, "animal": 12}
    assert "12 images have several rows with different labels" in out
    assert "if an image has one class only, correct the table" in out


def test_labels_that_occur_together_are_announced_with_the_other_reading(init, write):
    out, data, found = init(
        write(
            "image,finding labels", lambda i, b: f"train/{i}.jpg,{b}|x" if "0" < i < "1" else f"train/{i}.jpg,{b}|dog"
        )
    )
    assert (data["label"], data["separator"]) == ("finding labels", "|")
    assert counts(found) == {**EACH, "x": 4, "dog": 8}
    assert "class_weights" not in Path("x.toml").read_text()
    assert '"boston_bull|x" is read as several labels' in out
    assert "without data.separator it is the name of one class" in out


def test_groups_are_proposed_and_splits_are_taken(init, write):
    text = lambda i, b: f"train/{i}.jpg,{b},{'val' if i.endswith('3') else 'train'},p{i[-1]}"  # noqa: E731
    out, data, found = init(write("image,label,split,patient_id", text))
    assert data["split"] == "split"
    assert "group" not in data
    assert '\n# group = "patient_id"' in Path("x.toml").read_text()
    assert "  train: 9 images\n  validation: 3 images" in out
    assert Counter(sample.split for sample in found.samples) == {"train": 9, "validation": 3}


def test_absolute_paths_become_relative(init, write, tmp_path):
    _, data, found = init(write("image,label", lambda i, b: f"{tmp_path.as_posix()}/train/{i}.jpg,{b}"))
    assert data["strip_prefix"] == f"{tmp_path.resolve().as_posix()}/"
    assert found.samples[0].key == "train/00000000.jpg"


def test_columns_and_classes_that_may_mean_more_are_announced(init, write):
    text = lambda i, b: f"train/{i}.jpg,{'nan' if i.endswith('3') else b},{i.endswith('2')}"  # noqa: E731
    out, data, _ = init(write("image,label,is_valid", text))
    assert "split" not in data
    assert 'the column "is_valid" (False, True) is not used; as data.split it would need train, validation' in out
    assert 'the class "nan" may stand for no label' in out


def test_another_encoding_is_announced_with_a_word_that_shows_it(init, write):
    out, data, found = init(write("image,label", lambda i, b: f"train/{i}.jpg,Käfer{b}", "cp1252"))
    assert data["encoding"] == "cp1252"
    assert found.classes[0] == "Käferboston_bull"
    assert "if it comes from Windows and this is right: Käferboston_bull" in out


def test_numbers_are_put_in_their_order(init, write):
    _, data, found = init(write("image,label", lambda i, b: f"train/{i}.jpg,{int(i, 16) % 12 + 1}"))
    assert data["class_order"] == "number"
    assert found.classes == tuple(sorted(found.classes, key=int))


def test_folders_of_the_same_names_are_announced(init, tmp_path):
    for folder in ("old", "new"):
        pictures(tmp_path / folder, ["0.jpg", "1.jpg"])
    (tmp_path / "old.csv").write_text("image,label\n0.jpg,a\n1.jpg,b\n")
    out, data, _ = init("old.csv")
    assert data["root"] == "old"
    assert "files of the same names are also in new; data.root says which are meant" in out


def test_a_folder_with_images_and_one_table_is_a_table(init, tmp_path):
    pictures(tmp_path / "set" / "train", [f"{n}.jpg" for n in range(8)])
    pictures(tmp_path / "set" / "test", [f"t{n}.jpg" for n in range(4)])
    (tmp_path / "set" / "labels.csv").write_text("id,breed\n" + "".join(f"{n},{'ab'[n % 2]}\n" for n in range(8)))
    (tmp_path / "set" / "sample_submission.csv").write_text("id,a,b\nt0,0.5,0.5\n")
    _, data, found = init("set")
    assert (data["path"], data["root"]) == ("set/labels.csv", "set/train")
    assert counts(found) == {"a": 4, "b": 4}


def test_a_folder_with_a_table_for_each_split(init, tmp_path):
    pictures(tmp_path / "set" / "images", [f"{n}.jpg" for n in range(8)])
    for name, numbers in (("train", range(4)), ("val", (4, 5)), ("test", (6, 7))):
        text = "".join(f"{n}.jpg,{'ab'[n % 2]}\n" for n in numbers)
        (tmp_path / "set" / f"{name}.csv").write_text(f"image,label\n{text}")
    out, data, found = init("set")
    assert data["validation_path"] == "set/val.csv"
    assert Counter(sample.split for sample in found.samples) == {None: 4, "validation": 2, "test": 2}
    assert "    a: 2 train, 1 validation, 1 test" in out


def test_images_in_several_folders_of_no_meaning(init, tmp_path):
    for part in range(2):
        pictures(tmp_path / "set" / f"images_part_{part}", [f"ISIC_{part}{n}.jpg" for n in range(6)])
    text = "".join(f"ISIC_{part}{n},{['nv', 'mel', 'bkl'][n % 3]}\n" for part in range(2) for n in range(6))
    (tmp_path / "set" / "HAM_metadata.csv").write_text(f"image_id,dx\n{text}")
    for path in ("set", "set/HAM_metadata.csv"):
        _, data, found = init(path, "--overwrite")
        assert (data["anywhere"], data["label"]) == (True, "dx")
        assert counts(found) == {"nv": 4, "mel": 4, "bkl": 4}
        assert {sample.key for sample in found.samples} >= {"images_part_0/ISIC_00.jpg", "images_part_1/ISIC_15.jpg"}


def test_a_table_beside_class_folders_does_not_replace_them(init, tmp_path):
    for name in ("cat", "dog"):
        pictures(tmp_path / "set" / name, ["0.jpg", "1.jpg"])
    (tmp_path / "set" / "all.csv").write_text("image,label\ncat/0.jpg,x\ndog/0.jpg,y\n")
    _, data, _ = init("set")
    assert data["name"] == "folder"


def test_a_table_beside_images_and_masks_does_not_replace_them(init, tmp_path):
    pictures(tmp_path / "set" / "images", ["0.jpg", "1.jpg"])
    for n in range(2):
        (tmp_path / "set" / "masks").mkdir(exist_ok=True)
        Image.fromarray(np.eye(32, dtype=np.uint8) * 255).save(tmp_path / f"set/masks/{n}.png")
    (tmp_path / "set" / "all.csv").write_text("image,label\nimages/0.jpg,x\nimages/1.jpg,y\n")
    _, data, _ = init("set")
    assert data["name"] == "masks"
    (tmp_path / "set" / "all.csv").write_text("image,mask\nimages/0.jpg,masks/0.png\nimages/1.jpg,masks/1.png\n")
    _, data, _ = init("set", "--overwrite")
    assert data["name"] == "masks"


def test_a_table_of_classes_beside_images_and_masks_is_read_for_a_classification(init, tmp_path):
    for folder in ("images", "masks"):
        pictures(tmp_path / "set" / folder, ["0.jpg", "1.jpg"])
    (tmp_path / "set" / "all.csv").write_text("image,label\nimages/0.jpg,x\nimages/1.jpg,y\n")
    _, data, found = init("set", "--task", "classification")
    assert (data["name"], counts(found)) == ("csv", {"x": 1, "y": 1})


def test_a_table_of_masks_becomes_a_segmentation(init, tmp_path):
    pictures(tmp_path, ["0.jpg", "1.jpg"])
    for n in range(2):
        Image.fromarray(np.eye(32, dtype=np.uint8) * 255).save(tmp_path / f"m{n}.png")
    (tmp_path / "t.csv").write_text("image,mask\n0.jpg,m0.png\n1.jpg,m1.png\n")
    out, data, found = init("t.csv")
    assert "all: 2 images\n  size" in out
    assert data["values"] == {"0": "background", "255": "class_255"}
    assert found.samples[1].mask == Path("m1.png")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", "image,text\n0.jpg,hello\n1.jpg,world\n", "no column with classes; the header has image, text"),
        ("t.csv", "image,label\nq.jpg,a\nr.jpg,b\n", "2 of 2 files are not in"),
        ("t.csv", "image,label\n", "no rows; expected one for each image"),
        ("t.xlsx", "PK\x03\x04", 'save it from Excel as "CSV UTF-8"'),
        ("t.npz", "no zip", "is not an .npz file"),
    ],
)
def test_a_file_without_images_and_classes_is_refused(tmp_path, monkeypatch, capsys, name, content, message):
    monkeypatch.chdir(tmp_path)
    pictures(tmp_path, ["0.jpg", "1.jpg"])
    (tmp_path / name).write_text(content)
    with pytest.raises(SystemExit) as caught:
        main(["init", name, "--out", "x.toml"])
    assert caught.value.code == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "x.toml").exists()


def test_an_npz_file_becomes_a_recipe(init, tmp_path):
    numbers = np.arange(12) % 3
    images = np.zeros((12, 28, 28), np.uint8)
    np.savez(
        tmp_path / "a.npz",
        train_images=images[:8],
        train_labels=numbers[:8, None],
        test_images=images[8:],
        test_labels=numbers[8:, None],
    )
    out, data, found = init("a.npz")
    assert data == {"name": "npz", "path": "a.npz", "images": "train_images", "labels": "train_labels"}
    assert "  train: 8 images\n  test: 4 images\n    0: 3 train, 1 test" in out
    assert counts(found) == {"0": 4, "1": 4, "2": 4}
    assert "image_size = 96" in Path("x.toml").read_text()


def test_masks_of_an_npz_file(init, tmp_path):
    masks = np.zeros((4, 8, 8), np.uint8)
    masks[:3, 2:4] = 200
    np.savez(tmp_path / "a.npz", images=np.arange(256, dtype=np.uint8).reshape(4, 8, 8), masks=masks)
    out, data, found = init("a.npz")
    assert data["values"] == {"0": "background", "200": "class_200"}
    assert "    background: 4\n    class_200: 3\n" in out
    assert found.masks.sum() == 3 * 16


def test_floats_columns_and_names_of_an_npz_file_are_written_down(init, tmp_path):
    labels = np.array([[1, 0], [1, 1], [0, 0], [0, 1]])
    np.savez(tmp_path / "a.npz", foo=np.linspace(0, 1, 4 * 64).reshape(4, 1, 8, 8), bar=labels)
    out, data, found = init("a.npz")
    assert {**data, "path": ""} == {
        "name": "npz",
        "path": "",
        "images": "foo",
        "labels": "bar",
        "pixels": "unit",
        "multi_label": True,
    }
    assert counts(found) == {"class_0": 2, "class_1": 2}
    assert "foo: the colours are the second axis of (4, 1, 8, 8)" in out
