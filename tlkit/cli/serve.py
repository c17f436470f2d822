"""``tlkit serve``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tlkit.cli.options import (
    PATH,
    FiniteRange,
    engine_option,
    memory_option,
    run_argument,
    sets_option,
    trust_option,
    unknown_option,
)
from tlkit.cli.session import Session

_FOLDER = click.Path(path_type=Path, file_okay=False)
_POSITIVE = FiniteRange(0, 1e6, min_open=True)


@click.command()
@run_argument
@click.option("--host", default="127.0.0.1", show_default=True, help="Listen at this address. 0.0.0.0: let others ask.")
@click.option("--port", type=click.IntRange(0, 65_535), default=8000, show_default=True, help="0: any that is free.")
@click.option(
    "--token",
    envvar="TLKIT_TOKEN",
    show_envvar=True,
    default="",
    help="Answer only who sends this token.  [default: one is made up if others than this machine can ask]",
)
@click.option("--keep", type=_FOLDER, metavar="FOLDER", help="Keep images and predictions here; else nothing is kept.")
@click.option("--watch", type=PATH, metavar="FOLDER", help="Also predict the images that appear in this folder.")
@click.option(
    "--watch-out",
    type=_FOLDER,
    metavar="FOLDER",
    help='Write their predictions here.  [default: "predictions" in that folder]',
)
@click.option("--max-megabytes", type=_POSITIVE, default=32.0, show_default=True, help="Of an image file.")
@click.option("--max-megapixels", type=_POSITIVE, default=50.0, show_default=True, help="Of an image.")
@click.option("--max-images", type=click.IntRange(1, 10_000), default=64, show_default=True, help="In a request.")
@click.option("--max-seconds", type=_POSITIVE, default=30.0, show_default=True, help="To send, and to answer.")
@click.option("--max-requests", type=click.IntRange(1, 10_000), default=64, show_default=True, help="At the same time.")
@unknown_option
@sets_option
@engine_option
@memory_option
@trust_option
@click.pass_obj
def serve(session: Session, /, run: Path, **given: Any) -> None:
    """Serve the model of a run folder, or a file that tlkit export wrote: a page and an API in JSON.

    Open the URL that is printed, and drop a photo on the page. Programs send images to POST /predict; /openapi.json
    describes the API. Ctrl-C stops the server. Needs some packages: pip install "tlkit[serve]"

    \b
    Examples:
      tlkit serve runs/photos-1
      curl -F image=@a.jpg http://127.0.0.1:8000/predict
      tlkit serve runs/photos-1 --host 0.0.0.0 --token "$(cat token.txt)"
      tlkit serve runs/photos-1/exports/model.onnx
      tlkit serve runs/photos-1 --unknown 0.05 --sets 0.9
      tlkit serve runs/photos-1 --watch incoming --watch-out predicted
    """
    from tlkit.cli.console import say
    from tlkit.jobs.predict import is_exported
    from tlkit.jobs.serve import ModelOptions, ServeOptions
    from tlkit.jobs.serve import serve as start
    from tlkit.serve.bounds import Bounds

    largest = {name.removeprefix("max_"): given.pop(name) for name in [*given] if name.startswith("max_")}
    registry = session.registry if session.trust or is_exported(run) else None
    model = ModelOptions(run, session.engine, dict(session.judged), session.trust, registry)
    start(model, Bounds(**largest), ServeOptions(**given), say)
