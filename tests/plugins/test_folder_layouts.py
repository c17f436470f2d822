"""Class folders as people have them: which folders are splits, which are classes, and what is left out."""

from __future__ import annotations

import unicodedata
from collections import Counter
from pathlib import Path

import pytest
from tlkit_datasets import tlkit_datasets
from tlkit_datasets.folder import relocate_folder

from tlkit import DataError, DatasetContext

(FOLDER,) = [record for record in tlkit_datasets() if record.name == "folder"]


@pytest.fixture
def tree(tmp_path):
    """Return a function that makes empty files: ``folder: number of .jpg`` or the names of files."""

    def make(**folders):
        for folder, content in folders.items():
            (tmp_path / folder).mkdir(parents=True, exist_ok=True)
            names = [f"{number}.jpg" for number in range(content)] if isinstance(content, int) else content
            for name in names:
                (tmp_path / folder / name).touch()
        return tmp_path

    return make


def found(path, **options):
    return FOLDER.open(DatasetContext("classification", 0), FOLDER.options.model_validate({"path": path, **options}))


def counts(sample_set):
    """Return ``split class`` → number of images."""
    return dict(
        Counter(f"{sample.split or ''} {sample_set.classes[sample.label]}".strip() for sample in sample_set.samples)
    )


def aside(sample_set):
    return {each.key: each.reason for each in sample_set.set_aside}


# Which folders are splits ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("train", "validation", "test"),
    [
        ("train", "val", "test"),
        ("Training", "Valid", "TESTING"),
        ("train_set", "val_set", "test_set"),
        ("train-images", "validation-images", "test-images"),
        ("seg_train", "seg_val", "seg_test"),
        ("trainset", "valset", "testset"),
        ("train2017", "val2017", "test2017"),
        ("train", "dev", "test1"),
        ("training data", "validation data", "test data"),
    ],
)
def test_splits_are_recognised_by_their_words(tree, train, validation, test):
    root = tree(**{f"{split}/{name}": 1 for split in (train, validation, test) for name in ("cat", "dog")})
    assert counts(found(root)) == {
        f"{split} {name}": 1 for split in ("train", "validation", "test") for name in ("cat", "dog")
    }


@pytest.mark.parametrize("name", ["test_tube", "training_shoes", "val_thorens", "train_station", "tests", "pretrained"])
def test_other_names_with_such_a_word_are_classes(tree, name):
    assert found(tree(**{name: 1, "other": 1})).classes == tuple(sorted((name, "other")))


def test_doubled_folders_are_walked_through_and_others_left_out(tree):
    root = tree(
        **{"seg_train/seg_train/cat": 3, "seg_train/seg_train/dog": 3, "seg_test/seg_test/cat": 1},
        **{"seg_test/seg_test/dog": 1, "seg_pred/seg_pred": 2},
    )
    sample_set = found(root)
    assert counts(sample_set) == {"train cat": 3, "train dog": 3, "test cat": 1, "test dog": 1}
    assert aside(sample_set) == {"seg_pred": "folder beside train, validation and test; not used"}


def test_a_folder_for_all_classes_is_walked_through(tree):
    root = tree(**{"train/images/cat": 1, "train/images/dog": 1, "val/images/cat": 1, "val/images/dog": 1})
    assert counts(found(root)) == {"train cat": 1, "train dog": 1, "validation cat": 1, "validation dog": 1}


def test_a_class_called_train_beside_others_is_a_class(tree):
    root = tree(bus=2, car=2, train=2)
    assert counts(found(root)) == {"bus": 2, "car": 2, "train": 2}
    assert counts(found(root, splits="none")) == {"bus": 2, "car": 2, "train": 2}


def test_a_class_called_train_inside_train_is_a_class(tree):
    root = tree(**{"train/train": 1, "train/bus": 1, "test/train": 1, "test/bus": 1})
    assert counts(found(root)) == {"train bus": 1, "train train": 1, "test bus": 1, "test train": 1}


