"""``tlkit cache``: what is kept for later runs."""

from __future__ import annotations

import click


@click.group()
def cache() -> None:
    """List, limit and clear what is kept for later runs: decoded images and features of frozen backbones."""


@cache.command("ls")
def list_kept() -> None:
    """List what is kept, the least recently used first."""
    from datetime import datetime

    from tlkit.system import cache as disk_cache

    found = disk_cache.cache_entries()
    for each in found:
        used = datetime.fromtimestamp(each.used).strftime("%Y-%m-%d %H:%M")
        what = each.folder.parent.name
        click.echo(f"{what:8}  {each.size / 1e6:10.1f} MB  {used}  {each.about}  ({each.folder.name[:12]})")
    total = sum(each.size for each in found) / 1e9
    click.echo(f"{total:.2f} GB of at most {disk_cache.limit() / 1e9:g} GB, in {disk_cache.cache_folder()}")


@cache.command()
@click.argument("gigabytes", type=click.FloatRange(min=0), required=False)
def limit(gigabytes: float | None) -> None:
    """Show, or set, how many GIGABYTES may be kept. What was not used for longest goes first; 0 keeps nothing."""
    from tlkit.system import cache as disk_cache

    if gigabytes is not None:
        disk_cache.set_limit(gigabytes)
    click.echo(f"at most {disk_cache.limit() / 1e9:g} GB are kept, in {disk_cache.cache_folder()}")


@cache.command()
def clear() -> None:
    """Remove what is kept; the next run on those images computes it again."""
    from tlkit.system import cache as disk_cache

    count, size = disk_cache.clear()
    click.echo(f"{count} folder{'' if count == 1 else 's'} removed, {size / 1e6:.1f} MB")
