"""Published data sets: download, archives, other layouts, and what is refused."""

from __future__ import annotations

import dataclasses
import functools
import gzip
import hashlib
import io
import stat
import tarfile
import threading
import zipfile
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import platformdirs
import pytest
import tlkit_datasets
from PIL import Image
from tlkit_datasets import archives, cats, cifar, fashion, pets, published

from tlkit import DataError, DatasetContext
from tlkit.data.prepare import open_data
from tlkit.data.settings import DataSettings
from tlkit.recipe.input_table import InputTable
from tlkit.recipe.schema import Selection
from tlkit.testing import check_dataset

RECORDS = {record.name: record for record in tlkit_datasets.tlkit_datasets()}

# From ryanchankh/cifar100coarse on GitHub, also in Continvvm/continuum (continuum/datasets/cifar100.py).
COARSE_OF_FINE = """
     4  1 14  8  0  6  7  7 18  3  3 14  9 18  7 11  3  9  7 11  6 11  5 10  7
     6 13 15  3 15  0 11  1 10 12 14 16  9 11  5  5 19  8  8 15 13 14 17 18 10
    16  4 17  4  2  0 17  4 18 17 10  3  2 12 12 16 12  1  9 19  2 10  0  1 16
    12  9 13 15 13 16 19  2  4  6 19  5  5  8 19 18  1  2 15  6  0 17  8 14 13
"""


def open_(name, task="classification", **options):
    record = RECORDS[name]
    return record.open(DatasetContext(task, 0), record.options.model_validate(options))


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        self.server.asked.append(self.path)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Replace the user's cache folder by an empty one."""
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda *_, **__: tmp_path / "cache")
    return tmp_path / "cache"


@pytest.fixture
def publisher(tmp_path, monkeypatch):
    """Run a local server in place of the publishers'; it serves ``publisher.folder``."""
    folder = tmp_path / "published"
    folder.mkdir()
    made = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=folder))
    made.folder, made.asked = folder, []
    for module in (fashion, cifar, pets, cats):
        monkeypatch.setattr(module, "URL", f"http://127.0.0.1:{made.server_port}/")
    thread = threading.Thread(target=functools.partial(made.serve_forever, poll_interval=0.01))
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


def digest(file):
    return f"sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}"


def arrays(shape, **changes):
    random = np.random.default_rng(0)
    found = {
        "x_train": random.integers(0, 256, (6, *shape), dtype=np.uint8),
        "y_train": np.arange(6, dtype=np.uint8),
        "x_test": random.integers(0, 256, (4, *shape), dtype=np.uint8),
        "y_test": np.array([[9], [8], [7], [6]], np.uint8),
    }
    return {key: value for key, value in {**found, **changes}.items() if value is not None}


def npz(tmp_path, shape=(32, 32, 3), **changes):
    np.savez(tmp_path / "a.npz", **arrays(shape, **changes))
    return tmp_path / "a.npz"


SHAPES = [("fashion_mnist", (28, 28)), ("cifar10", (32, 32, 3)), ("cifar100", (32, 32, 3))]


@pytest.mark.parametrize(("name", "shape"), SHAPES)
def test_a_published_data_set_is_read_from_an_npz_with_its_test_split(tmp_path, name, shape):
    found = open_(name, path=npz(tmp_path, shape))
    assert [sample.split for sample in found.samples] == [None] * 6 + ["test"] * 4
    assert [sample.label for sample in found.samples] == [0, 1, 2, 3, 4, 5, 9, 8, 7, 6]
    assert [sample.key for sample in found.samples][::6] == [f"{name}/train/00000", f"{name}/test/00000"]
    np.testing.assert_array_equal(found.images[6:], arrays(shape)["x_test"])
    assert len(found.classes) == (100 if name == "cifar100" else 10)


