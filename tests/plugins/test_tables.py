"""Tables as Excel, Windows, pandas, Kaggle and annotation tools write them, read by the data set ``csv``."""

from __future__ import annotations

import codecs

import pytest
from tlkit_datasets.options import CsvOptions
from tlkit_datasets.table import open_csv
from tlkit_datasets.table_elsewhere import elsewhere
from tlkit_datasets.table_text import read_table

from tlkit import DataError, DatasetContext


@pytest.fixture
def read(tmp_path):
    """Return a function that writes a table beside files of the given names, and reads it."""

    def write_and_read(content, files="train/a.jpg train/b.jpg", name="table.csv", task="classification", **options):
        for each in files.split():
            (tmp_path / each).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / each).touch()
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return open_csv(DatasetContext(task, 0), CsvOptions.model_validate({"path": tmp_path / name, **options}))

    return write_and_read


def labelled(found):
    """Return key → class name, or the names of all classes of the image."""
    return {
        each.key: tuple(found.classes[number] for number in each.label)
        if isinstance(each.label, tuple)
        else found.classes[each.label]
        for each in found.samples
    }


CATS = {"train/a.jpg": "cat", "train/b.jpg": "dog"}


@pytest.mark.parametrize(
    "content",
    [
        "image,label\ntrain/a.jpg,cat\ntrain/b.jpg,dog\n",
        "image,label\r\ntrain/a.jpg,cat\r\ntrain/b.jpg,dog\r\n",
        "image,label\rtrain/a.jpg,cat\rtrain/b.jpg,dog\r",
        "image, label\ntrain/a.jpg, cat\ntrain/b.jpg, dog\n",
        'image, label\ntrain/a.jpg, "cat"\n"train/b.jpg", "dog"\n',
        "image;label\ntrain/a.jpg;cat\ntrain/b.jpg;dog\n",
        "image\tlabel\ntrain/a.jpg\tcat\ntrain/b.jpg\tdog\n",
        "image|label\ntrain/a.jpg|cat\ntrain/b.jpg|dog\n",
        "sep=;\r\nimage;label\r\ntrain/a.jpg;cat\r\ntrain/b.jpg;dog\r\n",
        "\ufeffimage,label\ntrain/a.jpg,cat\ntrain/b.jpg,dog\n",
        "image,label,\ntrain/a.jpg,cat,\ntrain/b.jpg,dog,\n",
        ",image,label\n0,train/a.jpg,cat\n1,train/b.jpg,dog\n",
        'image,note,label\ntrain/a.jpg,"two\nlines, and a comma",cat\ntrain/b.jpg,,dog\n',
        "image,label\ntrain/a.jpg,cat\n\n,\ntrain/b.jpg,dog\n,\n",
        b"".join((codecs.BOM_UTF16_LE, "image\tlabel\ntrain/a.jpg\tcat\ntrain/b.jpg\tdog\n".encode("utf-16-le"))),
        b"".join((codecs.BOM_UTF16_BE, "image,label\ntrain/a.jpg,cat\ntrain/b.jpg,dog\n".encode("utf-16-be"))),
    ],
)
def test_a_table_is_read_as_programs_write_it(read, content):
    assert labelled(read(content)) == CATS


def test_a_comma_comes_first_where_both_readings_have_the_columns(read):
    assert labelled(read("image,label,x;y\ntrain/a.jpg,cat,1;2\ntrain/b.jpg,dog,\n")) == CATS


def test_a_delimiter_that_a_recipe_names_is_the_only_one(read):
    with pytest.raises(DataError, match=r'table\.csv:1: no column "image"; the header has image,label;'):
        read("image,label\ntrain/a.jpg,cat\n", delimiter=";")


@pytest.mark.parametrize(
    ("cells", "note"),
    [
        (("train\\a.jpg", "train\\b.jpg"), "with other slashes: 2, such as train/a.jpg"),
        ((".\\train\\a", "train\\b"), "with the suffix .jpg: 2, such as train/a.jpg"),
        (("Train/A.JPG", "TRAIN/b.jpg"), "in another case: 2, such as train/a.jpg"),
        (("train/a", "train/b"), "with the suffix .jpg: 2, such as train/a.jpg"),
    ],
)
def test_files_are_found_by_names_that_differ_a_little_and_it_is_said(read, cells, note):
    found = read(f"image,label\n{cells[0]},cat\n{cells[1]},dog\n")
    assert labelled(found) == CATS
    assert [each.image.is_file() for each in found.samples] == [True, True]
    assert found.notes == (f"table.csv: files found {note}",)


