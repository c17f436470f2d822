"""Decoding images and masks of every kind, resizing them, and restoring predictions."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tlkit import IGNORE, DataError, MaskTable
from tlkit.data.images import decode, image_file
from tlkit.data.images.decode import decode_image, decode_to_size, fit_image, fit_mask, restore_mask
from tlkit.data.images.image_file import BadImageError
from tlkit.data.images.mask_decode import decode_mask

RED, GREEN, WHITE = (255, 0, 0), (0, 255, 0), (255, 255, 255)
NUMBERS = MaskTable({0: 0, 1: 1, 255: IGNORE})


def halves(width: int = 16, height: int = 8) -> Image.Image:
    """Red on the left, green on the right."""
    image = Image.new("RGB", (width, height), RED)
    image.paste(GREEN, (width // 2, 0, width, height))
    return image


def is_color(pixels: np.ndarray, color: tuple[int, int, int], tolerance: int = 4) -> bool:
    return bool((np.abs(pixels.astype(int) - color) <= tolerance).all())


@pytest.mark.parametrize("kind", ["PNG", "BMP", "GIF", "TIFF", "WEBP", "JPEG"])
def test_every_format_gives_its_rgb_pixels(tmp_path: Path, kind: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {"quality": 95, "subsampling": 0} if kind == "JPEG" else {}
    file = tmp_path / "image"
    halves().save(file, kind, **options)
    pixels = decode_image(file)
    assert pixels.dtype == np.uint8
    assert pixels.shape == (8, 16, 3)
    assert is_color(pixels[:, :8], RED)
    assert is_color(pixels[:, 8:], GREEN)


@pytest.mark.parametrize("name", ["a.JPG", "a.jpg", "a.tif", "a", "ü b.PNG"])
def test_the_content_decides_the_format_whatever_the_name_is(tmp_path: Path, name: str) -> None:
    halves().save(tmp_path / name, "PNG")
    assert decode_image(tmp_path / name)[0, 0].tolist() == list(RED)


def test_exif_orientation_is_honoured(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown rotated by 90 degrees clockwise
    halves().save(tmp_path / "a.jpg", quality=95, subsampling=0, exif=exif)
    pixels = decode_image(tmp_path / "a.jpg")
    assert pixels.shape == (16, 8, 3)
    assert is_color(pixels[:8], RED)
    assert is_color(pixels[8:], GREEN)


XMP = b'<x xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/>'


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_orientation_of_a_tiff_swaps_its_sides_once(tmp_path: Path, orientation: int) -> None:
    halves().save(tmp_path / "a.tif", tiffinfo={0x0112: orientation})
    pixels, size = decode_to_size(tmp_path / "a.tif", None, (16, 8), "stretch")
    assert size == (16, 8)
    first, second = (RED, GREEN) if orientation in (5, 6) else (GREEN, RED)
    assert is_color(pixels[:8], first)
    assert is_color(pixels[8:], second)
    np.testing.assert_array_equal(decode_image(tmp_path / "a.tif"), pixels)


def test_an_orientation_in_xmp_alone_gives_the_same_size_in_every_way(tmp_path: Path) -> None:
    halves().save(tmp_path / "a.tif", tiffinfo={700: XMP})  # Pillow 11.0 ignores it, 13 turns the image
    _, size = decode_to_size(tmp_path / "a.tif", None, (16, 8), "stretch")
    assert size == decode_image(tmp_path / "a.tif").shape[:2]


def test_cmyk_jpeg_becomes_rgb(tmp_path: Path) -> None:
    halves().convert("CMYK").save(tmp_path / "a.jpg", quality=95, subsampling=0)
    pixels = decode_image(tmp_path / "a.jpg")
    assert is_color(pixels[:, :7], RED, 8)
    assert is_color(pixels[:, 9:], GREEN, 8)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_grey_is_scaled_not_clipped(tmp_path: Path, kind: str) -> None:
    values = np.array([[0, 257 * 10, 257 * 100, 65535]], np.uint16)
    Image.fromarray(values).save(tmp_path / "a", kind)
    assert decode_image(tmp_path / "a")[0].tolist() == [[value] * 3 for value in (0, 10, 100, 255)]


def test_a_float_image_in_0_to_1_is_scaled_to_the_whole_range(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0.0, 0.2, 1.0]], np.float32)).save(tmp_path / "a.tif")
    assert decode_image(tmp_path / "a.tif")[0, :, 0].tolist() == [0, 51, 255]


def test_32_bit_integers_in_the_8_bit_range_stay(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 7, 255]], np.int32)).save(tmp_path / "a.tif")
    assert decode_image(tmp_path / "a.tif")[0, :, 0].tolist() == [0, 7, 255]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0, 500_000, 1_000_000], [0, 128, 255]),
        ([86, 192, 298], [0, 128, 255]),
        ([-5, -3, 0], [0, 102, 255]),
        ([-7, -7, -7], [0, 0, 0]),
    ],
)
def test_32_bit_integers_outside_the_8_bit_range_are_scaled_from_their_own_range(
    tmp_path: Path, values: list[int], expected: list[int]
) -> None:
    Image.fromarray(np.array([values], np.int32)).save(tmp_path / "a.tif")
    assert decode_image(tmp_path / "a.tif")[0, :, 0].tolist() == expected


def tiff_of_int16(values: list[int]) -> bytes:
    """Return a TIFF of one row of signed 16-bit integers, as scanners write it; Pillow can't write one."""
    entries = [(256, 3, len(values)), (257, 3, 1), (258, 3, 16), (259, 3, 1), (262, 3, 1), (273, 4, 8)]
    entries += [(277, 3, 1), (278, 3, 1), (279, 4, 2 * len(values)), (339, 3, 2)]
    pixels = struct.pack(f"<{len(values)}h", *values)
    directory = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in entries)
    return struct.pack("<2sHI", b"II", 42, 8 + len(pixels)) + pixels + struct.pack("<H", 10) + directory + bytes(4)


