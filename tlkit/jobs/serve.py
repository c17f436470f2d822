"""``tlkit serve``: open a trained model, and answer requests with it."""

from __future__ import annotations

import re
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tlkit.errors import DataError
from tlkit.evaluation.engine_option import EngineOption
from tlkit.runs.folder import RunFolder

if TYPE_CHECKING:
    from tlkit.evaluation.predictor import Predictor
    from tlkit.registry import Registry
    from tlkit.serve.app import Served
    from tlkit.serve.bounds import Bounds
    from tlkit.serve.watching import Watching

_PACKAGES = {
    "fastapi": "fastapi",
    "uvicorn": "uvicorn",
    "prometheus_client": "prometheus-client",
    "python_multipart": "python-multipart",
}
"""Module → the distribution that has it; all are in the extra ``serve``."""
TOKEN = re.compile("[^\x00-\x20\x7f-\xa0\ud800-\udfff]*")
"""What a client can send in a header: spaces around a header are cut off."""
SETS = 0.9
"""The level of the sets of labels that are given where the run has what they take."""


@dataclass(frozen=True)
class ServeOptions:
    """How a model is served.

    Args:
        host: the address to listen at.
        port: the port; 0 for any that is free.
        token: what clients must send; empty: nothing, unless others than this machine can ask; then one is made up.
        keep: the folder where images and predictions are kept; None: nothing is written.
        watch: a folder whose images are predicted as they appear; None: none is.
        watch_out: where these predictions are written; None: ``predictions`` in that folder.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    token: str = ""
    keep: Path | None = None
    watch: Path | None = None
    watch_out: Path | None = None


@dataclass(frozen=True)
class ModelOptions:
    """Which model is served, and how it is loaded.

    Args:
        path: the run folder, or a file that ``export`` wrote.
        engine: as of ``load``.
        judged: the values of ``--unknown`` and ``--sets``, if they were given.
        trust: as of ``load``.
        registry: as of ``load``.
    """

    path: Path
    engine: EngineOption = "auto"
    judged: dict[str, float] = field(default_factory=dict)
    trust: bool = False
    registry: Registry | None = None


def serve(model: ModelOptions, bounds: Bounds, options: ServeOptions, say: Callable[[str], None]) -> None:
    """Answer requests with a model until the process is asked to stop.

    Args:
        model: the model.
        bounds: what is taken at most.
        options: where and how.
        say: called with the URL, and with what the user should know.

    Raises:
        DataError: a package is missing, or the address, a folder or an option is not one that can be used.
        RunError: this is not the folder of a finished run, or it is damaged, or its model can't be run.
    """
    check_packages()
    from tlkit.serve.app import make_app
    from tlkit.serve.guard import Access, is_loopback
    from tlkit.serve.server import answer, listen, url_of

    if not TOKEN.fullmatch(options.token):
        raise DataError("--token: has spaces, or characters that no header can have; expected letters and digits")
    listening = listen(options.host, options.port)
    with listening:
        local = is_loopback(options.host)
        token = options.token or ("" if local else secrets.token_urlsafe(24))
        opened, levels = open_model(model, say)
        served = made(opened, levels, model, bounds, options, say)
        watching = _watching(served, model, options, say)
        try:
            served.workers.start()
            if watching is not None:
                watching.start()
            say(f"Serving {opened.card.name} by {opened.engine}: {_shown_url(url_of(listening), token)}")
            if not local:
                say("note: nothing is encrypted; on an open network put a server with TLS in front of it")
            answer(make_app(served, Access(token, local=local)), listening, bounds.seconds)
        finally:
            if watching is not None:
                watching.close()
            served.workers.close()
            if served.explaining is not None:
                served.explaining.close()
    say("Stopped.")


def check_packages() -> None:
    """Check that the packages of the extra are installed.

    Raises:
        DataError: one is missing.
    """
    for module, package in _PACKAGES.items():
        try:
            import_module(module)
        except ImportError as error:
            raise DataError(
                f'tlkit serve needs the package {package}, which is not installed: pip install "tlkit[serve]"'
            ) from error


def open_model(model: ModelOptions, say: Callable[[str], None]) -> tuple[Predictor, dict[str, float]]:
    """Return the model, and the values of ``--unknown`` and ``--sets`` in force.

    Sets of labels are given unasked where the run has what they take: they cost nothing.
    """
    from tlkit.jobs.predict import load

    path = model.path
    levels: dict[str, Any] = dict(model.judged)
    opening = partial(load, path, trust=model.trust, registry=model.registry, engine=model.engine)
    if path.is_dir() and not levels and RunFolder(path).limits.is_file():
        levels = {"sets": SETS}
        try:
            predictor = opening(sets=SETS)
        except DataError as error:
            say(f"note: without sets of labels: {error}")
            levels = {}
            predictor = opening()
    else:
        predictor = opening(**levels)
    for note in predictor.notes:
        say(f"note: {note}")
    return predictor, levels


def made(
    opened: Predictor,
    levels: dict[str, float],
    model: ModelOptions,
    bounds: Bounds,
    options: ServeOptions,
    say: Callable[[str], None],
) -> Served:
    """Return what answers the requests; its workers are not started."""
    from importlib.metadata import version

    from tlkit.jobs.explain import open_explainer
    from tlkit.jobs.predict import is_exported
    from tlkit.serve.app import Served
    from tlkit.serve.explaining import Explaining
    from tlkit.serve.keeping import Keeping, made_folder
    from tlkit.serve.measures import Measures
    from tlkit.serve.workers import Workers

    measures = Measures(version("tlkit"), opened.card.task)
    explaining = None
    if not is_exported(model.path):
        load = partial(open_explainer, model.path, method="grad-cam", trust=model.trust, registry=model.registry)
        explaining = Explaining(load, opened.card, bounds)
    keeping = None if options.keep is None else Keeping(made_folder(options.keep, "--keep"), say)
    workers = Workers(opened, bounds.pixels, measures.together)
    return Served(workers, bounds, measures, explaining, keeping, levels)


def _watching(
    served: Served, model: ModelOptions, options: ServeOptions, say: Callable[[str], None]
) -> Watching | None:
    if options.watch is None:
        if options.watch_out is not None:
            raise DataError("--watch-out: is for what --watch predicts; expected --watch FOLDER as well")
        return None
    from tlkit.serve.keeping import made_folder
    from tlkit.serve.watching import Watched, Watching

    if not options.watch.is_dir():
        raise DataError(f"--watch {options.watch}: no such folder; make it first, or name another")
    out = options.watch_out or options.watch / "predictions"
    if options.watch.resolve().is_relative_to(out.resolve()):
        raise DataError(
            f"--watch-out {out}: holds the watched folder {options.watch}, whose images would be taken for "
            "predictions; expected another folder, or one inside it"
        )
    made_folder(out, "--watch-out")
    watched = Watched(options.watch, out, str(model.path.resolve()))
    return Watching(watched, served.workers, say, lambda: served.measures.image("watched"))


def _shown_url(url: str, token: str) -> str:
    for anywhere in ("//0.0.0.0:", "//[::]:"):
        url = url.replace(anywhere, f"//{socket.gethostname()}:")
    return f"{url}/#token={quote(token, safe='')}" if token else url
