"""The public functions, such as ``tlkit.run`` and ``tlkit.check``."""

from __future__ import annotations

from tlkit.jobs.card import card
from tlkit.jobs.check import check
from tlkit.jobs.compare import compare
from tlkit.jobs.evaluate import evaluate
from tlkit.jobs.explain import explain
from tlkit.jobs.export import export
from tlkit.jobs.predict import load
from tlkit.jobs.rank import rank
from tlkit.jobs.resume import resume
from tlkit.jobs.run import run
from tlkit.jobs.sweep.search import sweep

__all__ = ["card", "check", "compare", "evaluate", "explain", "export", "load", "rank", "resume", "run", "sweep"]
