"""Choose the colours of classes: run as a script, print the table of ``tlkit/report/colors.py``.

The colour difference is CIEDE2000 (Sharma, Wu and Dalal 2005); dichromatic vision is simulated as by Machado, Oliveira
and Fernandes 2009, with severity 1.
"""

from __future__ import annotations

import numpy as np

VISIONS = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
"""Kind of colour vision → matrix for linear RGB."""
NEAR = 4
"""Class numbers that differ by this or less are near."""
_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
_WHITE = np.array([0.95047, 1.0, 1.08883])
_RARITY = np.array([1.0, 1.5, 1.5, 1.8])
"""What differences count for in each kind of vision: less is demanded where fewer people have it."""
_NEARNESS = 1.4
"""How much further apart near classes are."""


def lab(colors: np.ndarray, vision: str = "normal") -> np.ndarray:
    """Return sRGB colours (..., 3), 0-255, in CIELAB (D65), as someone with that vision sees them."""
    scaled = np.asarray(colors, np.float64) / 255
    linear = np.where(scaled <= 0.04045, scaled / 12.92, ((scaled + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.transpose(VISIONS[vision]), 0, 1)
    part = seen @ _XYZ.T / _WHITE
    cube = np.where(part > 216 / 24389, np.cbrt(part), (24389 / 27 * part + 16) / 116)
    x, y, z = np.moveaxis(cube, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -1)


def ciede2000(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the CIEDE2000 difference of CIELAB colours (..., 3)."""
    (l1, a1, b1), (l2, a2, b2) = np.moveaxis(one, -1, 0), np.moveaxis(other, -1, 0)
    mean_chroma = (np.hypot(a1, b1) + np.hypot(a2, b2)) / 2
    stretch = 1.5 - 0.5 * np.sqrt(mean_chroma**7 / (mean_chroma**7 + 25.0**7))
    a1, a2 = stretch * a1, stretch * a2
    c1, c2 = np.hypot(a1, b1), np.hypot(a2, b2)
    h1, h2 = np.degrees(np.arctan2(b1, a1)) % 360, np.degrees(np.arctan2(b2, a2)) % 360
    turn = np.where(c1 * c2 == 0, 0, (h2 - h1 + 180) % 360 - 180)
    hue = 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn / 2))
    light, c = (l1 + l2) / 2, (c1 + c2) / 2
    h = np.where(c1 * c2 == 0, h1 + h2, (h1 + turn / 2) % 360)
    t = (
        1
        - 0.17 * np.cos(np.radians(h - 30))
        + 0.24 * np.cos(np.radians(2 * h))
        + 0.32 * np.cos(np.radians(3 * h + 6))
        - 0.20 * np.cos(np.radians(4 * h - 63))
    )
    rotation = -2 * np.sqrt(c**7 / (c**7 + 25.0**7)) * np.sin(np.radians(60 * np.exp(-(((h - 275) / 25) ** 2))))
    lightness = (l2 - l1) / (1 + 0.015 * (light - 50) ** 2 / np.sqrt(20 + (light - 50) ** 2))
    chroma, hue = (c2 - c1) / (1 + 0.045 * c), hue / (1 + 0.015 * c * t)
    return np.sqrt(np.maximum(lightness**2 + chroma**2 + hue**2 + rotation * chroma * hue, 0))


def differences(colors: np.ndarray, vision: str) -> np.ndarray:
    """Return the difference of each two colours, float (N, N), with infinity on the diagonal."""
    seen = lab(colors, vision)
    table = ciede2000(seen[:, None], seen[None])
    np.fill_diagonal(table, np.inf)
    return table


def candidates() -> np.ndarray:
    """Return strong colours that are neither very dark nor very light, and far from grey, int (N, 3)."""
    steps = np.arange(0, 256, 17)
    colors = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(-1, 3)
    seen = lab(colors)
    strong = (seen[:, 0] > 28) & (seen[:, 0] < 93) & (np.hypot(seen[:, 1], seen[:, 2]) > 38)
    return colors[strong & (ciede2000(seen, lab(np.full(3, 128))) > 22)]


def chosen(count: int = 254) -> np.ndarray:
    """Return the colours of the table, int (count, 3)."""
    colors = candidates()
    table = np.stack([_RARITY[n] * differences(colors, vision) for n, vision in enumerate(VISIONS)]).min(0)
    first = int(np.abs(colors - (238, 153, 0)).sum(1).argmin())
    places = [first]
    for size, keeps in ((8, 1), (12, 3), (20, 12), (32, 20)):
        places = _exchanged(table, _extended(table, places, size), keeps)
    return colors[_extended(table, places, count)]


def _extended(table: np.ndarray, places: list[int], count: int) -> list[int]:
    """Add the colour that is farthest from those before it, until there are ``count``."""
    places = list(places)
    while len(places) < count:
        places.append(_farthest(table, dict(enumerate(places)), len(places)))
    return places


def _exchanged(table: np.ndarray, places: list[int], keeps: int) -> list[int]:
    """Exchange colours, the one nearest to another first, for those that are farther from all others."""
    places = list(places)
    for _ in range(30):
        before = list(places)
        for place in np.argsort([_distance(table, places, number) for number in range(len(places))]):
            if place >= keeps:
                others = {number: each for number, each in enumerate(places) if number != place}
                better = list(places)
                better[place] = _farthest(table, others, int(place))
                if _distance(table, better, place) > _distance(table, places, place) + 1e-4:
                    places = better
        if places == before:
            break
    return places


def _farthest(table: np.ndarray, others: dict[int, int], number: int) -> int:
    far = np.min([table[each] / (_NEARNESS if abs(at - number) <= NEAR else 1) for at, each in others.items()], axis=0)
    far[list(others.values())] = -1
    return int(far.argmax())


def _distance(table: np.ndarray, places: list[int], number: int) -> float:
    return min(
        table[each, places[number]] / (_NEARNESS if abs(at - number) <= NEAR else 1)
        for at, each in enumerate(places)
        if at != number
    )


if __name__ == "__main__":
    print(*("".join(f"{part // 17:x}" for part in color) for color in chosen().tolist()))
