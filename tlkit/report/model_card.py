"""A model card (Mitchell et al. 2019, arXiv:1810.03993) in Markdown, with Hugging Face's front matter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tlkit.report import card_sections as sections
from tlkit.report import card_use
from tlkit.report.card_facts import CardFacts
from tlkit.report.card_limits import limits
from tlkit.report.front_matter import checked, front_matter, metadata
from tlkit.report.markdown import prose


@dataclass(frozen=True)
class ModelCard:
    """A model card.

    Args:
        text: its content, front matter first.
        validated: whether Hugging Face's library, which is an extra, has read it.
    """

    text: str
    validated: bool


@dataclass(frozen=True)
class Offered:
    """What plugins say that a card repeats.

    Args:
        snippets: export format → lines of Python that use a file of it.
        summaries: data set → what it is.
    """

    snippets: Mapping[str, str]
    summaries: Mapping[str, str]


def model_card(facts: CardFacts, offered: Offered, licence: str | None = None) -> ModelCard:
    """Return the card of a model.

    Args:
        facts: what its run folder says.
        offered: what plugins say.
        licence: the identifier of the licence that its maker chose, as Hugging Face lists them; None if none was.

    Raises:
        DataError: Hugging Face's library is installed, and refuses the card.
    """
    parts = {
        "": sections.about(facts),
        "Data": sections.data(facts, offered.summaries),
        "Metrics": sections.metrics(facts),
        "Classes": sections.classes(facts),
        "Limits": (f"- {each}" for each in limits(facts)),
        "Licences": card_use.licences(facts, licence),
        "Exported files": card_use.exports(facts),
        "How to use": card_use.usage(facts, offered.snippets),
        "Recipe": card_use.recipe(facts, str(Path.home())),
    }
    lines = [f"# {prose(facts.card.name or facts.name)}", ""]
    for title, part in parts.items():
        body = list(part)
        if body:
            lines += ([f"## {title}", ""] if title else []) + body + [""]
    text = front_matter(facts, licence) + "\n" + "\n".join(lines).rstrip("\n") + "\n"
    results = metadata(facts, licence).get("model-index", ())
    count = sum(len(result["metrics"]) for model in results for result in model["results"])
    return ModelCard(text, checked(text, count))