@pytest.mark.parametrize(("name", "shape"), SHAPES)
def test_a_published_data_set_passes_the_check_of_data_sets(tmp_path, name, shape):
    assert len(check_dataset(RECORDS[name], path=npz(tmp_path, shape)).samples) == 10


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x_test": None}, r"a\.npz: no array x_test; it has x_train, y_train, y_test"),
        ({"x_train": np.zeros((6, 28, 28), np.uint8)}, r"expected x_train of uint8 \(N, 32, 32, 3\), received uint8"),
        ({"x_test": np.zeros((4, 3, 32, 32), np.uint8)}, r"received uint8 \(4, 3, 32, 32\)"),
        ({"x_train": np.zeros((6, 32, 32, 3), np.float32)}, r"received float32 \(6, 32, 32, 3\)"),
        ({"y_train": np.zeros(5, np.uint8)}, r"one for each of 6 images, received uint8 \(5,\)"),
        ({"y_train": np.eye(6, 10, dtype=np.uint8)}, r"one for each of 6 images, received uint8 \(6, 10\)"),
        ({"y_test": np.zeros(4, np.float32)}, r"y_test of whole numbers, .* received float32"),
        ({"y_test": np.array([0, 1, 2, 200])}, r"expected y_test in 0-\d+, received 0 to 200"),
        ({"y_train": np.array([{}] * 6)}, r"not CIFAR-10.* as an \.npz file"),
    ],
)
@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_an_npz_with_other_arrays_is_refused(tmp_path, name, changes, message):
    with pytest.raises(DataError, match=message):
        open_(name, path=npz(tmp_path, **changes))


@pytest.mark.parametrize(("name", "shape"), SHAPES)
def test_a_file_that_is_incomplete_or_not_an_npz_is_refused(tmp_path, name, shape):
    file = npz(tmp_path, shape)
    content = file.read_bytes()
    for damaged in (b"", content[: len(content) // 2], b"no zip"):
        file.write_bytes(damaged)
        message = r"a\.npz is not an \.npz file, or is incomplete; expected an \.npz with x_train"
        with pytest.raises(DataError, match=message):
            open_(name, path=file)


@pytest.mark.parametrize("name", [*dict(SHAPES), "cats_vs_dogs"])
def test_a_missing_path_is_named(tmp_path, name):
    with pytest.raises(DataError, match=f"no such .*{tmp_path / 'none'}"):
        open_(name, path=tmp_path / "none")


# Fashion-MNIST ----------------------------------------------------------------------------------------------------


def fashion_files(folder):
    made = arrays((28, 28))
    for key, (name, _) in fashion.FILES.items():
        values = made[key].reshape(len(made[key]), *made[key].shape[1:] if key[0] == "x" else ())
        header = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">u4").tobytes()
        (folder / name).write_bytes(gzip.compress(header + values.tobytes()))
    return made


def test_fashion_mnist_is_downloaded_once(publisher, monkeypatch):
    made = fashion_files(publisher.folder)
    files = {key: (name, digest(publisher.folder / name)) for key, (name, _) in fashion.FILES.items()}
    monkeypatch.setattr(fashion, "FILES", files)
    for _ in range(2):
        np.testing.assert_array_equal(open_("fashion_mnist").images[:6], made["x_train"])
    assert len(publisher.asked) == len(files)


def test_an_incomplete_fashion_mnist_names_the_missing_files(tmp_path):
    fashion_files(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataError, match=r"no file t10k-labels-idx1-ubyte\.gz; expected an \.npz"):
        open_("fashion_mnist", path=tmp_path)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda content: gzip.compress(gzip.decompress(content)[:-5]), "or incomplete"),
        (lambda content: content[:-20], "can't be unpacked"),
        (lambda _: b"", "not an IDX file"),
        (lambda _: b"<html>", "can't be unpacked"),
    ],
)
def test_a_damaged_file_of_fashion_mnist_is_named(tmp_path, damage, message):
    fashion_files(tmp_path)
    file = tmp_path / "t10k-images-idx3-ubyte.gz"
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(DataError, match=rf"t10k-images-idx3-ubyte\.gz: .*{message}"):
        open_("fashion_mnist", path=tmp_path)


def test_arrays_larger_than_any_data_set_are_refused(tmp_path, monkeypatch):
    file = tmp_path / "large.npz"
    np.savez_compressed(file, **{name: np.zeros(30_000, np.uint8) for name in arrays((28, 28))})
    assert file.stat().st_size < 3000
    fashion_files(tmp_path)
    for module in (published, fashion):
        monkeypatch.setattr(module, "MAX_ARRAYS", 1000)
    with pytest.raises(DataError, match=r"large\.npz: its arrays take 120512 bytes; expected at most 1000"):
        open_("cifar10", path=file)
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte\.gz: unpacks to more than 1000 bytes"):
        open_("fashion_mnist", path=tmp_path)