def test_an_image_that_is_there_is_not_looked_for_elsewhere(read):
    found = read("image,label\na.jpg,cat\nA.jpg,dog\n", files="a.jpg A.jpg a.jpg.png")
    assert labelled(found) == {"a.jpg": "cat", "A.jpg": "dog"}
    assert found.notes == ()


def test_two_unicode_forms_of_a_name_are_one(read):
    found = read("image,label\ncaf\u0065\u0301.jpg,caf\u00e9\nb.jpg,cafe\u0301\n", files="caf\u00e9.jpg b.jpg")
    assert labelled(found) == {"caf\u00e9.jpg": "caf\u00e9", "b.jpg": "caf\u00e9"}


@pytest.mark.parametrize(
    ("options", "cells"),
    [
        ({"suffix": ".jpg"}, ("train/a", "train/b.jpg")),
        ({"strip_prefix": "/content/data/"}, ("/content/data/train/a.jpg", "/content/data/train/b.jpg")),
        ({"strip_prefix": "C:\\data"}, ("C:\\data\\train\\a.jpg", "C:/data/train/b.jpg")),
    ],
)
def test_an_option_says_how_names_become_paths(read, options, cells):
    assert labelled(read(f"image,label\n{cells[0]},cat\n{cells[1]},dog\n", **options)) == CATS


def test_one_column_per_class(read):
    text = "file, cat , dog\ntrain/a.jpg, 1, 0\ntrain/b.jpg, 0, 1\n"
    found = read(text, image="file", labels=("cat", "dog"))
    assert labelled(found) == CATS
    assert not found.multi_label


@pytest.mark.parametrize(
    ("yes", "no"), [("1", "0"), ("True", "False"), ("1.0", "0.0"), ('"1,0"', '"0,0"'), ("yes", ""), ("x", "")]
)
def test_columns_of_several_classes_are_marked_in_many_ways(read, yes, no):
    text = f"image,dog,cat,owl\ntrain/a.jpg,{yes},{yes},{no}\ntrain/b.jpg,{no},{no},{no}\n"
    found = read(text, labels=("dog", "cat", "owl"), multi_label=True)
    assert found.classes == ("dog", "cat", "owl")
    assert labelled(found) == {"train/a.jpg": ("dog", "cat"), "train/b.jpg": ()}


def test_a_row_per_label(read):
    text = "image,label\ntrain/a.jpg,cat\ntrain/a.jpg,pet\ntrain/b.jpg,dog\ntrain/b.jpg,pet\ntrain/b.jpg,pet\n"
    found = read(text, row_per="label")
    assert found.multi_label
    assert labelled(found) == {"train/a.jpg": ("cat", "pet"), "train/b.jpg": ("dog", "pet")}
    assert found.notes == ("rows that repeat another row, left out: 1",)


def test_rows_that_repeat_another_are_left_out(read):
    found = read("image,label\ntrain/a.jpg,cat\ntrain/b.jpg,dog\ntrain\\a.jpg,cat\n")
    assert labelled(found) == CATS
    assert "rows that repeat another row, left out: 1" in found.notes


def test_a_table_without_a_header(read):
    assert labelled(read("train/a.jpg,cat\ntrain/b.jpg,dog\n", header=False)) == CATS
    assert labelled(read("cat,train/a.jpg\ndog,train/b.jpg\n", header=False, image="2", label="1")) == CATS


def test_columns_are_found_in_another_case_and_it_is_said(read):
    found = read("Image,LABEL\ntrain/a.jpg,cat\ntrain/b.jpg,dog\n")
    assert labelled(found) == CATS
    assert found.notes == (
        'table.csv: the column "Image" is read as "image"',
        'table.csv: the column "LABEL" is read as "label"',
    )


def test_an_encoding_that_a_recipe_names(read):
    found = read("image,label\ntrain/a.jpg,Käfer\ntrain/b.jpg,dog\n".encode("cp1252"), encoding="cp1252")
    assert found.classes == ("Käfer", "dog")