def test_signed_16_bit_integers_are_scaled_from_their_own_range(tmp_path: Path) -> None:
    (tmp_path / "ct.tif").write_bytes(tiff_of_int16([-256, 650, 1556]))
    assert decode_image(tmp_path / "ct.tif")[0, :, 0].tolist() == [0, 128, 255]


def test_values_that_are_not_finite_become_black_and_do_not_affect_the_others(tmp_path: Path) -> None:
    values = np.array([[np.nan, np.inf, -np.inf, 1000, 1100, 2000]], np.float32)
    Image.fromarray(values).save(tmp_path / "a.tif")
    assert decode_image(tmp_path / "a.tif")[0, :, 0].tolist() == [0, 0, 0, 0, 26, 255]
    Image.fromarray(np.array([[np.nan, np.inf]], np.float32)).save(tmp_path / "b.tif")
    assert not decode_image(tmp_path / "b.tif").any()


@pytest.mark.parametrize(("mode", "bright"), [("1", 1), ("L", 200)])
def test_grey_images_repeat_their_channel(tmp_path: Path, mode: str, bright: int) -> None:
    image = Image.new(mode, (4, 1), 0)
    image.putpixel((3, 0), bright)
    image.save(tmp_path / "a.png")
    expected = 255 if mode == "1" else bright
    assert decode_image(tmp_path / "a.png")[0].tolist() == [[0] * 3] * 3 + [[expected] * 3]


def test_transparent_pixels_are_blended_with_white(tmp_path: Path) -> None:
    rgba = Image.new("RGBA", (3, 1), (255, 0, 0, 255))
    rgba.putpixel((1, 0), (255, 0, 0, 0))
    rgba.putpixel((2, 0), (0, 0, 0, 51))
    rgba.save(tmp_path / "rgba.png")
    assert decode_image(tmp_path / "rgba.png")[0].tolist() == [list(RED), list(WHITE), [204] * 3]
    grey = Image.new("LA", (2, 1), (40, 255))
    grey.putpixel((1, 0), (40, 0))
    grey.save(tmp_path / "la.png")
    assert decode_image(tmp_path / "la.png")[0].tolist() == [[40] * 3, list(WHITE)]