def test_an_archive_member_larger_than_any_data_set_is_refused(tmp_path, monkeypatch):
    cifar_archive(tmp_path, "cifar10")
    monkeypatch.setattr(cifar, "MAX_ARRAYS", 1000)
    with pytest.raises(DataError, match=r"data_batch_1\.bin has \d+ bytes; this is not the publisher's file"):
        open_("cifar10", path=tmp_path)


# CIFAR ------------------------------------------------------------------------------------------------------------


def cifar_archive(folder, name, without=(), cut=0):
    """Write a small archive in the publisher's layout; all coarse label bytes are 19."""
    archive, made = cifar.ARCHIVES[name], arrays((32, 32, 3))
    with tarfile.open(folder / archive.file, "w:gz") as tar:
        for split, files in (("train", archive.train), ("test", archive.test)):
            pixels = made[f"x_{split}"].transpose(0, 3, 1, 2).reshape(-1, 3072)
            labels = made[f"y_{split}"].reshape(-1, 1)
            coarse = [np.full_like(labels, 19)] if archive.label_bytes == 2 else []
            records = np.concatenate([*coarse, labels, pixels], 1).astype(np.uint8)
            for file, part in zip(files, np.array_split(records, len(files)), strict=True):
                content = part.tobytes()[: -cut or None]
                member = tarfile.TarInfo(f"cifar/{file}")
                member.size = len(content)
                if file not in without:
                    tar.addfile(member, io.BytesIO(content))
    return made


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_cifar_is_downloaded_once_and_read_in_the_publishers_format(publisher, monkeypatch, name):
    made = cifar_archive(publisher.folder, name)
    archive = cifar.ARCHIVES[name]
    monkeypatch.setitem(
        cifar.ARCHIVES, name, dataclasses.replace(archive, digest=digest(publisher.folder / archive.file))
    )
    for _ in range(2):
        found = open_(name)
        np.testing.assert_array_equal(found.images, np.concatenate([made["x_train"], made["x_test"]]))
        assert [sample.label for sample in found.samples] == [0, 1, 2, 3, 4, 5, 9, 8, 7, 6]
    assert len(publisher.asked) == 1


def test_a_download_with_another_digest_is_refused(publisher):
    cifar_archive(publisher.folder, "cifar100")
    with pytest.raises(DataError, match=r"CIFAR-100: .* does not have the expected digest md5:03b5dce0"):
        open_("cifar100")


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_cifar_is_read_from_a_folder_or_the_archive_itself(tmp_path, name):
    made = cifar_archive(tmp_path, name)
    for path in (tmp_path, tmp_path / cifar.ARCHIVES[name].file):
        np.testing.assert_array_equal(open_(name, path=path).images[6:], made["x_test"])


def test_the_fine_classes_are_in_the_publishers_order():
    assert (cifar.FINE_CLASSES[0], cifar.FINE_CLASSES[39], cifar.FINE_CLASSES[-1]) == ("apple", "keyboard", "worm")
    assert (len(set(cifar.FINE_CLASSES)), len(cifar.COARSE_CLASSES)) == (100, 20)
    assert list(cifar.FINE_TO_COARSE) == [int(number) for number in COARSE_OF_FINE.split()]


@pytest.mark.parametrize("from_archive", [True, False])
def test_coarse_labels_are_the_superclasses_of_the_fine(tmp_path, from_archive):
    if from_archive:
        cifar_archive(tmp_path, "cifar100")
    found = open_("cifar100", path=tmp_path if from_archive else npz(tmp_path), labels="coarse")
    names = [found.classes[sample.label] for sample in found.samples]
    assert names[:3] == ["fruit_and_vegetables", "fish", "people"]
    assert names[-1] == "insects"
    assert len(found.classes) == 20


