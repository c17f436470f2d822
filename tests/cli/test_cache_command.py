"""``tlkit cache``."""

from __future__ import annotations

from command_line import tlkit_command


def test_what_is_kept_is_listed_and_cleared(tmp_path, monkeypatch):
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
    assert "1 sets of features removed, 3.0 MB" in cleared.out
    assert not folder.exists()
    assert "0 sets of features" in tlkit_command("cache", "ls").out
