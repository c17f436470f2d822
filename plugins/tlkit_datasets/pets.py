"""Oxford-IIIT Pet (Parkhi, Vedaldi, Zisserman and Jawahar, "Cats and Dogs", CVPR 2012)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import tlkit
from tlkit_datasets.archives import cache_folder, unpack
from tlkit_datasets.files import existing_folder

if TYPE_CHECKING:
    from tlkit_datasets.options import PetsOptions

URL = "https://www.robots.ox.ac.uk/~vgg/data/pets/data/"
ARCHIVES = {
    "images": ("images.tar.gz", "md5:5c4f3ee8e5d25df40f4fd59a7f44e54c"),
    "annotations": ("annotations.tar.gz", "md5:95a8c909bbe2e81eed6a22bccdf3f68f"),
}
_PET, _BACKGROUND, _BORDER = 1, 2, 3
_Row = tuple[int, int, tlkit.Split | None]


def open_oxford_pets(ctx: tlkit.DatasetContext, options: PetsOptions) -> tlkit.SampleSet:
    """List the data set with its official splits: ``trainval`` trains, and validates where the copy has a ``val``.

    With ``splits = "none"`` no image has a split, and the images that stand in no list (41 as published) come too.

    Raises:
        DataError: the copy lacks a file, the target does not fit the task, or the download failed.
    """
    segmentation = options.target in ("trimap", "pet")
    if segmentation != (ctx.task == "segmentation"):
        fitting = "trimap or pet" if ctx.task == "segmentation" else "species or breed"
        raise tlkit.DataError(f'data.target: "{options.target}" is not for {ctx.task}; expected {fitting}')
    root = _downloaded() if options.path is None else existing_folder(options.path, "data.path")
    listed = _listed(root)
    if options.splits == "none":
        listed = {name: (*row[:2], None) for name, row in (listed | _unlisted(root, listed)).items()}
    images, trimaps = root / "images", root / "annotations" / "trimaps"
    classes: tuple[str, ...]
    table: tlkit.MaskTable | None = None
    if options.target == "trimap":
        classes, table = ("pet", "background", "border"), tlkit.MaskTable({_PET: 0, _BACKGROUND: 1, _BORDER: 2})
    elif options.target == "pet":
        border = {"ignore": tlkit.IGNORE, "pet": 0, "background": 1}[options.border]
        classes, table = ("pet", "background"), tlkit.MaskTable({_PET: 0, _BACKGROUND: 1, _BORDER: border})
    elif options.target == "species":
        classes = ("cat", "dog")
    else:
        classes = _breeds(listed)
    samples = []
    set_aside = []
    for name, (_, species, split) in listed.items():
        image = images / f"{name}.jpg"
        if not image.is_file():
            set_aside.append(tlkit.SetAside(f"images/{name}.jpg", "named in the lists, but not there"))
            continue
        if segmentation:
            mask = trimaps / f"{name}.png"
            if not mask.is_file():
                set_aside.append(tlkit.SetAside(f"annotations/trimaps/{name}.png", "no such trimap"))
                continue
            samples.append(tlkit.Sample(f"images/{name}.jpg", image, mask=mask, split=split))
        else:
            label = species - 1 if options.target == "species" else classes.index(_breed_name(name))
            samples.append(tlkit.Sample(f"images/{name}.jpg", image, label=label, split=split))
    return tlkit.SampleSet(
        samples=tuple(sorted(samples, key=lambda sample: sample.key)),
        classes=classes,
        mask_table=table,
        set_aside=tuple(set_aside),
        root=root.resolve(),
        colors={0: (230, 159, 0), 1: (0, 114, 178), 2: (204, 121, 167)} if segmentation else {},
    )


def _listed(root: Path) -> dict[str, _Row]:
    """Image name → (breed from 1, species 1 cat or 2 dog, split)."""
    folder = root / "annotations"
    splits: dict[str, tlkit.Split] = {}
    found: dict[str, _Row] = {}
    validation = (folder / "val.txt").is_file() and (folder / "train.txt").is_file()
    sources: list[tuple[str, tlkit.Split | None]]
    if validation:
        sources = [("train.txt", "train"), ("val.txt", "validation"), ("test.txt", "test")]
    else:
        sources = [("trainval.txt", None), ("test.txt", "test")]
    for name, split in sources:
        file = folder / name
        if not file.is_file():
            raise tlkit.DataError(
                f"data.path: {file.absolute()} is missing; expected the official layout: images/NAME.jpg, "
                "annotations/trimaps/NAME.png and annotations/trainval.txt, test.txt"
            )
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            parts = line.split()
            if not parts or parts[0].startswith("#"):
                continue
            if len(parts) != 4 or not all(part.isdigit() for part in parts[1:]):
                raise tlkit.DataError(f"{file}:{number}: expected NAME CLASS SPECIES BREED, received {line!r}")
            if parts[0] in splits or parts[0] in found:
                raise tlkit.DataError(f"{file}:{number}: {parts[0]} is in two splits")
            found[parts[0]] = (int(parts[1]), int(parts[2]), split)
    return found


def _unlisted(root: Path, listed: dict[str, _Row]) -> dict[str, _Row]:
    """The images that stand in no list, as images of their name's breed."""
    breeds = {_breed_name(name): (breed, species) for name, (breed, species, _) in listed.items()}
    names = sorted({file.stem for file in (root / "images").glob("*.jpg")} - set(listed))
    return {name: (*breeds[_breed_name(name)], None) for name in names if _breed_name(name) in breeds}


def _breed_name(name: str) -> str:
    return name.rsplit("_", 1)[0]


def _breeds(listed: dict[str, _Row]) -> tuple[str, ...]:
    number = {_breed_name(name): breed for name, (breed, _, _) in listed.items()}
    return tuple(sorted(number, key=lambda name: number[name]))


def _downloaded() -> Path:
    """The data set in the user's cache folder, downloaded and unpacked once."""
    cache = cache_folder("oxford_pets")
    for name, (archive, digest) in ARCHIVES.items():
        if not (cache / name).is_dir():
            file = tlkit.download(URL + archive, cache, archive, digest, what=f"Oxford-IIIT Pet, {name}")
            unpack(file, cache / name, name)
    return cache
