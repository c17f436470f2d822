"""Lists of splits beside the images."""

from __future__ import annotations

import pytest

from tlkit import DataError, files


def lists(folder, **content):
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in content.items():
        (folder / f"{name}.txt").write_text(text, encoding="utf-8")


def assigned(root, keys, **options):
    return files.read_split_lists(files.find_split_lists(root, **options)).assign(keys)


@pytest.mark.parametrize("where", [".", "ImageSets/Main", "splits", "meta", "ImageSets"])
def test_lists_are_found_beside_the_images_and_in_the_usual_folders(tmp_path, where):
    lists(tmp_path / where, train="a\n", val="b\n", readme="x")
    found = files.find_split_lists(tmp_path)
    assert sorted(file.name for file in found) == ["train.txt", "val.txt"]


def test_a_preferred_folder_comes_first(tmp_path):
    lists(tmp_path / "ImageSets" / "Main", train="a")
    lists(tmp_path / "ImageSets" / "Segmentation", train="b")
    assert files.find_split_lists(tmp_path)[0].parent.name == "Main"
    assert files.find_split_lists(tmp_path, prefer=["Segmentation"])[0].parent.name == "Segmentation"


def test_lists_of_one_class_are_not_lists_of_splits(tmp_path):
    lists(tmp_path / "ImageSets" / "Main", cat_train="a 1", dog_train="a -1")
    assert files.find_split_lists(tmp_path) == ()


@pytest.mark.parametrize(
    "line",
    [
        "cat/a b.jpg",
        "cat/a b",
        "a b.jpg",
        "a b",
        "cat/a b.jpg 0",
        "a b 3 1",
        "./cat/a b.jpg\t7",
        r"cat\a b.jpg",
        "data/all/cat/a b.jpg",
        "cat/a b.jpg,cat",
        '"cat/a b.jpg"',
    ],
)
def test_a_line_names_an_image_by_path_or_name_with_or_without_labels(tmp_path, line):
    lists(tmp_path, train=f"# a comment\n\n{line}\n", test="dog/c.png\n")
    found = assigned(tmp_path, ["cat/a b.jpg", "dog/c.png", "dog/d.png"])
    assert found.splits == {"cat/a b.jpg": "train", "dog/c.png": "test"}
    assert found.missing == ()


def test_without_a_list_of_training_images_the_rest_are_training_images(tmp_path):
    lists(tmp_path, testing_list="a/1\n", validation_list="a/2\n")
    assert assigned(tmp_path, ["a/1.png", "a/2.png", "b/1.png"]).splits == {
        "a/1.png": "test",
        "a/2.png": "validation",
        "b/1.png": "train",
    }


def test_trainval_is_read_only_without_train(tmp_path):
    lists(tmp_path, trainval="a\nb\n", test="c\n")
    assert assigned(tmp_path, ["a.jpg", "b.jpg", "c.jpg"]).splits["b.jpg"] == "train"
    lists(tmp_path, train="a\n", val="b\n")
    assert assigned(tmp_path, ["a.jpg", "b.jpg", "c.jpg"]).splits["b.jpg"] == "validation"


def test_numbered_images_of_birds(tmp_path):
    lists(tmp_path, images="1 001.Albatross/a.jpg\n2 002.Auk/b.jpg\n", train_test_split="1 1\n2 0\n")
    found = assigned(tmp_path, ["images/001.Albatross/a.jpg", "images/002.Auk/b.jpg"])
    assert list(found.splits.values()) == ["train", "test"]


def test_a_name_without_an_image_is_noted(tmp_path):
    lists(tmp_path, train="a\ngone\n")
    found = assigned(tmp_path, ["a.jpg"])
    assert found.missing == ("gone",)
    assert files.missing_note(found, files.find_split_lists(tmp_path)) == (
        "named in train.txt, but not found (1): gone",
    )


def test_a_name_of_several_images_is_refused(tmp_path):
    lists(tmp_path, train="1\n")
    with pytest.raises(DataError, match=r'train\.txt: "1" fits several images'):
        assigned(tmp_path, ["cat/1.jpg", "dog/1.jpg"])


def test_an_image_in_two_lists_is_refused(tmp_path):
    lists(tmp_path, train="a\n", test="a\n")
    with pytest.raises(DataError, match=r"a\.jpg is also in the list of the"):
        assigned(tmp_path, ["a.jpg"])
