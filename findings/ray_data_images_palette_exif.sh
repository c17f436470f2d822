#!/bin/sh
# ray.data.read_images gives the numbers of the palette, not the colours, of a PNG or GIF with a palette, as an array without
# channels; and it ignores the orientation that EXIF states, so that photos of a phone lie on their side, with height and width
# exchanged. Neither is mentioned where the function is documented. mode="RGB" mends the first, nothing the second: decode the
# files of read_binary_files yourself. Seen with Ray 2.60.0 and Pillow 12.0.0.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "ray[data]==2.60.0" "pillow==12.0.0"
cd "$folder"
cat > images.py <<'PYTHON'
import sys
from importlib.metadata import version
from pathlib import Path

import ray
from PIL import Image, ImageOps

ORIENTATION, TURNED = 0x0112, 6
Path("palette").mkdir()
Path("turned").mkdir()
Image.new("RGB", (6, 4), (200, 30, 40)).quantize(4).save("palette/red.png")
photo = Image.new("RGB", (6, 4), (200, 30, 40))
exif = photo.getexif()
exif[ORIENTATION] = TURNED
photo.save("turned/photo.jpg", exif=exif)

ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
plain = ray.data.read_images("palette").take_all()[0]["image"]
colours = ray.data.read_images("palette", mode="RGB").take_all()[0]["image"]
turned = ray.data.read_images("turned", mode="RGB").take_all()[0]["image"]
viewer = ImageOps.exif_transpose(Image.open("turned/photo.jpg")).size[::-1]
print("Ray", version("ray"), "Pillow", version("pillow"))
print("expected of a red PNG with a palette: (4, 6, 3), [200 30 40]")
print("seen:", plain.shape, plain[0, 0], 'with mode="RGB":', colours.shape, colours[0, 0])
print(f"expected of a photo that EXIF turns: height and width {viewer}, as a viewer shows it")
print("seen:", turned.shape[:2])
changed = plain.ndim != 2 or colours.shape != (4, 6, 3) or turned.shape[:2] != (4, 6) or viewer != (6, 4)
sys.exit(1 if changed else 0)
PYTHON
RAY_USAGE_STATS_ENABLED=0 venv/bin/python images.py 2> /dev/null
