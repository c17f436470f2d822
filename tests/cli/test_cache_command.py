"""``tlkit cache``."""

from __future__ import annotations

from command_line import tlkit_command


def test_cache_entries_are_listed_and_cleared(tmp_path, monkeypatch):
    monkeypatch.setenv("TLKIT_CACHE", str(tmp_path))
    folder = tmp_path / "features" / "abc"
    folder.mkdir(parents=True)
    (folder / "0000-feature0.npy").write_bytes(b"x" * 3_000_000)
    (folder / "about.txt").write_text("ResNet50, 12 images\n")
    listed = tlkit_command("cache", "ls")
    assert "abc" in listed.out
    assert "3.0 MB" in listed.out
    assert "ResNet50, 12 images" in listed.out
    cleared = tlkit_command("cache", "clear")
    assert "1 folder removed, 3.0 MB" in cleared.out
    assert not folder.exists()
    assert f"0 bytes of at most 20.0 GB, in {tmp_path}" in tlkit_command("cache", "ls").out


def test_a_limit_is_saved_shown_and_enforced(tmp_path, monkeypatch):
    monkeypatch.setenv("TLKIT_CACHE", str(tmp_path))
    folder = tmp_path / "images" / "abc"
    folder.mkdir(parents=True)
    (folder / "0000-images.npy").write_bytes(b"x" * 3_000_000)
    assert "at most 20.0 GB are cached" in tlkit_command("cache", "limit").out
    assert "at most 4.0 MB are cached" in tlkit_command("cache", "limit", "0.004").out
    assert folder.exists()
    assert "at most 0 bytes are cached" in tlkit_command("cache", "limit", "0").out
    assert not folder.exists()
    assert "at most 0 bytes are cached" in tlkit_command("cache", "limit").out