@pytest.mark.parametrize("transparency", [1, bytes([255, 0])], ids=["index", "bytes"])
def test_a_transparent_palette_entry_is_blended_with_white(tmp_path: Path, transparency: int | bytes) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([*RED, *GREEN])
    image.putpixel((1, 0), 1)
    image.save(tmp_path / "a.png", transparency=transparency)
    assert decode_image(tmp_path / "a.png")[0].tolist() == [list(RED), list(WHITE)]


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "TIFF"])
def test_the_first_frame_of_an_animation_is_decoded(tmp_path: Path, kind: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    first, second = Image.new("RGB", (8, 8), RED), Image.new("RGB", (8, 8), GREEN)
    first.save(tmp_path / "a", kind, save_all=True, append_images=[second], **options)
    assert is_color(decode_image(tmp_path / "a"), RED, 1)


@pytest.mark.parametrize("shape", [(1, 1), (3000, 1), (1, 3000)])
def test_extreme_shapes_decode_and_fit(tmp_path: Path, shape: tuple[int, int]) -> None:
    Image.new("RGB", shape, RED).save(tmp_path / "a.png")
    for resize in ("stretch", "crop"):
        assert is_color(fit_image(decode_image(tmp_path / "a.png"), (32, 48), resize), RED, 0)  # type: ignore[arg-type]
    assert (fit_image(decode_image(tmp_path / "a.png"), (32, 48), "pad") == RED).all(-1).any()


def noise() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "WEBP", "TIFF"])
def test_a_truncated_file_is_an_error_that_names_it(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "cut.img"
    noise().save(file, kind)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(DataError, match=r"cut\.img"):
        decode_image(file)


@pytest.mark.parametrize(
    ("content", "reason"), [(b"", "empty"), (b"<html>not here</html>", "not an image"), (b"\0" * 64, "not an image")]
)
def test_a_file_that_is_not_an_image_is_an_error_with_the_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(DataError, match=rf"a\.jpg.*{reason}"):
        decode_image(tmp_path / "a.jpg")


def test_a_missing_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.jpg"):
        decode_image(tmp_path / "gone.jpg")


def test_a_header_that_claims_too_many_pixels_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    halves().save(tmp_path / "a.png")
    monkeypatch.setattr(image_file, "MAX_PIXELS", 100)
    with pytest.raises(DataError, match=r"16 x 8.*100"):
        decode_image(tmp_path / "a.png")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF"])
def test_damaged_bytes_raise_only_a_data_error(tmp_path: Path, kind: str) -> None:
    draw = random.Random(kind)
    exif = Image.Exif()
    exif[0x0112] = 6
    noise().save(tmp_path / "a", kind, **({"exif": exif} if kind in ("JPEG", "PNG", "WEBP") else {}))
    good = (tmp_path / "a").read_bytes()
    decoded = 0
    for _ in range(150):
        bad = bytearray(good)
        for _ in range(draw.randint(1, 8)):
            bad[min(len(bad) - 1, int(draw.expovariate(1 / 60)))] = draw.randrange(256)
        try:
            decoded += decode_image(tmp_path / "a", bytes(bad)).ndim == 3
        except DataError as error:
            assert str(tmp_path / "a") in str(error)
    assert decoded < 150


def palette_mask(values: list[int]) -> Image.Image:
    image = Image.new("P", (len(values), 1))
    image.putpalette([c for index in range(256) for c in (index, 255 - index, 0)])
    image.putdata(values)
    return image


def test_a_palette_mask_is_read_by_index(tmp_path: Path) -> None:
    palette_mask([0, 1, 255]).save(tmp_path / "m.png")
    mask = decode_mask(tmp_path / "m.png", NUMBERS)
    assert mask.dtype == np.uint8
    assert mask.tolist() == [[0, 1, IGNORE]]


def test_a_palette_mask_is_read_by_colour_if_the_table_has_colours(tmp_path: Path) -> None:
    palette_mask([0, 1, 255]).save(tmp_path / "m.png")
    table = MaskTable({(0, 255, 0): 2, (1, 254, 0): 0, (255, 0, 0): 1})
    assert decode_mask(tmp_path / "m.png", table).tolist() == [[2, 0, 1]]


def test_a_colour_mask_is_mapped_by_colour(tmp_path: Path) -> None:
    halves(4, 1).save(tmp_path / "m.png")
    assert decode_mask(tmp_path / "m.png", MaskTable({RED: 1, GREEN: IGNORE})).tolist() == [[1, 1, IGNORE, IGNORE]]


def test_a_16_bit_mask_keeps_its_values(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 1000, 65535]], np.uint16)).save(tmp_path / "m.png")
    assert decode_mask(tmp_path / "m.png", MaskTable({0: 0, 1000: 1, 65535: IGNORE})).tolist() == [[0, 1, IGNORE]]


