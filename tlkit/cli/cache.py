"""``tlkit cache``."""

from __future__ import annotations

import click

from tlkit.cli.console import say
from tlkit.cli.options import FiniteRange
from tlkit.system.cache import MAX_LIMIT


@click.group()
def cache() -> None:
    """List, limit and clear the cache: decoded images, features, converted networks.

    Later runs on the same images reuse what is cached.
    """


@cache.command("ls")
def list_entries() -> None:
    """List what is cached, the least recently used first."""
    from datetime import datetime

    from tlkit.system import cache as disk_cache
    from tlkit.system.text import size_text

    entries = disk_cache.cache_entries()
    for each in entries:
        used = datetime.fromtimestamp(each.used).strftime("%Y-%m-%d %H:%M")
        kind = each.folder.parent.name
        say(f"{kind:8}  {size_text(each.size):>10}  {used}  {each.about}  ({each.folder.name[:12]})")
    total = size_text(sum(each.size for each in entries))
    say(f"{total} of at most {size_text(disk_cache.limit())}, in {disk_cache.cache_folder()}")


@cache.command()
@click.argument("gigabytes", type=FiniteRange(min=0, max=MAX_LIMIT), required=False)
def limit(gigabytes: float | None) -> None:
    """Show or set the size of the cache in GIGABYTES.

    The least recently used entries are removed first. 0 caches nothing.
    """
    from tlkit.system import cache as disk_cache
    from tlkit.system.text import size_text

    if gigabytes is not None:
        disk_cache.set_limit(gigabytes)
    say(f"at most {size_text(disk_cache.limit())} are cached, in {disk_cache.cache_folder()}")


@cache.command()
def clear() -> None:
    """Remove everything that is cached; the next run computes it again."""
    from tlkit.system import cache as disk_cache
    from tlkit.system.text import size_text

    count, size = disk_cache.clear()
    say(f"{count} folder{'' if count == 1 else 's'} removed, {size_text(size)}")
