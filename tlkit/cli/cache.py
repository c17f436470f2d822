"""``tlkit cache``: the features that are kept for later runs."""

from __future__ import annotations

import click


@click.group()
def cache() -> None:
    """List and clear the features of frozen backbones that are kept for later runs."""


@cache.command("ls")
def list_kept() -> None:
    """List what is kept, the least recently used first."""
    from datetime import datetime

    from tlkit.featurestore import features_folder, kept_features

    kept = kept_features()
    for each in kept:
        used = datetime.fromtimestamp(each.used).strftime("%Y-%m-%d %H:%M")
        click.echo(f"{each.folder.name}  {each.size / 1e6:10.1f} MB  {used}  {each.about}")
    total = sum(each.size for each in kept)
    click.echo(f"{len(kept)} sets of features, {total / 1e6:.1f} MB, in {features_folder()}")


@cache.command()
def clear() -> None:
    """Remove what is kept; the next run on those images computes it again."""
    from tlkit import featurestore

    count, size = featurestore.clear()
    click.echo(f"{count} sets of features removed, {size / 1e6:.1f} MB")