@pytest.mark.parametrize(("order", "classes"), [("text", ("1", "10", "2")), ("number", ("1", "2", "10"))])
def test_numbers_stay_text_and_sort_as_the_recipe_says(read, order, classes):
    found = read("image,label\na.jpg,1\nb.jpg,2\nc.jpg,10\n", files="a.jpg b.jpg c.jpg", class_order=order)
    assert found.classes == classes


def test_an_image_without_a_label_is_left_out_where_the_recipe_says_so(read):
    found = read("image,label\ntrain/a.jpg,cat\ntrain/b.jpg,\n", unlabelled="leave_out")
    assert [(each.key, each.reason.partition(" in ")[0]) for each in found.set_aside] == [("train/b.jpg", "no label")]
    assert labelled(found) == {"train/a.jpg": "cat"}
    found = read("image,label\ntrain/a.jpg,cat\ntrain/b.jpg,\n", multi_label=True)
    assert labelled(found) == {"train/a.jpg": ("cat",), "train/b.jpg": ()}


def test_tables_of_each_split(read, tmp_path):
    (tmp_path / "val.csv").write_text("image,label\nval/c.jpg,dog\n")
    (tmp_path / "test.csv").write_text("image,label\nd.jpg,cat\n")
    found = read(
        "image,label\ntrain/a.jpg,cat\ntrain/b.jpg,dog\n",
        files="train/a.jpg train/b.jpg val/c.jpg d.jpg",
        validation_path=tmp_path / "val.csv",
        test_path=tmp_path / "test.csv",
    )
    assert {each.key: each.split for each in found.samples} == {
        "train/a.jpg": None,
        "train/b.jpg": None,
        "val/c.jpg": "validation",
        "d.jpg": "test",
    }
    assert found.sources == (tmp_path / "table.csv", tmp_path / "val.csv", tmp_path / "test.csv")


def test_tables_in_the_folders_of_their_splits(read, tmp_path):
    (tmp_path / "val").mkdir()
    (tmp_path / "val" / "table.csv").write_text("image,label\na.jpg,dog\n")
    found = read(
        "image,label\na.jpg,cat\nb.jpg,dog\n",
        files="train/a.jpg train/b.jpg val/a.jpg",
        name="train/table.csv",
        validation_path=tmp_path / "val" / "table.csv",
    )
    assert {each.key: each.image for each in found.samples} == {
        f"{name}": tmp_path / name for name in ("train/a.jpg", "train/b.jpg", "val/a.jpg")
    }


def test_an_image_in_two_tables_is_refused(read, tmp_path):
    (tmp_path / "test.csv").write_text("image,label\ntrain/b.jpg,dog\n")
    with pytest.raises(DataError, match=r"test\.csv:2: the image train/b\.jpg has the split test, but None in"):
        read("image,label\ntrain/a.jpg,cat\ntrain/b.jpg,dog\n", test_path=tmp_path / "test.csv")


def test_the_masks_of_a_table_are_found_as_its_images_are(read):
    found = read(
        "image,mask\na,masks\\a\n",
        files="a.jpg masks/A.png",
        task="segmentation",
        mask="mask",
        values={"0": "no", "1": "yes"},
    )
    assert (found.samples[0].key, found.samples[0].mask.name) == ("a.jpg", "A.png")


def test_the_masks_of_a_table_have_the_options_of_masks(read):
    options = {"task": "segmentation", "mask": "mask", "values": {"-1": "no"}, "other": "yes", "channel": "red"}
    found = read("image,mask\na.jpg,b.png\n", files="a.jpg b.png", **options)
    assert (found.classes, found.mask_table.default, found.mask_table.channel) == (("no", "yes"), 1, "red")


