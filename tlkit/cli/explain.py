"""``tlkit explain``."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tlkit.cli.options import files_argument, memory_option, overwrite_option, run_argument, trust_option
from tlkit.cli.session import Session

if TYPE_CHECKING:
    from tlkit.jobs.explain import Drawn


@click.command()
@run_argument
@files_argument
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    metavar="FOLDER",
    help="Write a picture of each image, and explain.csv, to this folder.",
)
@click.option("--class", "class_name", metavar="NAME", help="The class to explain.  [default: the predicted one]")
@click.option(
    "--method",
    type=click.Choice(["both", "grad-cam", "occlusion"]),
    default="both",
    show_default=True,
    help="Grad-CAM takes a moment; occlusion takes a hundred times as long, and trusts no gradient.",
)
@click.option(
    "--layer",
    metavar="NAME",
    help="Explain the feature map of this layer by Grad-CAM; tlkit inspect RUN --layers lists them.  "
    "[default: the last one before pooling or logits]",
)
@memory_option
@overwrite_option
@trust_option
@click.pass_obj
def explain(
    session: Session,
    run: Path,
    files: tuple[Path, ...],
    out: Path,
    class_name: str | None,
    method: Any,
    layer: str | None,
) -> None:
    """Draw where the model of the run folder RUN looks in images.

    Two heat maps over each image show what speaks for its class. Grad-CAM asks the gradient of the class; occlusion
    covers a part of the image at a time and asks the model again. Where both agree, they can be believed.

    \b
    Examples:
      tlkit explain runs/photos-1 a.jpg b.jpg --out explained
      tlkit explain runs/photos-1 new_photos --method grad-cam --out explained
      tlkit explain runs/pets_seg-1 a.jpg --class pet --layer head_stride8_conv2_relu --out explained
    """
    from tlkit.cli.console import messages_console, progress_bars, say
    from tlkit.errors import DataError
    from tlkit.evaluation.found_images import find_images
    from tlkit.jobs.explain import TABLE, explain_to_files, open_explainer, picture_files

    images = find_images(files)
    picture_files(images, out, overwrite=session.overwrite)  # before the model is loaded
    registry = session.registry if session.trust else None
    messages = messages_console()
    reasons: list[str] = []

    def failed(reason: str) -> None:
        reasons.append(reason)
        messages.print(f"set aside: {reason}", style="yellow")

    with progress_bars(messages) as progress:
        explainer = open_explainer(
            run, class_name=class_name, layer=layer, method=method, trust=session.trust, registry=registry
        )
        drawn = list(
            explain_to_files(
                explainer,
                images,
                out,
                overwrite=session.overwrite,
                failed=failed,
                progress=progress,
            )
        )
    if not drawn:
        raise DataError("no image could be explained")
    _print_table(drawn)
    aside = f"; {len(reasons)} set aside" if reasons else ""
    say(f"{len(drawn)} image{'' if len(drawn) == 1 else 's'} explained{aside}: pictures and {TABLE} in {out}")


def _print_table(drawn: list[Drawn]) -> None:
    from rich.table import Table
    from rich.text import Text

    from tlkit.cli.console import tables_console
    from tlkit.system.visible import visible_line

    table = Table()
    for name in ("file", "class", "probability", "rank correlation", "overlap of the hottest fifth"):
        table.add_column(name, overflow="fold", justify="left" if name in ("file", "class") else "right")
    for each in drawn:
        found = each.maps.agreement
        numbers = ["–", "–"]
        if found is not None and not math.isnan(found.rank_correlation):
            numbers = [f"{found.rank_correlation:.2f}", f"{found.overlap:.0%}"]
        cells = [visible_line(each.name), visible_line(each.maps.class_name), f"{each.maps.probability:.4f}", *numbers]
        table.add_row(*map(Text, cells))
    tables_console(width=10_000).print(table)
