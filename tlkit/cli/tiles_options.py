"""``--tiles`` and ``--overlap`` of ``tlkit predict``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from tlkit.cli.session import Session

if TYPE_CHECKING:
    from tlkit.evaluation.predictor import Predictor
    from tlkit.evaluation.tiled import TiledPredictor

_MODEL = "model"


@dataclass(frozen=True)
class TilesAsked:
    """The tiles that a user asks for.

    Args:
        size: pixels of a tile's longer side; None: those of the model's images.
        overlap: pixels that neighbours share; None: an eighth of a tile.
    """

    size: int | None
    overlap: int | None

    def of(self, predictor: Predictor, batch_size: int) -> TiledPredictor:
        """Return what predicts pictures in these tiles.

        Raises:
            DataError: they are too large, or their overlap is not smaller.
        """
        from tlkit.jobs.tiles import in_tiles

        return in_tiles(predictor, self.size, self.overlap, batch_size=batch_size)


def tiles_asked(session: Session) -> TilesAsked | None:
    """Return the tiles that the options ask for; None if pictures are predicted whole.

    Raises:
        click.UsageError: there is an overlap of no tiles, or something else is asked that is said of whole pictures.
    """
    if session.tiles is None:
        if session.overlap is not None:
            raise click.UsageError("--overlap is for --tiles, which is missing")
        return None
    if session.judged:
        raise click.UsageError(f"--{next(iter(session.judged))} is for whole pictures; it can't go with --tiles")
    return TilesAsked(None if isinstance(session.tiles, str) else session.tiles, session.overlap)


def _set_tiles(ctx: click.Context, _parameter: click.Parameter, value: str | None) -> None:
    if value is None:
        return
    if value != _MODEL and not (value.isdecimal() and int(value)):
        raise click.BadParameter(f"expected a number of pixels, such as 512, or {_MODEL}; received {value!r}")
    ctx.ensure_object(Session).tiles = value if value == _MODEL else int(value)


def _set_overlap(ctx: click.Context, _parameter: click.Parameter, value: int | None) -> None:
    ctx.ensure_object(Session).overlap = value


tiles_option = click.option(
    "--tiles",
    callback=_set_tiles,
    expose_value=False,
    metavar="N|model",
    help="Predict pictures that are larger than the model's images in tiles of N x N pixels, each resized to the "
    "model's image size, or of that size itself: model. A TIFF with tiles or strips is read part by part.",
)
"""``--tiles``, for verbs that predict pictures."""

overlap_option = click.option(
    "--overlap",
    type=click.IntRange(min=0),
    callback=_set_overlap,
    expose_value=False,
    metavar="N",
    help="Have neighbouring tiles share N pixels, in the middle of which one fades into the other.  "
    "[default: an eighth of a tile]",
)
"""``--overlap``, for verbs that predict pictures."""
