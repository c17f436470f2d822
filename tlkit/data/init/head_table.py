"""The table ``[head]`` of a first recipe, and a warning where that head is heavy for its backbone."""

from __future__ import annotations

from tlkit.data.init.data_table import Choices, beside, comment_line

HEAVY_UNET = {"MobileNetV2": 10, "MobileNetV3Small": 40, "MobileNetV3Large": 13}
"""Name of a backbone → how often its operations the default decoder does, from ten times on; a slow test builds both.

The image size hardly matters: both are proportional to the number of pixels.
"""


def head_table(choices: Choices, *, segmentation: bool) -> str:
    """Return the table ``[head]`` as TOML, with a comment beside each choice."""
    if not segmentation:
        name = beside('name = "linear"', 'pooling, dropout and one dense layer; "mlp" adds hidden layers')
        dropout = beside("dropout = 0.2", "raise it if validation accuracy is far below training accuracy")
        return "\n".join(["[head]", name, dropout])
    lines = ["[head]", beside('name = "unet"', "a decoder with skip connections from the backbone")]
    if warning := heavy_head(choices, segmentation=True):
        lines.append(comment_line(f"{warning[0].upper()}{warning[1:]}."))
    return "\n".join(lines)


def heavy_head(choices: Choices, *, segmentation: bool) -> str:
    """Return a warning if the decoder does ten times the operations of the backbone; an empty text if not."""
    times = HEAVY_UNET.get(choices.backbone) if segmentation else None
    if times is None:
        return ""
    return (
        f"this decoder does {times} times the operations of {choices.backbone}: it decides how long an epoch takes; "
        'join = "add", convs = 1, output_stride = 2 or smaller filters make it lighter'
    )
