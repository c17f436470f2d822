from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tlkit_datasets
from PIL import Image

from tlkit import IGNORE, DataError, DatasetContext
from tlkit.data.images.mask_decode import decode_mask
from tlkit.testing import check_dataset

RECORDS = {record.name: record for record in tlkit_datasets.tlkit_datasets()}


def open_(name, task="classification", seed=0, **options):
    record = RECORDS[name]
    return record.open(DatasetContext(task, seed), record.options.model_validate(options))


def image(path, value=0, mode="L"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, (6, 4), value).save(path)


def test_one_folder_per_class_nested_at_any_depth(tmp_path):
    for name in ("cat/1.png", "cat/more/2.PNG", "dog/3.png", "dog/.hidden.png", "__MACOSX/cat/._1.png"):
        image(tmp_path / name)
    (tmp_path / "dog" / "notes.txt").write_text("x")
    (tmp_path / "empty").mkdir()
    found = open_("folder", path=tmp_path)
    assert found.classes == ("cat", "dog")
    assert [(s.key, s.label) for s in found.samples] == [("cat/1.png", 0), ("cat/more/2.PNG", 0), ("dog/3.png", 1)]
    assert {each.key for each in found.set_aside} == {"dog/notes.txt", "empty"}


def test_split_folders_above_the_classes(tmp_path):
    for name in ("train/a/1.png", "train/b/2.png", "valid/a/3.png", "Test/b/4.png"):
        image(tmp_path / name)
    found = open_("folder", path=tmp_path)
    assert {s.key: s.split for s in found.samples} == {
        "train/a/1.png": "train",
        "train/b/2.png": "train",
        "valid/a/3.png": "validation",
        "Test/b/4.png": "test",
    }


def test_a_test_folder_without_a_train_folder_is_refused(tmp_path):
    image(tmp_path / "test" / "a" / "1.png")
    image(tmp_path / "a" / "1.png")
    with pytest.raises(DataError, match="no folder train"):
        open_("folder", path=tmp_path)


def test_a_link_loop_is_followed_once(tmp_path):
    image(tmp_path / "a" / "1.png")
    image(tmp_path / "b" / "2.png")
    (tmp_path / "a" / "again").symlink_to(tmp_path / "a")
    assert len(open_("folder", path=tmp_path).samples) == 2


def test_a_missing_folder_suggests_a_similar_name(tmp_path):
    (tmp_path / "photos").mkdir()
    with pytest.raises(DataError, match=f'did you mean "{tmp_path / "photos"}"'):
        open_("folder", path=tmp_path / "fotos")


@pytest.mark.parametrize("name", ["folder", "csv", "cats_vs_dogs", "fashion_mnist"])
def test_an_unknown_home_folder_is_a_missing_folder(name):
    with pytest.raises(DataError, match=r"no such .*~nosuchuser"):
        open_(name, path=Path("~nosuchuser/photos"))


def test_a_link_to_the_folder_above_is_not_followed(tmp_path):
    image(tmp_path / "cat" / "1.png")
    image(tmp_path / "dog" / "2.png")
    (tmp_path / "cat" / "loop").symlink_to("..")
    (tmp_path / "all").symlink_to(".")
    assert [s.key for s in open_("folder", path=tmp_path).samples] == ["cat/1.png", "dog/2.png"]


def masks(tmp_path, suffix="", **options):
    for name in ("a", "b"):
        image(tmp_path / "images" / f"{name}.jpg")
        image(tmp_path / "masks" / f"{name}{suffix}.png", 255)
    folders = {"images": tmp_path / "images", "masks": tmp_path / "masks", "mask_suffix": suffix}
    defaults = {"values": {"0": "background", "255": "object"}}
    return open_("masks", "segmentation", **{**folders, **defaults, **options})


