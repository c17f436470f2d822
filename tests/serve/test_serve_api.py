"""The API of ``tlkit serve``: what is answered, and what is refused with which reason."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
from messy import png_of
from PIL import Image
from served_runs import picture, served_app
from starlette.testclient import TestClient

import tlkit
from tlkit.evaluation.predictor import Predictor
from tlkit.serve.bounds import Bounds
from tlkit.serve.guard import Access


def files(*contents):
    return [("image", (f"{number}.png", content)) for number, content in enumerate(contents)]


def test_one_image_is_the_body_or_a_file_of_a_form(client):
    content = picture("green")
    for answer in (
        client.post("/predict", content=content, headers={"content-type": "image/png"}),
        client.post("/predict", content=content),
        client.post("/predict", files=files(content)),
    ):
        assert answer.status_code == 200
        [found] = answer.json()["predictions"]
        assert (found["label"], found["error"], found["set"]) == ("green", None, ["green"])


def test_several_images_are_answered_in_their_order_and_a_bad_one_says_why(client):
    answer = client.post("/predict", files=files(picture("blue"), b"no image", picture("red")))
    assert answer.status_code == 200
    found = answer.json()["predictions"]
    assert [each["label"] for each in found] == ["blue", None, "red"]
    assert found[1]["error"].startswith("1.png: not an image; expected JPEG")


def test_answers_are_those_of_the_predictor(client, run):
    contents = [
        picture(color, (17 + n, 23), kind) for n, color in enumerate(["red", "blue"]) for kind in ("PNG", "JPEG")
    ]
    answers = client.post("/predict", files=files(*contents)).json()["predictions"]
    expected = tlkit.load(run).predict(contents)
    assert [each["probabilities"] for each in answers] == [
        {name: round(value, 6) for name, value in each.probabilities.items()} for each in expected
    ]


def test_top_limits_the_classes(client):
    answer = client.post("/predict?top=1", files=files(picture("green")))
    assert list(answer.json()["predictions"][0]["probabilities"]) == ["green"]


def test_a_mask_has_the_size_of_the_image_and_a_transparent_background(mask_client):
    image = np.zeros((20, 50, 3), np.uint8)
    image[:, :25] = (255, 0, 0)
    image[:, 25:] = (0, 0, 255)
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "PNG")
    [found] = mask_client.post("/predict?mask=true", files=files(stream.getvalue())).json()["predictions"]
    assert (found["width"], found["height"]) == (50, 20)
    assert found["shares"] == pytest.approx({"background": 0.5, "green": 0.0, "blue": 0.5}, abs=0.05)
    mask = Image.open(io.BytesIO(base64.b64decode(found["mask"])))
    assert mask.size == (50, 20)
    assert set(np.unique(np.asarray(mask))) == {0, 2}
    alpha = np.asarray(mask.convert("RGBA"))[..., 3]
    assert (alpha[:, :20] == 0).all()
    assert (alpha[:, 30:] == 255).all()
    [found] = mask_client.post("/predict", files=files(stream.getvalue())).json()["predictions"]
    assert "mask" not in found


@pytest.mark.parametrize(
    ("request_", "status", "reason"),
    [
        ({"content": b""}, 422, "image: the file is empty"),
        ({"content": b"no image"}, 422, "image: not an image"),
        ({"files": files(b"no", b"nor this")}, 422, "0.png: not an image"),
        ({"content": png_of(60_000, 60_000)}, 422, "too large"),
        ({"content": png_of(9_000, 6_000)}, 422, "9000 x 6000 pixels; at most 50000000 are allowed"),
        ({"content": b"x" * 40_000_000}, 413, "too large: 40.0 MB or more; at most 32.0 MB are taken"),
        ({"files": files(b"x" * 40_000_000)}, 413, "at most 32.0 MB are taken"),
        ({"files": files(*[b"x"] * 65)}, 413, "Too many files"),
        ({"data": {"image": "text"}}, 415, "application/x-www-form-urlencoded"),
        ({"json": {"image": "text"}}, 415, "application/json"),
        ({"content": b"--x\r\n", "headers": {"content-type": "multipart/form-data"}}, 400, "names no boundary"),
        ({"content": b"--y", "headers": {"content-type": "multipart/form-data; boundary=x"}}, 400, "can't be read"),
        ({"content": b"--x--", "headers": {"content-type": "multipart/form-data; boundary=x"}}, 422, "has no file"),
        ({"params": {"top": "many"}, "content": b"x"}, 422, "top: Input should be a valid integer"),
    ],
)
def test_a_bad_request_gets_its_reason(client, request_, status, reason):
    answer = client.post("/predict", **request_)
    assert answer.status_code == status
    assert reason in answer.json()["detail"]
    assert "Traceback" not in answer.text


def test_names_with_markup_and_of_no_encoding_come_back_as_text(client):
    for name in ("<img src=x onerror=alert(1)>.png", "a\x1b[31m.png", "猫🐈.png", "x" * 1500):
        answer = client.post("/predict", files=[("image", (name, picture("red")))])
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/json"
        assert answer.json()["predictions"][0]["name"] == (name if len(name) < 200 else "x" * 199 + "…")
        assert answer.text.isascii()


def test_more_requests_than_allowed_are_told_to_come_back(run):
    with served_app(run, Bounds(requests=1)) as (served, app):
        guard_client = TestClient(app)
        app._working = 1
        answer = guard_client.post("/predict", content=picture("red"))
        assert answer.status_code == 429
        assert answer.headers["retry-after"] == "1"
        assert guard_client.get("/health").status_code == 200
        app._working = 0
        assert guard_client.post("/predict", content=picture("red")).status_code == 200
        assert app._working == 0
        assert b'tlkit_requests_total{path="/predict",status="429"} 1.0' in served.measures.text()


def test_requests_share_a_limited_memory(run):
    with served_app(run, Bounds(megabytes=0.001)) as (_, app):
        client = TestClient(app)
        for _ in range(20):  # what each took is given back
            assert client.post("/predict", content=picture("red")).status_code == 200
            assert client.post("/predict", content=b"x" * 900).status_code == 422
            assert client.post("/predict", files=files(b"x" * 1100)).status_code == 413


def test_a_slow_model_gets_an_answer_that_says_so(run, monkeypatch):
    import threading

    asked = threading.Event()
    with served_app(run, Bounds(seconds=0.2)) as (_, app):
        client = TestClient(app)
        predict = Predictor.predict_given
        monkeypatch.setattr(
            Predictor, "predict_given", lambda *given, **more: (asked.wait(), predict(*given, **more))[1]
        )
        answer = client.post("/predict", content=picture("red"))
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert answer.json()["detail"] == "the images were not predicted after 0.2 s"
        asked.set()
        answers = (client.post("/predict", content=picture("red")) for _ in range(200))  # 0.2 s may be short at first
        assert any(each.status_code == 200 for each in answers)


def test_a_bug_is_answered_without_its_trace(run, monkeypatch):
    def fail(*_given, **_more):
        raise ZeroDivisionError("secret")

    with served_app(run) as (_, app):
        client = TestClient(app, raise_server_exceptions=False)
        monkeypatch.setattr(Predictor, "predict_given", fail)
        answer = client.post("/predict", content=picture("red"))
        assert answer.status_code == 500
        assert answer.json() == {"detail": "the server failed; its own output says why"}


def test_the_model_is_described(client, mask_client):
    found = client.get("/model").json()
    assert found["classes"] == ["red", "green", "blue"]
    assert (found["task"], found["engine"], found["set"], found["unknown"]) == ("classification", "LiteRT", 0.9, None)
    assert found["explain"] is True
    assert found["limits"]["image_bytes"] == 32_000_000
    found = mask_client.get("/model").json()
    assert (found["task"], found["background"], found["set"]) == ("segmentation", "background", None)


def test_metrics_count_requests_and_images(client):
    client.post("/predict", files=files(picture("red"), b"bad"))
    client.get("/nowhere/<script>")
    text = client.get("/metrics").text
    assert 'tlkit_requests_total{path="/predict",status="200"} 1.0' in text
    assert 'tlkit_requests_total{path="other",status="404"} 1.0' in text
    assert 'tlkit_images_total{outcome="predicted"} 1.0' in text
    assert 'tlkit_images_total{outcome="refused"} 1.0' in text
    assert "script" not in text


def test_every_answer_has_a_policy_that_allows_no_other_site(client):
    for path in ("/", "/model", "/nowhere", "/health"):
        headers = client.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


def test_a_token_is_needed_where_there_is_one(run):
    with served_app(run, access=Access("sësame", local=False)) as (_, app):
        client = TestClient(app)
        for given in ({}, {"authorization": "Bearer other"}, {"authorization": "Basic sesame"}):
            answer = client.get("/model", headers=given)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == "Bearer"
            assert client.post("/predict", content=picture("red"), headers=given).status_code == 401
            assert client.get("/metrics", headers=given).status_code == 401
        token = {"authorization": "Bearer sësame".encode()}
        assert client.get("/model", headers=token).status_code == 200
        assert client.post("/predict", content=picture("red"), headers=token).status_code == 200
        assert client.get("/health").status_code == 200
        assert client.get("/").status_code == 200


def test_only_this_machine_by_its_own_names_may_ask_by_default(run):
    with served_app(run, access=Access()) as (_, app):
        for host in ("localhost:8000", "127.0.0.1:8000", "[::1]:8000", "127.0.0.1"):
            assert TestClient(app, f"http://{host}").get("/model").status_code == 200
        for host in ("example.com", "127.0.0.1.example.com:8000", "192.168.1.5:8000"):
            assert TestClient(app, f"http://{host}").get("/model").status_code == 403
        client = TestClient(app, "http://localhost")
        for site, status in (("cross-site", 403), ("same-site", 403), ("same-origin", 200), ("none", 200)):
            answer = client.post("/predict", content=picture("red"), headers={"sec-fetch-site": site})
            assert answer.status_code == status


def test_nothing_is_written_unless_it_is_asked_for(run, tmp_path, monkeypatch):
    import tempfile

    monkeypatch.setattr(tempfile, "_TemporaryFileWrapper", None)
    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "rollover", lambda *_: pytest.fail("a file was written to disk"))
    large = picture("red") + b"\0" * 3_000_000
    with served_app(run) as (_, app):
        assert TestClient(app).post("/predict", files=files(large)).status_code == 200
    kept = tmp_path / "kept"
    with served_app(run, keep=kept) as (_, app):
        sent = [("image", ("../../etc/<x>.png", picture("red"))), ("image", ("bad", b"bad"))]
        assert TestClient(app).post("/predict", files=sent).status_code == 200
    image, record = sorted(kept.iterdir(), key=lambda file: file.suffix == ".json")
    assert image.read_bytes() == picture("red")
    assert image.suffix == ".png"
    assert json.loads(record.read_text())["label"] == "red"
    assert json.loads(record.read_text())["name"] == "../../etc/<x>.png"
    assert list(tmp_path.iterdir()) == [kept]


def test_the_description_of_the_api_names_every_path(client):
    found = client.get("/openapi.json").json()
    assert set(found["paths"]) == {"/predict", "/explain", "/model", "/health", "/metrics"}
    for path in Path(__file__).parents[2].joinpath("tlkit/serve/page").iterdir():
        assert client.get(f"/page/{path.name}").status_code == 200
    assert client.get("/page/../app.py").status_code == 404