def test_train_alone_holds_the_training_images(tree):
    assert counts(found(tree(**{"train/cat": 1, "train/dog": 1}))) == {"train cat": 1, "train dog": 1}


def test_folders_beside_splits_with_classes_are_not_used(tree):
    root = tree(**{"train/cat": 1, "train/dog": 1, "samples": 3})
    assert counts(found(root)) == {"train cat": 1, "train dog": 1}
    assert counts(found(root, splits="none")) == {"samples": 3, "train": 2}


@pytest.mark.parametrize("name", ["test", "val", "validation"])
def test_images_without_class_folders_beside_classes_are_either(tree, name):
    root = tree(**{"bus": 2, "car": 2, name: 2})
    with pytest.raises(DataError) as caught:
        found(root)
    assert 'set data.splits = "none"' in str(caught.value)
    assert f'data.exclude = ["{name}"]' in str(caught.value)
    assert counts(found(root, splits="none")) == {"bus": 2, "car": 2, name: 2}
    assert counts(found(root, exclude=(name,))) == {"bus": 2, "car": 2}


def test_train_beside_folders_with_the_same_folders_is_either(tree):
    root = tree(**{f"{name}/{time}": 1 for name in ("bus", "car", "train") for time in ("day", "night")})
    with pytest.raises(DataError, match=r'data\.splits = "none" reads it as a class; data\.splits = "folders"'):
        found(root)
    assert counts(found(root, splits="none")) == {"bus": 2, "car": 2, "train": 2}
    assert counts(found(root, splits="folders")) == {"train day": 1, "train night": 1}


def test_two_folders_of_one_split_are_refused(tree):
    with pytest.raises(DataError, match=r"train and training are both the train split.*data\.exclude"):
        found(tree(**{"train/a": 1, "train/b": 1, "training/a": 1}))


def test_split_folders_that_the_recipe_asks_for_must_be_there(tree):
    with pytest.raises(DataError, match=r'data\.splits = "folders", but there are no folders such as train and test'):
        found(tree(cat=1, dog=1), splits="folders")


# Splits inside the classes, and in lists --------------------------------------------------------------------------


@pytest.mark.parametrize("deeper", ["", "/images"])
def test_splits_inside_the_classes_are_kept(tree, deeper):
    root = tree(**{f"{name}/{split}{deeper}": 2 for name in ("cat", "dog") for split in ("train", "test")})
    sample_set = found(root)
    assert counts(sample_set) == {"train cat": 2, "train dog": 2, "test cat": 2, "test dog": 2}
    assert "cat/train" in sample_set.samples[-1].key or sample_set.samples[-1].key.startswith("dog/train")
    assert counts(found(root, splits="none")) == {"cat": 4, "dog": 4}


@pytest.mark.parametrize("odd", [{"dog": 2}, {"dog/train": 1, "dog": 1}, {"dog/train": 1, "dog/more": 1}])
def test_splits_inside_some_classes_only_are_refused(tree, odd):
    with pytest.raises(DataError, match=r"dog: has images outside folders for the splits, but cat has only such"):
        found(tree(**{"cat/train": 1, "cat/test": 1, **odd}))


def test_a_folder_train_inside_classes_alone_is_no_split(tree):
    assert counts(found(tree(**{"cat/train": 1, "dog/train": 1}))) == {"cat": 1, "dog": 1}


def test_lists_give_the_splits_only_if_the_recipe_says_so(tree):
    root = tree(cat=3, dog=3)
    (root / "train.txt").write_text("cat/0.jpg 0\ndog/0.jpg 1\n", encoding="utf-8")
    (root / "test.txt").write_text("cat/1\ndog/1\n", encoding="utf-8")
    assert counts(found(root)) == {"cat": 3, "dog": 3}
    sample_set = found(root, splits="lists")
    assert counts(sample_set) == {"train cat": 1, "train dog": 1, "test cat": 1, "test dog": 1}
    assert aside(sample_set) == dict.fromkeys(("cat/2.jpg", "dog/2.jpg"), "in none of the lists of splits")
    assert {file.name for file in sample_set.sources} == {"train.txt", "test.txt"}