@pytest.mark.parametrize("suffix", ["", "_mask"])
def test_masks_are_paired_by_name(tmp_path, suffix):
    found = masks(tmp_path, suffix)
    assert [(s.image.name, s.mask.name) for s in found.samples] == [
        ("a.jpg", f"a{suffix}.png"),
        ("b.jpg", f"b{suffix}.png"),
    ]
    assert found.classes == ("background", "object")
    assert (decode_mask(found.samples[0].mask, found.mask_table) == 1).all()


def test_an_image_or_mask_without_partner_is_set_aside(tmp_path):
    image(tmp_path / "images" / "alone.jpg")
    image(tmp_path / "masks" / "lonely.png")
    found = masks(tmp_path)
    assert len(found.samples) == 2
    assert {each.reason.split()[0] for each in found.set_aside} == {"no", "mask"}
    assert len(found.set_aside) == 2


def test_masks_among_their_images_are_not_taken_for_images(tmp_path):
    for name in ("a.jpg", "a_mask.png", "alone.jpg", "lonely_mask.png"):
        image(tmp_path / "both" / name)
    found = masks(tmp_path, images=tmp_path / "both", masks=tmp_path / "both", mask_suffix="_mask")
    assert [s.key for s in found.samples] == ["a.jpg"]
    reasons = {each.key.rpartition("/")[2]: each.reason.split(" ")[0] for each in found.set_aside}
    assert reasons == {"alone.jpg": "no", "lonely_mask.png": "mask"}


def test_a_mask_that_is_set_aside_is_named_by_its_full_path(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    image(tmp_path / "masks" / "lonely.png")
    found = masks(tmp_path, masks=Path("~/masks"))
    assert [each.key for each in found.set_aside] == [f"{tmp_path / 'masks'}/lonely.png"]


def test_masks_with_other_names_suggest_the_mask_suffix(tmp_path):
    image(tmp_path / "images" / "a.jpg")
    image(tmp_path / "masks" / "a_mask.png")
    with pytest.raises(DataError, match="mask_suffix"):
        open_(
            "masks",
            "segmentation",
            images=tmp_path / "images",
            masks=tmp_path / "masks",
            values={"0": "a", "1": "b"},
        )


def test_two_images_of_the_same_name_are_refused(tmp_path):
    image(tmp_path / "images" / "a.png")
    with pytest.raises(DataError, match="same name but for the suffix"):
        masks(tmp_path)


def test_colours_and_ignored_values(tmp_path):
    found = masks(tmp_path, values={"#ff0000": "red", "0,0,255": "blue"}, ignore=("#ffffff",))
    picture = np.array([[[255, 0, 0], [0, 0, 255], [255, 255, 255]]], np.uint8)
    Image.fromarray(picture).save(tmp_path / "m.png")
    assert decode_mask(tmp_path / "m.png", found.mask_table).tolist() == [[0, 1, IGNORE]]
    assert found.colors == {0: (255, 0, 0), 1: (0, 0, 255)}


def test_mixed_and_invalid_keys_of_the_mask_table_are_refused(tmp_path):
    with pytest.raises(DataError, match="received both"):
        masks(tmp_path, values={"1": "a", "#ff0000": "b"})
    with pytest.raises(DataError, match='received "reddish"'):
        masks(tmp_path / "again", values={"reddish": "a"})


def table(tmp_path, text, **options):
    file = tmp_path / "table.csv"
    for number in (1, 2, 3, 4):
        (tmp_path / f"{number}.png").touch()
    file.write_text(text)
    return open_("csv", path=file, **options)


def test_a_table_with_splits_and_groups(tmp_path):
    text = "image,label,part,who\n1.png,cat,train,x\n2.png,dog,,y\n3.png,cat,val,\n"
    found = table(tmp_path, text, split="part", group="who")
    assert found.classes == ("cat", "dog")
    assert [(s.label, s.split, s.group) for s in found.samples] == [
        (0, "train", "x"),
        (1, None, "y"),
        (0, "validation", None),
    ]
    assert found.samples[0].image == tmp_path / "1.png"


def test_blanks_around_a_group_are_ignored(tmp_path):
    found = table(tmp_path, "image,label,who\n1.png,a,p3\n2.png,b,p3 \n3.png,a, \n4.png,b, \n", group="who")
    assert [s.group for s in found.samples] == ["p3", "p3", None, None]


def test_a_separator_makes_a_table_multi_label(tmp_path):
    found = table(tmp_path, "image,label\n1.png,sea|sun\n2.png,\n3.png,sun\n", separator="|")
    assert found.multi_label
    assert [s.label for s in found.samples] == [(0, 1), (), (1,)]


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("picture,label\n", {}, r"table\.csv:1: no column \"image\".*data\.image"),
        ("image,label\n1.png,\n", {}, r"table\.csv:2: the column label is empty"),
        (
            "image,label,s\n1.png,a,b\n",
            {"split": "s"},
            r'table\.csv:2: expected train, validation or test, received "b"',
        ),
        ("image,label\n1.png,a\n1.png,b\n", {}, r"two rows have the image 1\.png; expected one row per image"),
        ("image,label\n1.png,a\n2\0.png,b\n", {}, r"table\.csv:3: the column image has a NUL character"),
    ],
)
def test_errors_of_a_table_have_their_line(tmp_path, text, options, message):
    with pytest.raises(DataError, match=message):
        table(tmp_path, text, **options)