HEAD = "image,label\n"


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("id,breed\na,cat\n", {}, r'no column "image".*data\.image = "id"'),
        ("image,breed\na,cat\n", {}, r'no column "label".*such as data\.label = "breed"'),
        ("image,cat,dog\na,1,0\nb,0,1\n", {}, r'no column "label".*data\.labels = \["cat", "dog"\]'),
        ("train/a.jpg,cat\ntrain/b.jpg,dog\n", {}, r"the first line is an image.*set data\.header = false"),
        ("image,image,label\na,b,c\n", {}, r'2 columns are called "image"'),
        (
            HEAD.encode() + "train/a.jpg,Käfer\n".encode("cp1252"),
            {},
            r'csv:2: not a CSV .* UTF-8: byte 0xE4.*"cp1252" .*: Käfer',
        ),
        ((HEAD + "train/a.jpg,cat\n").encode("utf-16-le"), {}, r'set data\.encoding = "utf-16-le"'),
        (HEAD + "train/a.jpg,cat\n", {"encoding": "latin-99"}, r'data\.encoding: no encoding "latin-99"'),
        (HEAD + "train/a.jpg,Paris, France\n", {}, r"csv:2: 3 cells, but the header has 2 columns; quote"),
        (HEAD + 'train/a.jpg,"cat\ntrain/b.jpg,dog\n', {}, r"csv:2: a cell begins with a quote that is never closed"),
        (HEAD + "https://x.org/a.jpg,cat\n", {}, r"csv:2: the column image has the address .*download the images"),
        (HEAD + "train/a.jpg,cat\ntrain/a.jpg,pet\n", {}, r'csv:3: two rows .*pet here, cat in .*row_per = "label"'),
        (
            HEAD + "train/a.jpg,\ntrain/b.jpg,\n",
            {},
            r'column label is empty.*\(2 rows\)\. Set data\.unlabelled = "leave_out"',
        ),
        (HEAD + "train/a.jpg,\ntrain/b.jpg,a|b\nc.jpg,b\n", {}, r'or data\.separator = "\|" if they have none'),
        (
            "image,cat,dog\ntrain/a.jpg,1,1\n",
            {"labels": ("cat", "dog")},
            r"cat and dog are both marked; set data\.multi",
        ),
        ("image,cat,dog\ntrain/a.jpg,0,0\n", {"labels": ("cat", "dog")}, r"no column of data\.labels is marked"),
        ("image,cat,dog\ntrain/a.jpg,-1,1\n", {"labels": ("cat", "dog")}, r'the column cat has "-1"; expected 1 or 0'),
        (HEAD, {"labels": ("cat", "cat")}, r"data\.labels: cat stands there twice"),
        (HEAD, {"labels": ("cat", "dog"), "separator": "|"}, r"data\.separator: it is for data\.label"),
        (HEAD, {"label": None}, r"data\.label: not set"),
        (b"PK\x03\x04xx", {"name": "table.xlsx"}, r'an Excel workbook .*save it from Excel as "CSV UTF-8"'),
        (b"PAR1xx", {"name": "table.parquet"}, r"a Parquet file, not a CSV file: .*to_csv"),
    ],
)
def test_what_can_not_be_read_is_said_with_what_to_do(read, content, options, message):
    with pytest.raises(DataError, match=message):
        read(content, **options)


@pytest.mark.parametrize(
    ("cells", "hint"),
    [
        (("a", "b"), r"Files of these names are in .*/train: set data\.root = \".*/train\"$"),
        (("C:\\x\\train\\a.jpg", "C:\\x\\train\\b.jpg"), r'set data\.strip_prefix = "C:/x/"$'),
        (("/other/a.jpg", "/other/b.jpg"), r'set data\.root = ".*/train" and data\.strip_prefix = "/other/"$'),
        (("train/a.dcm", "train/b.dcm"), r"has a\.jpg: write the suffix \.jpg into the table$"),
        (("train/aa.jpg", "train/bb.jpg"), r'The nearest name in .*train is "a\.jpg"$'),
        (("gone/x", "gone/y"), r"There is no folder .*gone; data\.root names the folder"),
    ],
)
def test_files_that_are_missing_are_counted_once_with_one_hint(read, cells, hint):
    with pytest.raises(DataError, match=rf"(?s)table\.csv: 2 of 2 files are not in .*, such as .*{hint}") as caught:
        read(f"image,label\n{cells[0]},cat\n{cells[1]},dog\n")
    assert len(str(caught.value).splitlines()) == 1


def test_a_few_files_that_are_missing_are_left_to_the_check(read):
    found = read("image,label\ntrain/a.jpg,cat\ntrain/b.jpg,dog\ntrain/c.jpg,dog\n")
    assert len(found.samples) == 3
    assert found.notes[0].startswith("table.csv: 1 of 3 files are not in ")


