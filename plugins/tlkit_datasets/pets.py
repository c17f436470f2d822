"""Oxford-IIIT Pet (Parkhi, Vedaldi, Zisserman and Jawahar, "Cats and Dogs", CVPR 2012)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import tlkit
from tlkit_datasets.archives import cache_folder, unpack
from tlkit_datasets.options import PetsOptions

URL = "https://www.robots.ox.ac.uk/~vgg/data/pets/data/"
ARCHIVES = {
    "images": ("images.tar.gz", "md5:5c4f3ee8e5d25df40f4fd59a7f44e54c"),
    "annotations": ("annotations.tar.gz", "md5:95a8c909bbe2e81eed6a22bccdf3f68f"),
}
_PET, _BACKGROUND, _BORDER = 1, 2, 3
"""Values of a trimap's pixels."""
_COLORS = {0: (230, 159, 0), 1: (0, 114, 178), 2: (204, 121, 167)}


@dataclass(frozen=True)
class _Pet:
    """An image as the published lists describe it.

    Args:
        breed: number of its breed, from 1.
        species: 1 for a cat, 2 for a dog.
        split: the split of its list; None: tlkit splits it.
    """

    breed: int
    species: int
    split: tlkit.Split | None


def open_oxford_pets(ctx: tlkit.DatasetContext, options: PetsOptions) -> tlkit.SampleSet:
    """List the data set with its official splits: ``trainval`` trains, or also validates if the copy has a ``val``.

    With ``splits = "none"`` no image has a split, and the images in none of the lists (41 as published) are included.

    Raises:
        DataError: the copy lacks a file, the target does not fit the task, or the download failed.
    """
    segmentation = options.target in ("trimap", "pet")
    if segmentation != (ctx.task == "segmentation"):
        fitting = "trimap or pet" if ctx.task == "segmentation" else "species or breed"
        raise tlkit.DataError(f'data.target: "{options.target}" is not for {ctx.task}; expected {fitting}')
    root = _downloaded() if options.path is None else tlkit.files.existing_folder(options.path, "data.path")
    pets = _read_lists(root)
    if options.splits == "none":
        pets = {name: replace(pet, split=None) for name, pet in (pets | _unlisted(root, pets)).items()}
    classes, table = _classes(options, pets)
    samples = []
    set_aside = []
    for name, pet in pets.items():
        image, mask = root / "images" / f"{name}.jpg", root / "annotations" / "trimaps" / f"{name}.png"
        key = tlkit.files.key_of(image, root)
        if not image.is_file():
            set_aside.append(tlkit.SetAside(key, "in the published lists, but no such file"))
        elif not segmentation:
            label = pet.species - 1 if options.target == "species" else classes.index(_breed_name(name))
            samples.append(tlkit.Sample(key, image, label=label, split=pet.split))
        elif mask.is_file():
            samples.append(tlkit.Sample(key, image, mask=mask, split=pet.split))
        else:
            set_aside.append(tlkit.SetAside(tlkit.files.key_of(mask, root), "no such trimap"))
    return tlkit.SampleSet(
        samples=tuple(sorted(samples, key=lambda sample: sample.key)),
        classes=classes,
        mask_table=table,
        set_aside=tuple(set_aside),
        root=root.resolve(),
        colors=_COLORS if segmentation else {},
    )


def _classes(options: PetsOptions, pets: dict[str, _Pet]) -> tuple[tuple[str, ...], tlkit.MaskTable | None]:
    if options.target == "trimap":
        return ("pet", "background", "border"), tlkit.MaskTable({_PET: 0, _BACKGROUND: 1, _BORDER: 2})
    if options.target == "pet":
        border = {"ignore": tlkit.IGNORE, "pet": 0, "background": 1}[options.border]
        return ("pet", "background"), tlkit.MaskTable({_PET: 0, _BACKGROUND: 1, _BORDER: border})
    if options.target == "species":
        return ("cat", "dog"), None
    number = {_breed_name(name): pet.breed for name, pet in pets.items()}
    return tuple(sorted(number, key=lambda name: number[name])), None


def _read_lists(root: Path) -> dict[str, _Pet]:
    """Return the images of all published lists by name."""
    folder = root / "annotations"
    lists: list[tuple[str, tlkit.Split | None]] = [("trainval.txt", None), ("test.txt", "test")]
    if (folder / "val.txt").is_file() and (folder / "train.txt").is_file():
        lists = [("train.txt", "train"), ("val.txt", "validation"), ("test.txt", "test")]
    pets: dict[str, _Pet] = {}
    for list_name, split in lists:
        file = folder / list_name
        if not file.is_file():
            raise tlkit.DataError(
                f"data.path: {file.absolute()} is missing; expected the official layout: images/NAME.jpg, "
                "annotations/trimaps/NAME.png and annotations/trainval.txt, test.txt"
            )
        for line, name, pet in _read_list(file, split):
            if name in pets:
                raise tlkit.DataError(f"{file}:{line}: {name} is in two splits")
            pets[name] = pet
    return pets


def _read_list(file: Path, split: tlkit.Split | None) -> Iterator[tuple[int, str, _Pet]]:
    """Yield line number, image name and description of each image in a list."""
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        parts = line.split()
        if not parts or parts[0].startswith("#"):
            continue
        if len(parts) != 4 or not all(part.isdigit() for part in parts[1:]):
            raise tlkit.DataError(f"{file}:{number}: expected NAME CLASS SPECIES BREED, received {line!r}")
        yield number, parts[0], _Pet(int(parts[1]), int(parts[2]), split)


def _unlisted(root: Path, listed: dict[str, _Pet]) -> dict[str, _Pet]:
    """Return the images in no list whose name begins with a known breed."""
    breeds = {_breed_name(name): pet for name, pet in listed.items()}
    names = sorted({file.stem for file in (root / "images").glob("*.jpg")} - set(listed))
    return {name: breeds[_breed_name(name)] for name in names if _breed_name(name) in breeds}


def _breed_name(name: str) -> str:
    return name.rsplit("_", 1)[0]


def _downloaded() -> Path:
    """Return the data set's folder in the user's cache, downloaded and unpacked the first time."""
    cache = cache_folder("oxford_pets")
    for name, (archive, digest) in ARCHIVES.items():
        if not (cache / name).is_dir():
            file = tlkit.download(URL + archive, cache, archive, digest, what=f"Oxford-IIIT Pet, {name}")
            unpack(file, cache / name, name)
    return cache
