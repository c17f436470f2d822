"""The ZIP archive that a ``.keras`` file is: its entries, checked before anything is made of them."""

from __future__ import annotations

import struct
import zipfile
import zlib

from tlkit.models.allowed import NotAllowed

ENTRIES = {"metadata.json": 16_000_000, "config.json": 64_000_000, "model.weights.h5": 16_000_000_000}
"""What a ``.keras`` file consists of, and how many bytes each entry may have."""
DAMAGED = (OSError, EOFError, zipfile.BadZipFile, zlib.error, struct.error, ValueError, TypeError, KeyError)
"""What reading a damaged file raises."""


def check_entries(archive: zipfile.ZipFile) -> None:
    """Check that an archive has the entries of a Keras file, as Keras stores them.

    Raises:
        NotAllowed: it has others, or one is compressed, encrypted or too large.
    """
    entries = archive.infolist()
    if sorted(entry.filename for entry in entries) != sorted(ENTRIES):
        names = ", ".join(repr(entry.filename) for entry in entries[:8])
        raise NotAllowed(f"expected the entries {', '.join(ENTRIES)}, received {names}")
    for entry in entries:
        if entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size or entry.flag_bits & 1:
            raise NotAllowed(f"{entry.filename} is compressed or encrypted; expected it stored uncompressed")
        if entry.file_size > ENTRIES[entry.filename]:
            raise NotAllowed(
                f"{entry.filename} has {entry.file_size} bytes; expected at most {ENTRIES[entry.filename]}"
            )


def check_sums(archive: zipfile.ZipFile) -> None:
    """Compare every entry with its checksum, for a reader that does not read each to its end.

    Raises:
        BadZipFile: one does not match.
    """
    damaged = archive.testzip()
    if damaged is not None:
        raise zipfile.BadZipFile(f"the checksum of {damaged!r} does not match")
