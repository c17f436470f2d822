#!/bin/sh
# A grey PNG file of 2 or 4 bits per pixel may name one grey value that is transparent (the chunk tRNS).
# Pillow scales the pixels to 8 bits, by 85 or 17, but not that value: it compares the scaled pixels with the unscaled value,
# so the transparent pixels come out opaque, and without a warning. With 1 and 8 bits they are transparent. Seen with Pillow
# 12.3 and 13.0; not reported as far as we know.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "pillow==13.0.0"
cd "$folder"
cat > transparency.py <<'PYTHON'
import io
import struct
import sys
import zlib

import PIL
from PIL import Image


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def grey_png(bits, values, transparent):
    """Return a PNG file of one row of grey values, of which one is transparent."""
    row = 0
    for value in values:
        row = row << bits | value
    padding = -(len(values) * bits) % 8
    data = (row << padding).to_bytes((len(values) * bits + padding) // 8, "big")
    parts = [
        chunk(b"IHDR", struct.pack(">IIBBBBB", len(values), 1, bits, 0, 0, 0, 0)),
        chunk(b"tRNS", struct.pack(">H", transparent)),
        chunk(b"IDAT", zlib.compress(b"\0" + data)),
        chunk(b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def opacity(bits, values):
    """Return the alpha values that Pillow gives where grey value 1 is transparent."""
    with Image.open(io.BytesIO(grey_png(bits, values, 1))) as image:
        return list(image.convert("RGBA").getchannel("A").tobytes())


seen = {bits: opacity(bits, [0, 1, 2, 3] if bits > 1 else [0, 1]) for bits in (1, 2, 4, 8)}
print("Pillow", PIL.__version__)
print("expected: the second pixel, of grey value 1, has alpha 0 with every number of bits")
for bits, alpha in seen.items():
    print(f"seen: {bits} bits per pixel: alpha {alpha}")
changed = seen[2][1] == 0 or seen[4][1] == 0 or seen[1][1] != 0 or seen[8][1] != 0
sys.exit(1 if changed else 0)
PYTHON
venv/bin/python transparency.py