def pets_copy(root, validation=False):
    rows = {"Abyssinian_1": "1 1 1", "beagle_2": "2 2 1", "beagle_10": "2 2 1"}
    for name in rows:
        image(root / "images" / f"{name}.jpg", mode="RGB")
        trimap = Image.fromarray(np.array([[1, 2, 3]], np.uint8))
        (root / "annotations" / "trimaps").mkdir(parents=True, exist_ok=True)
        trimap.save(root / "annotations" / "trimaps" / f"{name}.png")

    def write(name, *names):
        (root / "annotations" / name).write_text("".join(f"{each} {rows[each]}\n" for each in names))

    write("trainval.txt", "Abyssinian_1", "beagle_2")
    write("test.txt", "beagle_10")
    if validation:
        write("train.txt", "Abyssinian_1")
        write("val.txt", "beagle_2")
    return root


@pytest.mark.parametrize(
    ("target", "task", "classes"),
    [
        ("trimap", "segmentation", ("pet", "background", "border")),
        ("pet", "segmentation", ("pet", "background")),
        ("species", "classification", ("cat", "dog")),
        ("breed", "classification", ("Abyssinian", "beagle")),
    ],
)
def test_the_four_targets_of_the_pets(tmp_path, target, task, classes):
    found = open_("oxford_pets", task, path=pets_copy(tmp_path), target=target)
    assert found.classes == classes
    assert {s.key: s.split for s in found.samples}["images/beagle_10.jpg"] == "test"
    if task == "classification":
        assert {s.key: s.label for s in found.samples}["images/beagle_2.jpg"] == 1
    else:
        third = {"trimap": 2, "pet": IGNORE}[target]
        assert decode_mask(found.samples[0].mask, found.mask_table).tolist() == [[0, 1, third]]


def test_the_validation_list_of_a_pets_copy_is_used(tmp_path):
    found = open_("oxford_pets", "classification", path=pets_copy(tmp_path, validation=True), target="species")
    assert {s.split for s in found.samples} == {"train", "validation", "test"}


def test_a_target_of_another_task_is_refused(tmp_path):
    with pytest.raises(DataError, match='"breed" is not for segmentation'):
        open_("oxford_pets", "segmentation", path=pets_copy(tmp_path), target="breed")


def test_without_the_published_splits_all_images_of_the_pets_are_included(tmp_path):
    root = pets_copy(tmp_path, validation=True)
    for name in ("beagle_3", "dragon_1"):
        image(root / "images" / f"{name}.jpg", mode="RGB")
    found = open_("oxford_pets", "classification", path=root, target="species", splits="none")
    assert {s.key: (s.label, s.split) for s in found.samples} == {
        "images/Abyssinian_1.jpg": (0, None),
        "images/beagle_10.jpg": (1, None),
        "images/beagle_2.jpg": (1, None),
        "images/beagle_3.jpg": (1, None),
    }