def test_a_1_bit_mask_has_the_values_0_and_255(tmp_path: Path) -> None:
    image = Image.new("1", (2, 1), 0)
    image.putpixel((1, 0), 1)
    image.save(tmp_path / "m.png")
    assert decode_mask(tmp_path / "m.png", MaskTable({0: 0, 255: 1})).tolist() == [[0, 1]]


def test_a_grey_mask_saved_as_rgb_is_read_by_number(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 1]], np.uint8)).convert("RGB").save(tmp_path / "m.png")
    assert decode_mask(tmp_path / "m.png", NUMBERS).tolist() == [[0, 1]]


def problem(file: Path, table: MaskTable) -> str:
    """Return why the values of a mask can't be used, without the name of its file."""
    with pytest.raises(BadImageError) as caught:
        decode_mask(file, table)
    assert caught.value.kind == "mask_values"
    name, _, reason = str(caught.value).partition(": ")
    assert name == str(file)
    return reason


def test_a_colour_mask_with_a_table_of_numbers_is_refused_with_a_table_that_fits(tmp_path: Path) -> None:
    image = Image.new("RGB", (4, 1), RED)
    image.putpixel((0, 0), (0, 0, 0))
    image.save(tmp_path / "m.png")
    assert problem(tmp_path / "m.png", NUMBERS) == (
        "the mask has colours, but the table has numbers: #ff0000 (3 pixels), #000000 (1 pixel). For such masks, set "
        'data.values = { "#000000" = "background", "#ff0000" = "object" }'
    )


def test_colours_of_smoothed_edges_are_not_proposed_for_the_table(tmp_path: Path) -> None:
    image = Image.new("RGB", (200, 20), RED)
    image.paste(GREEN, (100, 0, 200, 20))
    image.paste((0, 0, 255), (0, 0, 50, 20))
    for number in range(10):
        image.putpixel((150, number), (0, 200 + number, 0))
    image.save(tmp_path / "m.png")
    reason = problem(tmp_path / "m.png", NUMBERS)
    assert '{ "#00ff00" = "background", "#0000ff" = "object 1", "#ff0000" = "object 2" }' in reason
    assert "nearest neighbour" in reason


def test_a_mask_of_more_than_8_bits_with_a_table_of_colours_is_refused_with_its_numbers(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 1000]], np.uint16)).save(tmp_path / "m.png")
    reason = problem(tmp_path / "m.png", MaskTable({RED: 1, (0, 0, 0): 0}))
    assert "0 (1 pixel), 1000 (1 pixel)" in reason
    assert '{ "0" = "background", "1000" = "object" }' in reason


@pytest.mark.parametrize(
    ("values", "listed"),
    [
        ([0, 0, 0.7], "0 (2 pixels), 0.7 (1 pixel)"),
        ([1, 1, np.inf], "1 (2 pixels), inf (1 pixel)"),
        ([0, 0, -1e30], "-1e+30"),
    ],
)
def test_a_float_mask_without_whole_numbers_is_refused_with_its_values(
    tmp_path: Path, values: list[float], listed: str
) -> None:
    Image.fromarray(np.array([values], np.float32)).save(tmp_path / "m.tif")
    assert listed in problem(tmp_path / "m.tif", MaskTable({0: 0, 1: 1}, default=1))


