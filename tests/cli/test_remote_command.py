"""Images at ``s3://``, on a server of this machine: ``init``, ``check``, ``run`` and ``predict`` take them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import tlkit_command
from photos import write_photos
from recipe_text import recipe_text
from same_runs import weights

from tlkit.system import remote

boto3 = pytest.importorskip("boto3")
pytest.importorskip("s3fs")
moto = pytest.importorskip("moto.server")

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A server of S3, at whose address it is."""
    started = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    started.start()
    host, port = started.get_host_and_port()
    yield f"http://{host}:{port}"
    started.stop()


@pytest.fixture
def bucket(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client of a server whose bucket "zoo" has photos of two classes, in a folder of the test's own."""
    settings = {"AWS_ENDPOINT_URL": server, "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "SECRET"}
    for name, value in (settings | {"AWS_DEFAULT_REGION": "us-east-1", "TLKIT_CACHE": str(tmp_path / "cache")}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(remote, "_made", {})
    monkeypatch.chdir(tmp_path)
    client = boto3.client("s3")
    client.create_bucket(Bucket="zoo-animals")
    photos = write_photos(tmp_path / "local" / "photos", {"cat": 12, "dog": 12})
    for file in photos.rglob("*.png"):
        client.upload_file(str(file), "zoo-animals", f"photos/{file.relative_to(photos).as_posix()}")
    return client


def test_init_and_check_read_a_bucket(bucket: Any, tmp_path: Path) -> None:
    made = tlkit_command("init", "s3://zoo-animals/photos", "--backbone", "small_encoder")
    assert made.code == 0, made.err
    assert 'path = "s3://zoo-animals/photos"' in (tmp_path / "photos.toml").read_text()
    checked = tlkit_command("check", "s3://zoo-animals/photos", "--json", tmp_path / "found.json")
    assert checked.code == 0, checked.err
    assert "s3://zoo-animals/photos: 24 files found" in checked.out
    for text in (made.out, made.err, checked.out, checked.err, (tmp_path / "found.json").read_text()):
        assert str(tmp_path / "cache" / "remote") not in text


@pytest.mark.slow
def test_a_run_and_its_predictions_name_the_bucket(bucket: Any, tmp_path: Path) -> None:
    data = {"name": "folder", "path": "s3://zoo-animals/photos"}
    (tmp_path / "zoo.toml").write_text(recipe_text(data=data, input={"image_size": 32}, schedule={"epochs": 1}))
    ran = tlkit_command("run", "zoo.toml", "--out", tmp_path / "run")
    assert ran.code == 0, ran.err
    assert "fetching s3://zoo-animals/photos: 24 files" in ran.err
    assert "s3://zoo-animals/photos/cat/000.png" in (tmp_path / "run" / "samples.csv").read_text()
    assert 'path = "s3://zoo-animals/photos"' in (tmp_path / "run" / "recipe.toml").read_text()
    predicted = tlkit_command("predict", tmp_path / "run", "s3://zoo-animals/photos", "--out", tmp_path / "p.csv")
    assert predicted.code == 0, predicted.err
    assert (tmp_path / "p.csv").read_text().count("s3://zoo-animals/photos/") == 24
    assert "the run trained on" in predicted.err
    listed = tlkit_command("cache", "ls").out
    assert "s3://zoo-animals/photos, 24 files" in listed
    for file in (each for each in (tmp_path / "run").rglob("*") if each.is_file()):
        content = file.read_bytes()
        assert b"SECRET" not in content, file
        assert str(tmp_path / "cache" / "remote").encode() not in content, file


@pytest.mark.slow
def test_workers_of_a_cluster_read_a_bucket_to_the_same_bytes(
    bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray")
    bucket.put_object(Bucket="zoo-animals", Key="photos/cat/broken.png", Body=b"\x89PNG and no more")
    url = "s3://zoo-animals/photos"
    text = recipe_text(
        data={"name": "folder", "path": url},
        input={"image_size": 32, "batch_size": 8},
        backbone={"name": "MobileNetV2", "alpha": 0.35, "weights": "none"},
        schedule={"name": "frozen", "epochs": 1},
        train={"engine": "litert", "cache": "on"},
    )
    (tmp_path / "zoo.toml").write_text(text)
    found: dict[str, list[Any]] = {}
    for place, options in (("alone", ()), ("spread", ("--cluster", "local"))):
        monkeypatch.setenv("TLKIT_CACHE", str(tmp_path / f"cache-{place}"))
        monkeypatch.setattr(remote, "_made", {})
        checked = tlkit_command("check", url, *options)
        assert checked.code == 0, checked.err
        run = tmp_path / place / "run"
        ran = tlkit_command("run", "zoo.toml", "--out", run, *options)
        assert ran.code == 0, ran.err
        predicted = tlkit_command("predict", run, url, "--out", tmp_path / f"{place}.csv", *options)
        assert predicted.code == 0, predicted.err
        measured = tlkit_command("evaluate", run, "--data", url, "--out", tmp_path / f"{place}.json", *options)
        assert measured.code == 0, measured.err
        for said in (checked, ran, predicted, measured):
            assert ("joined: process" in said.out + said.err) == bool(options)
            assert str(tmp_path / f"cache-{place}" / "remote") not in said.out + said.err
        aside = [line for line in predicted.err.splitlines() if line.startswith("set aside: ")]
        tables = [(tmp_path / f"{place}.{kind}").read_bytes() for kind in ("csv", "json")]
        found[place] = [aside, *tables, (run / "samples.csv").read_text().splitlines(), weights(run)]
    [aside] = found["alone"][0]
    assert aside.startswith("set aside: s3://zoo-animals/photos/cat/broken.png: ")
    for spread, alone in zip(found["spread"], found["alone"], strict=True):
        assert spread == alone


def test_two_processes_fetch_a_file_once(bucket: Any) -> None:
    code = "from pathlib import Path; from tlkit.system.remote import local_path; print(local_path(Path(sys.argv[1])))"
    command = [sys.executable, "-c", f"import sys; {code}", "s3://zoo-animals/photos"]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    ended = [each.communicate(timeout=120) for each in started]
    assert len({out for out, _ in ended}) == 1
    assert sum("fetching s3://zoo-animals/photos: 24 files" in err for _, err in ended) == 1


@pytest.mark.parametrize(
    ("url", "changes", "message"),
    [
        ("s3://no-such-bucket/photos", {}, "there is no such bucket, folder or file"),
        ("s3://zoo-animals/none", {}, "there is no such bucket, folder or file"),
        (
            "s3://zoo-animals/photos",
            {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None},
            "no usable credentials",
        ),
        ("s3://zoo-animals/photos", {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "can't be read (EndpointConnection"),
    ],
)
def test_what_is_wrong_with_a_bucket_is_one_clear_error(
    url: str, changes: dict[str, str | None], message: str, bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in changes.items():
        monkeypatch.delenv(name) if value is None else monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    checked = tlkit_command("check", url)
    assert checked.code == 2
    [line] = checked.err.splitlines()
    assert line.startswith(f"Error: {url}: ")
    assert message in line
