"""The API and the page: which request gets which answer."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from concurrent.futures import Future
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.params import Security
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp

from tlkit.errors import DataError, TlkitError
from tlkit.evaluation.prediction import Prediction
from tlkit.report.colors import background_class
from tlkit.report.mask_files import class_mask_png
from tlkit.report.prediction_values import prediction_values
from tlkit.serve.bodies import BUSY_SECONDS, Body, Room, SentImage
from tlkit.serve.bounds import Bounds
from tlkit.serve.documented import BODY, Answers, Explained, Health, Model, problems
from tlkit.serve.explaining import Explaining
from tlkit.serve.guard import Access, Guard
from tlkit.serve.keeping import Keeping
from tlkit.serve.measures import Measures
from tlkit.serve.problems import JsonAnswer, RefusedError
from tlkit.serve.workers import Workers

_PAGE = Path(__file__).parent / "page"
_KINDS = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


@dataclass(frozen=True)
class Served:
    """What a server answers with.

    Args:
        workers: predict the images.
        bounds: what it takes at most.
        measures: where requests and images are counted.
        explaining: draws where the model looks; None if it can't.
        keeping: keeps images and answers; None: nothing is written.
        levels: the values of ``--unknown`` and ``--sets`` that are in force.
    """

    workers: Workers
    bounds: Bounds
    measures: Measures
    explaining: Explaining | None = None
    keeping: Keeping | None = None
    levels: dict[str, float] = field(default_factory=dict)


def make_app(served: Served, access: Access) -> ASGIApp:
    """Return the application that answers all requests."""
    return Guard(_Api(served, secured=bool(access.token)).made(), access, served.bounds, served.measures)


class _Route(APIRoute):
    """Calls a function of a request at once where the request has no options: reading none takes FastAPI as long as
    reading the image."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers a request."""
        with_options = super().get_route_handler()
        endpoint: Callable[[Request], Coroutine[Any, Any, Response]] = self.endpoint

        async def answer(request: Request) -> Response:
            return await (with_options if request.scope["query_string"] else endpoint)(request)

        return answer