def test_a_float_mask_of_whole_numbers_is_read(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 1, 255]], np.float32)).save(tmp_path / "m.tif")
    assert decode_mask(tmp_path / "m.tif", NUMBERS).tolist() == [[0, 1, IGNORE]]


def smoothed_mask(grays: list[int], high: int) -> Image.Image:
    """Return a mask that is half 0 and half ``high``, with a few pixels between."""
    values = np.repeat(np.array([[0], [high]], np.uint8), 50, axis=1)
    values[0, : len(grays)] = grays
    return Image.fromarray(values)


@pytest.mark.parametrize(
    ("table", "maps"), [({0: 0, 1: 1}, True), ({0: 0, 255: 1}, False)], ids=["0 and 1", "0 and 255"]
)
def test_few_grey_values_between_others_are_explained_as_smoothed_edges(
    tmp_path: Path, table: dict[int, int], maps: bool
) -> None:
    smoothed_mask([64, 128], 255).save(tmp_path / "m.png")
    reason = problem(tmp_path / "m.png", MaskTable(table))
    assert "smoothed edges: save masks as PNG, and scale them with nearest neighbour" in reason
    assert ('"255" = "object"' in reason) == maps


@pytest.mark.parametrize("values", [[2] * 30, [7]], ids=["many pixels", "not between"])
def test_frequent_or_outlying_values_are_not_explained_as_smoothed(tmp_path: Path, values: list[int]) -> None:
    smoothed_mask(values, 5).save(tmp_path / "m.png")
    reason = problem(tmp_path / "m.png", MaskTable({0: 0, 5: 1}))
    assert "smoothed" not in reason
    assert reason.endswith("Add them to data.values or to data.ignore")


def test_unknown_palette_values_are_listed_as_indices_with_their_colours(tmp_path: Path) -> None:
    palette_mask([0, 0, 0, 15]).save(tmp_path / "m.png")
    reason = problem(tmp_path / "m.png", NUMBERS)
    assert "15 = #0ff000 (1 pixel)" in reason
    assert "indices of the mask's palette" in reason


def test_values_that_are_not_in_the_table_are_listed_with_counts_and_the_remedy(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 0, 0, 255]], np.uint8)).save(tmp_path / "m.png")
    with pytest.raises(DataError, match=r"m\.png.*255 \(1 pixel\).*data\.values"):
        decode_mask(tmp_path / "m.png", MaskTable({0: 0, 1: 1}))


def test_values_that_are_not_in_the_table_get_the_default(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 9]], np.uint8)).save(tmp_path / "m.png")
    assert decode_mask(tmp_path / "m.png", MaskTable({0: 0}, default=1)).tolist() == [[0, 1]]


def test_the_exif_orientation_of_a_mask_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.array([[0, 1]], np.uint8)).save(tmp_path / "m.png", exif=exif)
    assert decode_mask(tmp_path / "m.png", NUMBERS).tolist() == [[0], [1]]


