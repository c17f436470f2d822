"""What ``/metrics`` says, in the format of Prometheus (https://prometheus.io/docs/instrumenting/exposition_formats/)."""

from __future__ import annotations

from functools import cache
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

PATHS = frozenset({"/", "/predict", "/explain", "/model", "/health", "/metrics", "/openapi.json"})
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_IMAGES = (1, 2, 4, 8, 16)


class Measures:
    """Counts requests and images. Its numbers are of this server alone, not of the process.

    Args:
        version: the version of tlkit.
        task: the model's task.
    """

    content_type = CONTENT_TYPE_LATEST

    def __init__(self, version: str, task: str) -> None:
        self._registry = CollectorRegistry()
        place: dict[str, Any] = {"registry": self._registry}
        requests = Counter("tlkit_requests", "Requests by path and HTTP status.", ["path", "status"], **place)
        seconds = Histogram(
            "tlkit_request_seconds", "Seconds to answer a request.", ["path"], buckets=_SECONDS, **place
        )
        # Each look-up by labels takes a lock; paths and statuses are few.
        self._requests, self._seconds = cache(requests.labels), cache(seconds.labels)
        self._images = Counter("tlkit_images", "Images by what became of them.", ["outcome"], **place)
        self._together = Histogram(
            "tlkit_images_together", "Images that were computed together.", buckets=_IMAGES, **place
        )
        Gauge("tlkit_model", "1; its labels are about the model.", ["version", "task"], **place).labels(
            version, task
        ).set(1)

    def request(self, path: str, status: int, seconds: float) -> None:
        """Count a request."""
        known = path if path in PATHS else "other"
        self._requests(known, str(status)).inc()
        self._seconds(known).observe(seconds)

    def image(self, outcome: str) -> None:
        """Count an image that was ``predicted``, ``refused``, ``explained`` or ``watched``."""
        self._images.labels(outcome).inc()

    def together(self, count: int) -> None:
        """Count images that are computed together."""
        self._together.observe(count)

    def text(self) -> bytes:
        """Return the numbers."""
        return generate_latest(self._registry)