class _Api:
    def __init__(self, served: Served, *, secured: bool) -> None:
        self._served = served
        self._room = Room(served.bounds.waiting_bytes)
        self._secured = secured

    def made(self) -> FastAPI:
        app = FastAPI(
            title="tlkit serve",
            version=version("tlkit"),
            description="Predictions of a trained model.",
            docs_url=None,
            redoc_url=None,
            dependencies=[Security(HTTPBearer(auto_error=False))] if self._secured else [],
        )
        working = problems(400, 408, 413, 415, 422, 429, 503)
        options: dict[str, Any] = {"openapi_extra": BODY, "methods": ["POST"], "route_class_override": _Route}
        options["responses"] = working
        predicting = {"response_model": Answers, "summary": "Predict one image or several", **options}
        app.router.add_api_route("/predict", self.predict, **predicting)
        options["responses"] = {**working, **problems(404)}
        explaining = {"response_model": Explained, "summary": "Draw where the model looks", **options}
        app.router.add_api_route("/explain", self.explain, **explaining)
        app.get("/model", response_model=Model, summary="Describe the model", responses=problems())(self.model)
        app.get("/health", response_model=Health, summary="Say that the server answers", responses=problems(403))(
            self.health
        )
        app.get(
            "/metrics",
            response_class=Response,
            summary="Return numbers for Prometheus",
            responses={**problems(), 200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
        )(self.metrics)
        app.get("/", include_in_schema=False)(_page_file("index.html"))
        for file in sorted(_PAGE.iterdir()):
            app.get(f"/page/{file.name}", include_in_schema=False)(_page_file(file.name))
        app.exception_handler(RefusedError)(_refused)
        app.exception_handler(HTTPException)(_http)
        app.exception_handler(RequestValidationError)(_invalid)
        app.exception_handler(Exception)(_bug)
        return app

    async def predict(
        self,
        request: Request,
        top: Annotated[int | None, Query(ge=1, le=100_000, description="only the most probable classes")] = None,
        mask: Annotated[bool, Query(description="segmentation: also return the masks")] = False,
    ) -> Response:
        """Predict the images of a request."""
        async with self._images(request) as images:
            predictions = await self._predictions(images)
            values = [self._values(*each, top=top) for each in zip(images, predictions, strict=True)]
            if all(each.error is not None for each in predictions):
                raise RefusedError(422, "; ".join(str(each.error) for each in predictions[:3]))
            if mask:
                await asyncio.to_thread(self._add_masks, values, predictions)
            if self._served.keeping is not None:
                await asyncio.to_thread(self._served.keeping.keep, images, values)
        return JsonAnswer({"predictions": values})

    async def explain(
        self,
        request: Request,
        class_name: Annotated[
            str | None, Query(alias="class", max_length=1000, description="the class; by default the predicted one")
        ] = None,
    ) -> Response:
        """Draw where the model looks in the image of a request."""
        if self._served.explaining is None:
            raise RefusedError(404, "this server explains nothing: Grad-CAM takes a run folder, not an exported file")
        async with self._images(request) as images:
            if len(images) != 1:
                raise RefusedError(422, f"expected one image, received {len(images)}")
            try:
                drawn = await self._served.explaining.picture(images[0], class_name)
            except DataError as error:
                raise RefusedError(422, str(error)) from error
            except TlkitError as error:
                raise RefusedError(503, str(error), wait=60) from error
        self._served.measures.image("explained")
        return JsonAnswer(drawn)

    async def model(self) -> Response:
        """Describe the model."""
        served, predictor = self._served, self._served.workers.predictor
        card, bounds = predictor.card, served.bounds
        background = background_class(card.classes) if card.task == "segmentation" else None
        described = Model(
            name=card.name,
            task=card.task,
            label_kind=card.label_kind,
            classes=list(card.classes),
            colors=[list(each) for each in card.colors],
            image_size=list(card.image_size),
            resize=card.resize,
            orientation=card.orientation,
            engine=predictor.engine,
            version=version("tlkit"),
            unknown=served.levels.get("unknown"),
            set=served.levels.get("sets"),
            background=None if background is None else card.classes[background],
            explain=served.explaining is not None,
            limits={name: getattr(bounds, name) for name in _LIMITS},
        )
        return JsonAnswer(described.model_dump())

    async def health(self) -> Response:
        """Say that the server answers."""
        return JsonAnswer({"status": "ok"})

    async def metrics(self) -> Response:
        """Return the numbers for Prometheus."""
        return Response(self._served.measures.text(), media_type=self._served.measures.content_type)

    @asynccontextmanager
    async def _images(self, request: Request) -> AsyncIterator[list[SentImage]]:
        body = Body(request, self._served.bounds, self._room)
        try:
            yield await body.images()
        finally:
            body.close()

    async def _predictions(self, images: Sequence[SentImage]) -> list[Prediction]:
        jobs: list[Future[Prediction]] = [self._served.workers.submit(each) for each in images]
        seconds = self._served.bounds.seconds
        try:
            async with asyncio.timeout(seconds):
                predictions = list(await asyncio.gather(*map(asyncio.wrap_future, jobs)))
        except TimeoutError as error:
            raise RefusedError(503, f"the images were not predicted after {seconds:g} s", wait=BUSY_SECONDS) from error
        except TlkitError as error:
            raise RefusedError(503, str(error), wait=60) from error
        finally:
            for job in jobs:
                job.cancel()
        for each in predictions:
            self._served.measures.image("predicted" if each.error is None else "refused")
        return predictions

    def _values(self, image: SentImage, prediction: Prediction, *, top: int | None) -> dict[str, Any]:
        predictor = self._served.workers.predictor
        values = prediction_values(image.name, prediction, predictor.card, top, predictor.columns)
        return {"name": values.pop("path"), **values}

    def _add_masks(self, values: list[dict[str, Any]], predictions: list[Prediction]) -> None:
        card = self._served.workers.predictor.card
        for each, prediction in zip(values, predictions, strict=True):
            if prediction.mask is not None:
                content = class_mask_png(prediction.mask, card.colors, background_class(card.classes))
                each["mask"] = base64.b64encode(content).decode("ascii")


_LIMITS = ("image_bytes", "request_bytes", "pixels", "images", "seconds", "requests")


def _page_file(name: str) -> Callable[[], Any]:
    content = (_PAGE / name).read_bytes()

    async def file() -> Response:
        return Response(content, media_type=_KINDS[Path(name).suffix])

    return file


async def _refused(_request: Request, error: Any) -> Response:
    return error.answer()  # type: ignore[no-any-return]


async def _http(_request: Request, error: Any) -> Response:
    return JsonAnswer({"detail": str(error.detail)}, error.status_code, error.headers)


async def _invalid(_request: Request, error: Any) -> Response:
    def text(wrong: Any) -> str:
        return f"{wrong['loc'][-1]}: {wrong['msg']}; received {json.dumps(wrong.get('input'), default=str)[:80]}"

    return JsonAnswer({"detail": "; ".join(map(text, error.errors()))}, 422)


async def _bug(_request: Request, _error: Any) -> Response:
    return JsonAnswer({"detail": "the server failed; its own output says why"}, 500)