def test_lists_may_be_in_another_folder(tree):
    root = tree(**{"images/cat": 2, "images/dog": 2, "meta": []})
    (root / "meta" / "train.txt").write_text("cat/0\ndog/0\n", encoding="utf-8")
    (root / "meta" / "test.txt").write_text("cat/1\ndog/1\n", encoding="utf-8")
    assert counts(found(root / "images", splits="lists", lists=root / "meta"))["test dog"] == 1
    with pytest.raises(DataError, match=r"no lists such as train\.txt.*data\.lists"):
        found(root / "images", splits="lists")


# Which folders are classes ----------------------------------------------------------------------------------------


def test_the_top_folders_are_the_classes_unless_the_recipe_says_otherwise(tree):
    root = tree(**{"animal/cat": 2, "animal/dog": 1, "vehicle/bus": 1})
    assert counts(found(root)) == {"animal": 3, "vehicle": 1}
    assert counts(found(root, classes="leaf")) == {"cat": 2, "dog": 1, "bus": 1}
    assert counts(found(root, classes="path")) == {"animal/cat": 2, "animal/dog": 1, "vehicle/bus": 1}


def test_inner_folders_of_one_name_are_one_class_or_told_apart_by_their_path(tree):
    root = tree(**{"train/a/left": 1, "train/b/left": 1, "train/b/right": 1, "test/a/left": 1})
    assert counts(found(root, classes="leaf")) == {"train left": 2, "train right": 1, "test left": 1}
    assert found(root, classes="path").classes == ("a/left", "b/left", "b/right")


def test_images_at_mixed_depths_belong_to_their_own_folder(tree):
    root = tree(**{"animal": 1, "animal/cat": 1, "vehicle": 1})
    assert counts(found(root, classes="leaf")) == {"animal": 1, "cat": 1, "vehicle": 1}


def test_inner_folders_are_classes_where_the_splits_are_inside_the_top_ones(tree):
    root = tree(**{f"pet/{split}/{name}": 1 for split in ("train", "test") for name in ("cat", "dog")})
    assert counts(found(root, classes="leaf")) == {"train cat": 1, "train dog": 1, "test cat": 1, "test dog": 1}


def test_the_class_can_be_in_the_name_of_each_file(tree):
    root = tree(**{"train": ["cat.0.jpg", "cat.1.jpg", "dog.0.jpg", "x.jpg"], "test": ["1.jpg"]})
    sample_set = found(root, classes="name", pattern="^(cat|dog)[.]")
    assert counts(sample_set) == {"train cat": 2, "train dog": 1}
    assert aside(sample_set) == dict.fromkeys(("train/x.jpg", "test/1.jpg"), "data.pattern does not match its name")


WORDS = "n01\ttench, Tinca tinca\nn02\tcrane\nn03\tgoose\n"


def test_folders_that_are_called_by_a_code_have_names_in_a_list(tree):
    root = tree(**{"train/n01": 1, "train/n02": 1, "val/n01": 1, "val/n02": 1})
    (root / "words.txt").write_text(WORDS, encoding="utf-8")
    sample_set = found(root, names=root / "words.txt")
    assert sample_set.classes == ("tench", "crane")
    assert counts(sample_set)["train tench"] == 1


def test_names_that_several_folders_share_are_written_out(tree):
    root = tree(n02=1, n04=1)
    (root / "words.txt").write_text("n02 crane, bird\nn04 crane, machine\n", encoding="utf-8")
    assert found(root, names=root / "words.txt").classes == ("crane, bird", "crane, machine")
    (root / "words.txt").write_text("n02 crane\nn04 crane\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"words\.txt gives several folders the same name: crane"):
        found(root, names=root / "words.txt")


def test_a_list_of_names_that_is_not_there_is_named(tree):
    with pytest.raises(DataError, match=r"gone\.txt: can't be read as a list of class names"):
        found(tree(a=1, b=1), names=Path("gone.txt"))


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        (None, r"needs data\.pattern"),
        ("(", r'data\.pattern: "\(" is not a regular expression'),
        ("cat", r'data\.pattern: "cat" has no parentheses'),
    ],
)
def test_a_pattern_for_classes_in_names_must_be_one(tree, pattern, message):
    with pytest.raises(DataError, match=message):
        found(tree(a=["cat.jpg"]), classes="name", pattern=pattern)