@pytest.fixture
def coarse_npz(tmp_path):
    """Write coarse labels as Keras's ``load_data`` returns them: 501 images of label 3, more than a fine class has."""
    count = 501
    return npz(tmp_path, x_train=np.zeros((count, 32, 32, 3), np.uint8), y_train=np.full((count, 1), 3))


def test_an_npz_of_coarse_labels_is_recognised(coarse_npz):
    found = open_("cifar100", path=coarse_npz, labels="coarse")
    assert found.classes[found.samples[0].label] == "food_containers"


def test_an_npz_of_coarse_labels_is_refused_as_fine_ones(coarse_npz):
    with pytest.raises(DataError, match=r'a label has 501 training images.*set data\.labels = "coarse"'):
        open_("cifar100", path=coarse_npz)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"without": ("train.bin",)}, r"lacks train\.bin; expected cifar-100-binary\.tar\.gz from https://www"),
        ({"cut": 7}, r"train\.bin is incomplete"),
    ],
)
def test_an_incomplete_archive_is_refused(tmp_path, options, message):
    cifar_archive(tmp_path, "cifar100", **options)
    with pytest.raises(DataError, match=message):
        open_("cifar100", path=tmp_path)


def test_a_damaged_archive_is_named(tmp_path):
    cifar_archive(tmp_path, "cifar10")
    file = tmp_path / "cifar-10-binary.tar.gz"
    for damaged in (file.read_bytes()[:-5000], b"", b"<html>"):
        file.write_bytes(damaged)
        with pytest.raises(DataError, match=r"cifar-10-binary\.tar\.gz: can't be unpacked: .*fetch it again"):
            open_("cifar10", path=tmp_path)


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_a_folder_without_the_publishers_file_is_refused(tmp_path, name):
    with pytest.raises(DataError, match=r"cifar-100?-binary\.tar\.gz; expected an \.npz .* \(the binary version\)"):
        open_(name, path=tmp_path)


# Cats and dogs ----------------------------------------------------------------------------------------------------


def photo(file, value=0, **options):
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (12, 10), (value, 90, 30)).save(file, "JPEG", **options)


def class_folders(root, count=12, cat="Cat", dog="Dog"):
    for name in (cat, dog):
        for number in range(count):
            photo(root / name / f"{number}.jpg", number)
        (root / name / "Thumbs.db").write_bytes(b"x")
    return root


def kaggle(root, count=12):
    for name in ("cat", "dog"):
        for number in range(count):
            photo(root / f"{name}.{number}.jpg", number)
    return root


def zipped(file, folder):
    with zipfile.ZipFile(file, "w") as made:
        for each in sorted(folder.rglob("*")):
            made.write(each, each.relative_to(folder))
    return file


