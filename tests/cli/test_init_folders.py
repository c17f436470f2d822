"""``tlkit init`` on folders as people have them: what it writes is accepted by ``validate`` and ``check``."""

from __future__ import annotations

import sys
import tomllib
import unicodedata
from pathlib import Path

import pytest
from messy import picture

from tlkit.cli import main


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def tlkit(capsys):
    """Return a function that runs a verb and returns the exit code, and the output with the messages."""

    def run(*arguments: object) -> tuple[int, str]:
        with pytest.raises(SystemExit) as caught:
            main([*map(str, arguments)])
        captured = capsys.readouterr()
        return int(caught.value.code or 0), (captured.out + captured.err).replace("\\", "/")

    return run


@pytest.fixture
def init(tlkit):
    """Return a function that runs ``tlkit init photos``, and ``validate`` and ``check`` on what it wrote."""

    def run(*options: str) -> tuple[dict, str]:
        code, out = tlkit("init", "photos", *options)
        assert code == 0, out
        for verb in ("validate", "check"):
            code, text = tlkit(verb, "photos.toml")
            assert code == 0, text
        return tomllib.loads(Path("photos.toml").read_text(encoding="utf-8"))["data"], out

    return run


class Pictures:
    """Writes different pictures."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, **folders: int | list[str]) -> None:
        for folder, content in folders.items():
            names = [f"{number}.png" for number in range(content)] if isinstance(content, int) else content
            for name in names:
                file = Path("photos") / folder / name
                file.parent.mkdir(parents=True, exist_ok=True)
                self.count += 1
                picture(self.count, (40, 36)).save(file)


@pytest.fixture
def photos():
    return Pictures()


@pytest.mark.parametrize("where", ["test/unknown", "test", "val/images", "val", "Testing/all"])
def test_images_without_labels_are_left_out_with_how_to_predict_on_them(photos, init, where):
    photos(**{"train/cat": 6, "train/dog": 6, where: 4})
    data, out = init()
    top = where.partition("/")[0]
    assert data["exclude"] == [top]
    assert "12 images in 2 class folders" in out
    assert f"without labels: 4 images in photos/{top}" in out
    assert f"tlkit predict runs/photos-1 photos/{top}" in out


def test_a_class_that_only_test_has_is_left_out_and_said(photos, init):
    photos(**{"train/cat": 6, "train/dog": 6, "test/cat": 2, "test/dog": 2, "test/wolf": 3})
    data, out = init()
    assert data["exclude"] == ["test/wolf"]
    assert "3 images in photos/test/wolf left out, because no training image has the class wolf" in out
    assert "put training images of it into photos/train/wolf and remove data.exclude" in out


@pytest.mark.parametrize("name", ["test", "val"])
def test_images_without_class_folders_beside_classes_are_left_out_and_both_readings_named(photos, init, name):
    photos(**{"cat": 6, "dog": 6, name: 3})
    data, out = init()
    assert data["exclude"] == [name]
    assert f"3 images in {name} left out, as images without labels" in out
    assert 'If it is a class, remove data.exclude and set data.splits = "none"' in out


def test_one_class_in_two_unicode_forms_is_one_class(photos, init):
    composed, split_up = (unicodedata.normalize(form, "Café") for form in ("NFC", "NFD"))
    photos(**{f"train/{composed}": 4, "train/plain": 4, f"val/{split_up}": 2, "val/plain": 2})
    _, out = init()
    assert "12 images in 2 class folders" in out
    assert f"{composed}: 4 train, 2 validation" in out


@pytest.mark.parametrize(
    ("one", "other", "what"),
    [
        ("Cat", "cat", "upper and lower case"),
        ("hot dog", "hot_dog", "blanks, _ and -"),
        ("hot dog", "hot  dog", "blanks"),
        ("Hot-Dog", "hot dog", "case, blanks, _ and -"),
    ],
)
def test_names_that_differ_only_in_spelling_are_refused_with_both(photos, tlkit, one, other, what):
    photos(**{f"train/{one}": 4, "train/fox": 4, f"val/{other}": 2, "val/fox": 2})
    code, out = tlkit("init", "photos")
    assert code == 2
    assert f'"{min(one, other)}"' in out
    assert f'"{max(one, other)}"' in out
    assert f"differ only in {what}; expected one name for one class: rename one" in out
    assert not Path("photos.toml").exists()
    code, out = tlkit("check", "photos")
    assert code == 1
    assert "[similar_classes]" in out


def test_labels_of_a_table_that_differ_only_in_spelling_are_refused_with_both(photos, tlkit):
    photos(all=4)
    rows = [f"all/{number}.png,{name}" for number, name in enumerate(("cat", "Cat", "dog", "dog"))]
    Path("photos/labels.csv").write_text("\n".join(["image,label", *rows]), encoding="utf-8")
    code, out = tlkit("init", "photos/labels.csv")
    assert code == 2
    assert "the class names Cat and cat differ only in upper and lower case" in out


def test_letters_in_upper_and_lower_case_are_classes(photos, init):
    photos(A=4, a=4, b=4)
    assert "12 images in 3 class folders" in init()[1]


def test_a_class_called_train_is_a_class_and_both_readings_are_named(photos, init):
    photos(bus=4, car=4, train=4)
    data, out = init()
    assert data["splits"] == "none"
    assert "12 images in 3 class folders" in out
    assert 'data.splits = "folders" reads it as the training images' in out


def test_split_words_and_doubled_folders(photos, init):
    photos(**{"seg_train/seg_train/cat": 5, "seg_train/seg_train/dog": 5, "seg_test/seg_test/cat": 2})
    photos(**{"seg_test/seg_test/dog": 2, "seg_pred/seg_pred": 3})
    data, out = init()
    assert data["exclude"] == ["seg_pred"]
    assert "cat: 5 train, 2 test" in out
    assert "without labels: 3 images in photos/seg_pred" in out


def test_splits_inside_the_classes_are_kept(photos, init):
    photos(**{"cat/train": 5, "cat/test": 2, "dog/train": 5, "dog/test": 2})
    _, out = init()
    assert "cat: 5 train, 2 test" in out
    assert 'data.splits = "none" puts all images of a class together' in out


def test_folders_inside_class_folders_are_named_with_the_key_that_makes_them_classes(photos, init):
    photos(**{"animal/cat": 4, "animal/dog": 4, "vehicle/bus": 4})
    data, out = init()
    assert data["classes"] == "top"
    assert 'data.classes = "top", as written, reads animal, vehicle; "leaf" reads bus, cat, dog' in out
    assert '# or "leaf": bus, cat, dog' in Path("photos.toml").read_text(encoding="utf-8")


def test_inner_folders_of_one_name_can_also_be_read_by_their_path(photos, init):
    photos(**{f"{top}/{side}": 4 for top in ("a1", "b1") for side in ("left", "right")})
    assert '"leaf" reads left, right; "path" reads a1/left, a1/right, b1/left, b1/right' in init()[1]


@pytest.mark.parametrize("ending", ["_mask", "_mask_1", "-seg", "_GT", "_label", " mask", ".mask"])
def test_masks_beside_their_images_are_left_out(photos, init, tlkit, ending):
    stems = ["x (1)", "x (2)", "x (3)", "x (4)"]
    for name in ("benign", "malignant"):
        photos(**{name: [f"{stem}{end}.png" for stem in stems for end in ("", ending)]})
    data, out = init()
    assert "8 images in 2 class folders" in out
    assert f"8 images of the name {data['exclude'][0]} left out: masks of others" in out
    code, text = tlkit("check", "photos.toml")
    assert code == 0
    assert "left out by data.exclude" in text
    code, text = tlkit("check", "photos.toml", "--set", "data.exclude=[]")
    assert code == 1
    assert "images that look like masks of other images: 8  [mask_beside]" in text


def test_a_folder_of_masks_beside_a_class_is_left_out(photos, init):
    photos(**{"benign": 5, "benign_mask": 5, "normal": 5})
    data, out = init()
    assert data["exclude"] == ["benign_mask"]
    assert "benign_mask left out: its files are called like those of benign" in out


def test_previews_beside_their_images_are_left_out(photos, init):
    for name in ("cat", "dog"):
        photos(**{name: [f"{stem}{end}.png" for stem in "abcd" for end in ("", "_thumb")]})
    data, out = init()
    assert data["exclude"] == ["*_thumb.*"]
    assert "previews of others, such as cat/a_thumb.png beside cat/a.png" in out


def test_a_few_names_like_those_of_masks_mean_nothing(photos, init):
    photos(cat=[f"{n}.png" for n in range(30)], dog=[*(f"{n}.png" for n in range(30)), "3_label.png"])
    data, out = init()
    assert "exclude" not in data
    assert "61 images" in out


@pytest.mark.parametrize("suffix", [".dng", ".cr2"])
def test_a_class_of_files_that_cannot_be_read_is_not_lost_silently(photos, tlkit, suffix):
    photos(cat=4, dog=4)
    Path("photos/fox").mkdir()
    for number in range(3):
        (Path("photos/fox") / f"{number}{suffix}").write_bytes(b"\0" * 40)
    code, out = tlkit("init", "photos")
    assert code == 2
    assert f"photos/fox: none of its 3 files is an image that can be read ({suffix} 3)" in out
    code, out = tlkit("check", "photos")
    assert code == 1
    assert f"fox: none of its 3 files is an image by its name ({suffix} 3)" in out


@pytest.mark.skipif(sys.platform == "win32", reason="file names of Windows have no such characters")
def test_odd_characters_in_names_of_folders_are_kept_out_of_patterns_and_comments(photos, init):
    photos(**{"train/a\nx = 1/b": 4, "train/c/d": 4, "test/[12]*": 2, "test/c/d": 2, "test/a\nx = 1/b": 1})
    data, out = init()
    assert data["exclude"] == ["test/[[]12][*]"]
    assert data["classes"] == "top"
    assert "11 images in 2 class folders" in out


def test_a_folder_of_texts_or_an_empty_one_is_only_noted(photos, init):
    photos(cat=4, dog=4)
    for name in ("docs", "empty"):
        (Path("photos") / name).mkdir()
    Path("photos/docs/readme.txt").write_text("x", encoding="utf-8")
    _, out = init()
    assert "no images in photos/docs" in out
    assert "no images in photos/empty" in out


@pytest.mark.parametrize(
    "folders",
    [
        ("image_2", "image_3"),
        ("left", "right"),
        ("rgb", "thermal"),
    ],
)
def test_folders_of_the_same_scenes_are_no_classes(photos, tlkit, folders):
    photos(**{folder: [f"{number:06d}.png" for number in range(6)] for folder in folders})
    code, out = tlkit("init", "photos")
    assert code == 2
    assert "hold files of the same names (6 of 6, such as 000000)" in out
    assert "tlkit init --task classification" in out
    assert tlkit("init", "photos", "--task", "classification")[0] == 0


def test_other_folders_of_the_same_names_are_no_classes_either(photos, tlkit):
    names = ["berlin_3.png", "paris_9.png", "rome_2.png", "oslo_7.png", "bern_1.png"]
    photos(first=names, second=names)
    assert "hold files of the same names (5 of 5, such as berlin_3)" in tlkit("init", "photos")[1]


def test_a_few_views_of_each_class_are_classes(photos, init):
    photos(**{name: ["front.png", "side.png", "back.png"] for name in ("cup", "jug", "pot")})
    assert "9 images in 3 class folders" in init()[1]


@pytest.mark.parametrize(("folder", "suffix"), [("label_2", ".txt"), ("ann", ".json"), ("boxes", ".xml")])
def test_annotations_beside_the_images_are_named(photos, tlkit, folder, suffix):
    photos(image_2=4)
    Path("photos", folder).mkdir()
    for number in range(4):
        Path("photos", folder, f"{number}{suffix}").write_text("x", encoding="utf-8")
    code, out = tlkit("init", "photos")
    assert code == 2
    assert f"{folder} has {suffix} files of the same names" in out


def test_a_table_beside_images_without_class_folders_is_named(photos, tlkit):
    photos(images=4)
    Path("photos/labels.csv").write_text("x,y\n", encoding="utf-8")
    code, out = tlkit("init", "photos")
    assert code == 2
    assert "If photos/labels.csv has the labels: tlkit init photos/labels.csv" in out


def test_numbers_as_names_mean_nothing(photos, init):
    photos(cat=6, dog=6)
    assert "12 images in 2 class folders" in init()[1]


@pytest.mark.parametrize("where", ["photos", "photos/ImageSets/Main", "photos/splits"])
def test_lists_beside_the_images_are_kept_as_splits(photos, init, where):
    photos(cat=6, dog=6)
    Path(where).mkdir(parents=True, exist_ok=True)
    rows = [f"{name}/{number}.png" for name in ("cat", "dog") for number in range(6)]
    (Path(where) / "train.txt").write_text("\n".join(rows[:4] + rows[6:10]), encoding="utf-8")
    (Path(where) / "test.txt").write_text("\n".join(rows[4:6] + rows[10:]), encoding="utf-8")
    data, out = init()
    assert data["splits"] == "lists"
    assert "cat: 4 train, 2 test" in out
    assert 'are kept; data.splits = "none" lets tlkit draw them' in out


def test_lists_beside_the_folder_of_the_images_are_named(photos, init):
    photos(**{"images/cat": 4, "images/dog": 4})
    Path("photos/meta").mkdir()
    Path("photos/meta/train.txt").write_text("cat/0\ncat/1\ncat/2\ndog/0\ndog/1\ndog/2\n", encoding="utf-8")
    Path("photos/meta/test.txt").write_text("cat/3\ndog/3\n", encoding="utf-8")
    data, out = init("--out", "photos.toml")
    assert (data["path"], data["lists"]) == ("photos/images", "photos")
    assert "cat: 3 train, 1 test" in out


def test_lists_that_name_other_images_are_not_used(photos, init):
    photos(cat=6, dog=6)
    Path("photos/train.txt").write_text("a\nb\nc\n", encoding="utf-8")
    data, out = init()
    assert "splits" not in data
    assert "not used as splits: train.txt; only 0 of 3 lines name images" in out


def test_names_of_folders_that_are_called_by_a_code(photos, init):
    photos(**{"train/n01": 4, "train/n02": 4, "val/n01": 2, "val/n02": 2})
    Path("photos/words.txt").write_text("n01\ttench, Tinca tinca\nn02\tcrane\nn03\tgoose\n", encoding="utf-8")
    data, out = init()
    assert data["names"] == "photos/words.txt"
    assert "tench: 4 train, 2 validation" in out
    assert "their names are read from words.txt" in out


def test_classes_in_the_names_of_the_files(photos, init):
    photos(**{".": [f"{name}{number}.png" for name in ("cat.", "guinea_pig (") for number in range(5)]})
    for number in range(5):
        Path(f"photos/guinea_pig ({number}.png").rename(f"photos/guinea_pig ({number}).png")
    data, out = init()
    assert data["classes"] == "name"
    assert "cat: 5" in out
    assert "guinea_pig: 5" in out
    assert "file names that begin with a class (cat, guinea_pig)" in out


def test_names_of_files_in_split_folders_with_a_test_folder_of_numbers(photos, init):
    photos(train=[f"{name}.{number}.png" for name in ("cat", "dog") for number in range(6)], test1=3)
    data, out = init()
    assert (data["classes"], data["exclude"]) == ("name", ["test1"])
    assert "cat: 6 train" in out
    assert "without labels: 3 images in photos/test1" in out


def test_names_that_cameras_give_are_no_classes(photos, tlkit):
    photos(**{".": [f"{name}_{number}.png" for name in ("IMG", "DSC") for number in range(5)]})
    assert "10 images, but no class folders" in tlkit("init", "photos")[1]


def test_a_deep_chain_of_folders_leads_to_the_classes(photos, init):
    photos(**{"data/v2/all/cat": 4, "data/v2/all/dog": 4, "__MACOSX/data": 2})
    data, _ = init()
    assert data["path"] == "photos/data/v2/all"


def test_many_classes_of_few_images_are_said_in_a_few_lines(photos, init, tlkit):
    photos(**{f"class{number:02d}": 2 for number in range(40)})
    init()
    _, out = tlkit("check", "photos.toml")
    (title,) = [line for line in out.splitlines() if "[too_few]" in line]
    assert int(title.split(": ")[1].split()[0]) < 10