def test_an_unlisted_pet_without_a_trimap_is_set_aside(tmp_path):
    root = pets_copy(tmp_path)
    image(root / "images" / "beagle_3.jpg", mode="RGB")
    found = open_("oxford_pets", "segmentation", path=root, splits="none")
    assert len(found.samples) == 3
    assert [each.key for each in found.set_aside] == ["annotations/trimaps/beagle_3.png"]


def test_digits_are_scikit_learns():
    found = open_("digits")
    assert len(found.samples) == 1797
    assert found.images.dtype == np.uint8
    assert found.images.max() == 255


def test_scenes_depend_on_the_seed_alone():
    first, again, other = (open_("digit_scenes", "segmentation", seed=seed, count=12, size=48) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.images, again.images)
    np.testing.assert_array_equal(first.masks, again.masks)
    assert (first.images != other.images).any()
    assert set(np.unique(first.masks)) == {0, 1}


def test_ten_classes_of_scenes_name_the_digit():
    found = open_("digit_scenes", "segmentation", count=60, size=48, target="ten")
    assert found.classes == ("background", *"0123456789")
    assert len(np.unique(found.masks)) == 11


def folder_of_classes(root):
    for name in ("train/a/1.png", "train/b/2.png", "test/a/3.png"):
        image(root / name)
    return {"path": root}


def folders_of_masks(root):
    for name in ("a", "b"):
        image(root / "images" / f"{name}.jpg")
        image(root / "masks" / f"{name}.png", 255)
    return {"images": root / "images", "masks": root / "masks", "values": {"255": "object"}, "other": "background"}


def table_of_labels(root):
    for name in ("1.png", "2.png"):
        image(root / name)
    (root / "table.csv").write_text("image,label,who\n1.png,a,x\n2.png,b,\n")
    return {"path": root / "table.csv", "group": "who"}


def table_of_masks(root):
    for name in ("1.png", "2.png", "mask.png"):
        image(root / name)
    (root / "table.csv").write_text("image,mask\n1.png,mask.png\n2.png,mask.png\n")
    return {"path": root / "table.csv", "mask": "mask", "values": {"0": "a", "1": "b"}}


def pets_of_equal_size(root):
    pets_copy(root)
    for trimap in (root / "annotations" / "trimaps").iterdir():
        image(trimap, 3)
    return {"path": root}


@pytest.mark.parametrize(
    ("name", "task", "prepare"),
    [
        ("folder", "classification", folder_of_classes),
        ("masks", "segmentation", folders_of_masks),
        ("csv", "classification", table_of_labels),
        ("csv", "segmentation", table_of_masks),
        ("oxford_pets", "segmentation", pets_of_equal_size),
        ("oxford_pets", "classification", lambda root: {**pets_of_equal_size(root), "target": "breed"}),
        ("digits", "classification", lambda root: {}),
        ("digit_scenes", "segmentation", lambda root: {"count": 10, "size": 32}),
    ],
)
def test_a_data_set_passes_the_check_of_data_sets(tmp_path, name, task, prepare):
    assert check_dataset(RECORDS[name], task=task, **prepare(tmp_path)).samples


@pytest.mark.real_data
def test_the_real_pets(real_data):
    found = open_("oxford_pets", "segmentation", path=real_data / "pets")
    assert len(found.samples) == 401
    assert sum(s.split == "test" for s in found.samples) == 34
    assert not found.set_aside


@pytest.mark.real_data
def test_the_real_breeds(real_data):
    found = open_("folder", path=real_data / "pets37")
    assert len(found.classes) == 37
    assert sum(s.split == "train" for s in found.samples) == 735