LAYOUTS = {
    "PetImages": lambda root: class_folders(root / "PetImages").parent,
    "class folders": class_folders,
    "lower case": lambda root: class_folders(root, cat="cat", dog="DOG"),
    "Kaggle's train": lambda root: kaggle(root / "train").parent,
    "Kaggle's files": kaggle,
    "a zip": lambda root: zipped(root.with_suffix(".zip"), class_folders(root / "PetImages").parent),
    "Kaggle's zip": lambda root: zipped(root.with_suffix(".zip"), kaggle(root / "train").parent),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_cats_and_dogs_are_found_in_every_common_layout(tmp_path, layout):
    found = open_("cats_vs_dogs", path=LAYOUTS[layout](tmp_path / "a"))
    assert found.classes == ("cat", "dog")
    assert [sample.label for sample in found.samples] == [0] * 12 + [1] * 12
    numbers = [int(sample.image.stem.removeprefix("cat.").removeprefix("dog.")) for sample in found.samples]
    assert numbers == [*range(12)] * 2
    assert all(found.root / sample.key == sample.image for sample in found.samples)
    assert not found.set_aside


def test_cats_and_dogs_pass_the_check_of_data_sets(tmp_path):
    assert len(check_dataset(RECORDS["cats_vs_dogs"], path=class_folders(tmp_path)).samples) == 24


def test_per_class_takes_the_lowest_numbers(tmp_path):
    found = open_("cats_vs_dogs", path=class_folders(tmp_path), per_class=3)
    assert [sample.key for sample in found.samples] == [f"{name}/{n}.jpg" for name in ("Cat", "Dog") for n in range(3)]


def test_per_class_can_exceed_the_number_of_images(tmp_path):
    assert len(open_("cats_vs_dogs", path=class_folders(tmp_path), per_class=2500).samples) == 24


def test_cats_and_dogs_are_downloaded_and_unpacked_once(publisher, tmp_path, cache, monkeypatch):
    source = class_folders(tmp_path / "source" / "PetImages").parent
    (source / "readme[1].txt").write_text("x")
    name = cats.ARCHIVE[0]
    monkeypatch.setattr(cats, "ARCHIVE", (name, digest(zipped(publisher.folder / name, source))))
    for _ in range(2):
        assert len(open_("cats_vs_dogs").samples) == 24
        (cache / "cats_vs_dogs" / name).unlink(missing_ok=True)
    assert len(publisher.asked) == 1
    assert [each.name for each in (cache / "cats_vs_dogs").iterdir()] == ["PetImages"]


def test_the_known_damaged_files_are_set_aside_and_the_others_used(tmp_path):
    class_folders(tmp_path, count=40)
    (tmp_path / "Cat" / "6.jpg").write_bytes(b"")  # like Cat/666.jpg and Dog/11702.jpg of the published zip
    photo(tmp_path / "Dog" / "7.jpg", exif=Image.Exif())
    without_jfif = tmp_path / "Dog" / "7.jpg"
    content = without_jfif.read_bytes()
    jfif_end = 4 + int.from_bytes(content[4:6], "big")
    without_jfif.write_bytes(content[:2] + content[jfif_end:])
    assert b"JFIF" not in without_jfif.read_bytes()
    Image.new("RGB", (5, 5)).save(tmp_path / "Cat" / "8.jpg", "GIF")
    record = RECORDS["cats_vs_dogs"]
    selection = Selection(record, record.options(path=tmp_path))
    table = InputTable(image_size=(8, 8), validation=20, test=10)
    data = open_data(DataSettings(selection, table, "classification", seed=0), tmp_path)
    assert [(each.key, "empty" in each.reason) for each in data.set_aside] == [("Cat/6.jpg", True)]
    assert [len(data.indices(split)) for split in ("train", "validation", "test")] == [49, 20, 10]


def test_other_files_are_set_aside(tmp_path):
    class_folders(tmp_path, count=2)
    photo(tmp_path / "Cat" / "cat.0.jpg")
    photo(tmp_path / "Cat" / "dog.5.jpg")
    photo(tmp_path / "Dog" / "mine.jpg")
    found = open_("cats_vs_dogs", path=tmp_path)
    assert {each.key: each.reason.split()[0] for each in found.set_aside} == {
        "Cat/cat.0.jpg": "cat",
        "Cat/dog.5.jpg": "not",
        "Dog/mine.jpg": "not",
    }
    assert len(found.samples) == 4


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda root: photo(root / "Cat" / "1.jpg"), "has 1 photos, but none of a dog"),
        (lambda root: photo(root / "PetImages" / "Dog" / "1.jpg"), "PetImages has 1 photos, but none of a cat"),
        (lambda root: photo(root / "train" / "cat.1.jpg"), "train has 1 photos, but none of a dog"),
        (lambda root: class_folders(root / "train"), r'no photos .* are for data\.name = "folder"'),
        (lambda root: (root / "PetImages").mkdir(), "no photos of cats and dogs in .*PetImages"),
    ],
)
def test_an_incomplete_layout_is_refused_and_names_what_is_missing(tmp_path, make, message):
    make(tmp_path)
    with pytest.raises(DataError, match=message):
        open_("cats_vs_dogs", path=tmp_path)


def test_a_file_that_is_not_a_zip_is_refused(tmp_path):
    file = tmp_path / "a.zip"
    for content in (b"", b"<html>", zipped(tmp_path / "b.zip", class_folders(tmp_path / "c")).read_bytes()[:-30]):
        file.write_bytes(content)
        with pytest.raises(DataError, match=r"a\.zip: not a zip, or incomplete: .*; expected a folder with PetImages/"):
            open_("cats_vs_dogs", path=file)


# Oxford-IIIT Pet --------------------------------------------------------------------------------------------------