@pytest.mark.parametrize("resize", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("original", [(40, 80), (80, 40), (64, 64), (7, 31)])
def test_an_image_and_its_mask_are_resized_alike(resize: str, original: tuple[int, int]) -> None:
    mask = np.zeros(original, np.uint8)
    mask[: original[0] // 2, original[1] // 3 :] = 1
    image = np.repeat(mask[:, :, None] * 200 + 55, 3, axis=2).astype(np.uint8)
    small, small_mask = fit_image(image, (32, 32), resize), fit_mask(mask, (32, 32), resize)  # type: ignore[arg-type]
    assert small.shape == (32, 32, 3)
    assert small_mask.shape == (32, 32)
    assert set(np.unique(small_mask)) <= {0, 1, IGNORE}
    assert ((small_mask == IGNORE) == (small[..., 0] == 0)).all()
    plain = (small[..., 0] == 55) | (small[..., 0] == 255)
    assert (small_mask[plain] == (small[..., 0][plain] == 255)).all()


def test_pad_keeps_the_aspect_ratio_and_crop_takes_the_centre() -> None:
    image = np.asarray(halves(40, 20))
    padded = fit_image(image, (20, 20), "pad")
    assert (padded[5:15] != 0).any(-1).all()
    assert (padded[:5] == 0).all()
    assert (padded[15:] == 0).all()
    mask = np.repeat(np.arange(40, dtype=np.uint8)[None], 20, axis=0)
    assert fit_mask(mask, (20, 20), "crop")[0].tolist() == list(range(10, 30))


def test_downscaling_is_antialiased() -> None:
    checks = np.indices((64, 64)).sum(0) % 2 * 255
    image = np.repeat(checks[:, :, None], 3, axis=2).astype(np.uint8)
    inside = fit_image(image, (8, 8), "stretch")[1:-1, 1:-1]
    assert is_color(inside, (127, 127, 127), 3)


@pytest.mark.parametrize("resize", ["stretch", "pad", "crop"])
@pytest.mark.parametrize("original", [(48, 96), (97, 51), (64, 64)])
def test_a_restored_mask_covers_the_original(resize: str, original: tuple[int, int]) -> None:
    h, w = original
    mask = np.zeros(original, np.uint8)
    mask[h // 4 : -h // 4, w // 4 : -w // 4] = 1
    model_mask = fit_mask(mask, (128, 128), resize)  # type: ignore[arg-type]
    restored = restore_mask(model_mask, original, resize)  # type: ignore[arg-type]
    assert restored.shape == original
    side = min(h, w) // 2
    seen = (slice(h // 2 - side, h // 2 + side), slice(w // 2 - side, w // 2 + side))
    region = seen if resize == "crop" else (slice(None), slice(None))
    assert (restored[region] == mask[region]).mean() > 0.97


def test_restored_probabilities_keep_their_channels() -> None:
    probabilities = np.zeros((16, 16, 2), np.float32)
    probabilities[:, 8:, 1] = 1
    probabilities[..., 0] = 1 - probabilities[..., 1]
    restored = restore_mask(probabilities, (30, 60), "stretch")
    assert restored.shape == (30, 60, 2)
    assert np.allclose(restored.sum(-1), 1, atol=1e-5)
    assert restored[:, 0, 0].tolist() == [1.0] * 30
    assert restored[:, -1, 1].tolist() == [1.0] * 30


def smooth(width: int, height: int) -> Image.Image:
    """Return an image like a photograph: structures larger than a few pixels, with an edge."""
    y, x = np.mgrid[:height, :width]
    pixels = np.stack([x * 255 / width, y * 255 / height, 128 + 100 * np.sin(x / 40) * np.cos(y / 30)], -1)
    pixels[height // 3 : height // 2, width // 4 : width // 3] = 20
    return Image.fromarray(pixels.astype(np.uint8))


@pytest.mark.parametrize("resize", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_a_jpeg_scaled_while_decoding_is_close_to_the_resized_image(
    tmp_path: Path, resize: str, orientation: int
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = tmp_path / "a.jpg"
    smooth(1201, 803).save(file, quality=95, exif=exif)
    ours, size = decode_to_size(file, None, (100, 80), resize)
    whole = decode_image(file)
    assert size == whole.shape[:2]
    assert np.abs(ours.astype(int) - fit_image(whole, (100, 80), resize)).mean() < 1.5


@pytest.mark.parametrize(("side", "height"), [(37, 75), (38, 150), (75, 150), (76, 300), (150, 300), (151, 600)])
def test_scaling_while_decoding_leaves_twice_the_pixels_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, side: int, height: int
) -> None:
    smooth(800, 600).save(tmp_path / "a.jpg")
    seen = []
    fit = decode._fitted
    monkeypatch.setattr(decode, "_fitted", lambda image, *rest: seen.append(image.size) or fit(image, *rest))
    decode_to_size(tmp_path / "a.jpg", None, (side, side), "stretch")
    assert seen == [(height * 4 // 3, height)]


def test_a_png_is_not_scaled_while_decoding(tmp_path: Path) -> None:
    smooth(400, 300).save(tmp_path / "a.png")
    ours, size = decode_to_size(tmp_path / "a.png", None, (20, 20), "stretch")
    assert size == (300, 400)
    np.testing.assert_array_equal(ours, fit_image(decode_image(tmp_path / "a.png"), (20, 20), "stretch"))
