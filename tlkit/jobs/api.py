"""The public functions: ``tlkit.run``, ``resume``, ``load``, ``evaluate``, ``check``, ``compare`` and ``sweep``."""

from __future__ import annotations

from tlkit.jobs.check import check
from tlkit.jobs.compare import compare
from tlkit.jobs.evaluate import evaluate
from tlkit.jobs.predict import load
from tlkit.jobs.resume import resume
from tlkit.jobs.run import run
from tlkit.jobs.sweep.search import sweep

__all__ = ["check", "compare", "evaluate", "load", "resume", "run", "sweep"]