def test_the_pets_are_downloaded_and_unpacked_once(publisher, tmp_path, cache, monkeypatch):
    source = tmp_path / "source"
    photo(source / "images" / "beagle_1.jpg")
    (source / "annotations").mkdir()
    (source / "annotations" / "trainval.txt").write_text("beagle_1 1 2 1\n")
    (source / "annotations" / "test.txt").write_text("")
    known = {}
    for name, (file, _) in pets.ARCHIVES.items():
        with tarfile.open(publisher.folder / file, "w:gz") as tar:
            tar.add(source / name, name)
        known[name] = (file, digest(publisher.folder / file))
    monkeypatch.setattr(pets, "ARCHIVES", known)
    for _ in range(2):
        assert [sample.key for sample in open_("oxford_pets", target="species").samples] == ["images/beagle_1.jpg"]
    assert len(publisher.asked) == 2
    assert not [each for each in (cache / "oxford_pets").iterdir() if each.name.startswith(".")]


# Archives ---------------------------------------------------------------------------------------------------------


def zip_of(tmp_path, name, attributes=0):
    file = tmp_path / "a.zip"
    with zipfile.ZipFile(file, "w") as made:
        entry = zipfile.ZipInfo("x")
        entry.filename, entry.external_attr = name, attributes
        made.writestr(entry, "content")
    return file


def tar_of(tmp_path, name, kind=tarfile.REGTYPE):
    file = tmp_path / "a.tar.gz"
    with tarfile.open(file, "w:gz") as made:
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, "/no-such-file"
        made.addfile(member)
    return file


@pytest.mark.parametrize("name", ["/a", "../a", "a/../../b", "C:/a", "..\\a"])
@pytest.mark.parametrize("make", [zip_of, tar_of])
def test_a_path_that_leads_out_of_the_archive_is_refused(tmp_path, make, name):
    with pytest.raises(DataError, match="leads out of the archive"):
        archives.unpack(make(tmp_path, name), tmp_path / "cache" / "out")
    assert not any((tmp_path / "cache").iterdir())


@pytest.mark.parametrize(
    "make",
    [
        lambda folder: zip_of(folder, "link", (stat.S_IFLNK | 0o777) << 16),
        lambda folder: tar_of(folder, "link", tarfile.SYMTYPE),
        lambda folder: tar_of(folder, "link", tarfile.LNKTYPE),
    ],
)
def test_a_link_in_an_archive_is_refused(tmp_path, make):
    with pytest.raises(DataError, match="'link' is a link"):
        archives.unpack(make(tmp_path), tmp_path / "cache" / "out")


@pytest.mark.parametrize("make", ["zip", "tar"])
def test_an_archive_that_would_fill_the_disk_is_refused(tmp_path, monkeypatch, make):
    photo(tmp_path / "source" / "a.jpg")
    file = tmp_path / f"a.{make}"
    if make == "zip":
        zipped(file, tmp_path / "source")
    else:
        with tarfile.open(file, "w") as tar:
            tar.add(tmp_path / "source" / "a.jpg", "a.jpg")
    monkeypatch.setattr(archives, "MAX_UNPACKED", 100)
    with pytest.raises(DataError, match="holds more than"):
        archives.unpack(file, tmp_path / "cache" / "out")


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_a_damaged_archive_is_named_and_leaves_nothing_behind(tmp_path, kind):
    source = class_folders(tmp_path / "source")
    file = tmp_path / f"a.{kind}"
    if kind == "zip":
        content = bytearray(zipped(file, source).read_bytes())
        content[100] ^= 255
        file.write_bytes(content)
    else:
        with tarfile.open(file, "w:gz") as tar:
            tar.add(source, "x")
        file.write_bytes(file.read_bytes()[:-300])
    with pytest.raises(DataError, match=rf"a\.{kind}: can't be unpacked: .*remove it and fetch it again"):
        archives.unpack(file, tmp_path / "cache" / "out")
    assert not any((tmp_path / "cache").iterdir())


def test_an_archive_without_the_expected_folder_is_refused(tmp_path):
    with pytest.raises(DataError, match="has no folder PetImages"):
        archives.unpack(zip_of(tmp_path, "a.txt"), tmp_path / "cache" / "out", "PetImages")