def test_folders_with_the_same_names_are_all_named(read):
    with pytest.raises(DataError, match=r"are in .*/new and in .*/old: set data\.root to the right one"):
        read("image,label\na.jpg,cat\nb.jpg,dog\n", files="old/a.jpg old/b.jpg new/a.jpg new/b.jpg")


def test_files_in_several_folders_are_hinted_at_and_found_where_the_recipe_says_so(read):
    text = "image,label\nx/c.jpg,cat\nd,dog\n"
    with pytest.raises(DataError, match=r"are in several folders of .*: set data\.anywhere = true$"):
        read(text, files="p/one/c.jpg p/two/d.jpg")
    assert labelled(read(text, anywhere=True)) == {"p/one/c.jpg": "cat", "p/two/d.jpg": "dog"}
    with pytest.raises(DataError, match=r'"d", but there are p/three/d\.png and p/two/d\.jpg; write the path'):
        read(text, files="p/three/d.png", anywhere=True)


def test_a_name_that_could_be_two_files_is_refused(read):
    with pytest.raises(DataError, match=r'has "a", which could be a\.jpg or a\.png; .* data\.suffix, such as "\.jpg"'):
        read("image,label\na,cat\nb,dog\n", files="a.jpg a.png b.jpg")


def test_labels_that_look_like_several_are_noted(read):
    text = "image,label\na.jpg,cat|pet\nb.jpg,dog|pet\nc.jpg,cat\n"
    found = read(text, files="a.jpg b.jpg c.jpg")
    assert found.classes == ("cat", "cat|pet", "dog|pet")
    assert 'data.separator = "|" makes them several labels' in found.notes[0]
    assert read("image,label\na.jpg,boston bull\nb.jpg,pit bull\n", files="a.jpg b.jpg").notes == ()


def test_another_table_is_read_in_its_own_folder_and_form(tmp_path, read):
    first = CsvOptions(
        path=tmp_path / "old.csv", root=tmp_path / "old", split="part", group="who", suffix=".png", delimiter=","
    )
    (tmp_path / "new").mkdir()
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / "new" / name).touch()
    (tmp_path / "new" / "new.csv").write_bytes("image;label\na.jpg;K\u00e4fer\nb.jpg;dog\n".encode())
    options = elsewhere(first, tmp_path / "new" / "new.csv")
    found = open_csv(DatasetContext("classification", 0), options)
    assert labelled(found) == {"a.jpg": "K\u00e4fer", "b.jpg": "dog"}
    assert {each.image.parent for each in found.samples} == {tmp_path / "new"}
    assert (options.split, options.group, options.root) == (None, None, None)


def test_another_table_keeps_a_column_of_splits_and_an_encoding_that_it_needs(tmp_path):
    (tmp_path / "new.csv").write_bytes("image:label:part\na.jpg:K\u00e4fer:val\n".encode("cp1252"))
    options = elsewhere(
        CsvOptions(path=tmp_path / "x", split="part", delimiter=":", encoding="cp1252"), tmp_path / "new.csv"
    )
    assert (options.split, options.delimiter, options.encoding) == ("part", ":", "cp1252")


@pytest.mark.parametrize(
    "content",
    [
        "sep=;\r\nimage;label\r\ntrain/a.jpg;cat\r\ntrain/b.jpg;dog\r\n",
        "\ufeffimage,label\ntrain/a.jpg,cat\ntrain/b.jpg,dog\n",
        b"".join((codecs.BOM_UTF16_LE, "image\tlabel\ntrain/a.jpg\tcat\ntrain/b.jpg\tdog\n".encode("utf-16-le"))),
    ],
)
def test_a_table_too_large_to_be_kept_is_read_from_its_file_each_time(read, content, monkeypatch):
    monkeypatch.setattr("tlkit_datasets.table_text._KEPT_BYTES", 10)
    assert labelled(read(content)) == CATS


def test_a_large_table_that_changes_while_it_is_read_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr("tlkit_datasets.table_text._KEPT_BYTES", 10)
    file = tmp_path / "table.csv"
    file.write_text("image,label\na.jpg,cat\n")
    table = read_table(file, "auto", "auto", header=True)
    assert list(table.rows) == [(2, ("a.jpg", "cat"))]
    file.write_text("image,label\na.jpg,cat\nb.jpg,dog\n")
    with pytest.raises(DataError, match="was changed while it was read"):
        list(table.rows)