def test_one_class_in_two_unicode_forms_is_one(tree):
    composed, split_up = (unicodedata.normalize(form, "Café") for form in ("NFC", "NFD"))
    root = tree(**{f"train/{composed}": 2, "train/plain": 2, f"val/{split_up}": 1, "val/plain": 1})
    if len(list((root / "train").iterdir())) + len(list((root / "val").iterdir())) != 4:
        pytest.skip("the file system has one form only")
    sample_set = found(root)
    assert counts(sample_set) == {f"train {composed}": 2, "train plain": 2, f"validation {composed}": 1} | {
        "validation plain": 1
    }
    assert all(sample.image.is_file() for sample in sample_set.samples)


def test_both_forms_in_one_folder_are_one_class_and_said(tree):
    composed, split_up = (unicodedata.normalize(form, "Café") for form in ("NFC", "NFD"))
    root = tree(**{composed: 2, split_up: 1, "plain": 1})
    if len(list(root.iterdir())) != 3:
        pytest.skip("the file system has one form only")
    sample_set = found(root)
    assert counts(sample_set) == {composed: 3, "plain": 1}
    assert sample_set.notes == (f"written in two Unicode forms, read as one class: {composed}",)


# What is left out -------------------------------------------------------------------------------------------------


def test_files_and_folders_can_be_left_out(tree):
    root = tree(**{"cat": ["1.jpg", "1_mask.png"], "dog": ["2.jpg", "2_mask.png"], "test/unknown": 2, "old": 1})
    sample_set = found(root, exclude=("*_mask.*", "old", "test/unk*"))
    assert [sample.key for sample in sample_set.samples] == ["cat/1.jpg", "dog/2.jpg"]
    assert aside(sample_set) == {
        "cat/1_mask.png": 'left out by data.exclude = "*_mask.*"',
        "dog/2_mask.png": 'left out by data.exclude = "*_mask.*"',
        "old": 'left out by data.exclude = "old"',
        "test": "class folder without images",
        "test/unknown": 'left out by data.exclude = "test/unk*"',
    }


def test_of_the_training_data_only_what_fits_other_data_stays(tmp_path):
    old, exclude = Path("old"), ("*_mask.*", "test", "a/b*")
    options = FOLDER.options(path=old, splits="lists", lists=old, classes="leaf", exclude=exclude)
    moved = relocate_folder(options, tmp_path)
    assert moved.model_dump(exclude={"pattern"}) == {
        "path": tmp_path.resolve(),
        "splits": "auto",
        "lists": None,
        "classes": "leaf",
        "names": None,
        "exclude": ("*_mask.*",),
    }


def test_a_pattern_that_nothing_matches_is_noted(tree):
    assert found(tree(cat=1, dog=1), exclude=("*_msk*",)).notes == ('data.exclude: nothing matches "*_msk*"',)


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        ([], "class folder without images"),
        (["readme.txt", "labels.csv", "README"], "class folder without images"),
        (["1.dng", "2.dng"], "class folder without an image that can be read"),
        (["1.cr2"], "class folder without an image that can be read"),
    ],
)
def test_a_class_folder_with_files_that_are_no_images_is_not_just_empty(tree, names, reason):
    sample_set = found(tree(cat=1, dog=1, fox=names))
    assert sample_set.classes == ("cat", "dog")
    assert aside(sample_set)["fox"] == reason


def test_junk_is_no_class_and_no_split(tree):
    root = tree(**{"cat": 1, "dog": 1, "__MACOSX/train": 1, ".ipynb_checkpoints": 1, "cat/.ipynb_checkpoints": 1})
    assert counts(found(root)) == {"cat": 1, "dog": 1}
