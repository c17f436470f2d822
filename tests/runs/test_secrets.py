"""What a run folder says about the process that wrote it, and what it must not say."""

from __future__ import annotations

import json
import logging

import pytest
from recipe_text import recipe_text

from tlkit.recipe.load import parse_recipe
from tlkit.runs.folder import RunFolder
from tlkit.runs.log import event_log
from tlkit.runs.secrets import known_variables, toml_without_secrets, without_logins, without_secrets

SECRETS = {
    "TF_VAR_token": "s3cret",
    "TF_TOKEN_app_terraform_io": "s3cret",
    "TF_CLI_ARGS": "-var password=s3cret",
    "TF_CONFIG": "s3cret",
    "TF_HTTP_PASSWORD": "s3cret",
    "KERAS_API_KEY": "s3cret",
    "KERAS_HOME": "/home/s3cret",
    "TLKIT_TOKEN": "s3cret",
    "TLKIT_CACHE": "/home/s3cret",
    "CUDA_TOKEN": "s3cret",
    "AWS_SECRET_ACCESS_KEY": "s3cret",
    "XLA_FLAGS": "--url=https://me:s3cret@host/x",
}


def test_only_variables_that_are_known_to_matter_are_written():
    values = known_variables({**SECRETS, "TF_ENABLE_ONEDNN_OPTS": "0", "OMP_NUM_THREADS": "2"})
    assert values == {"OMP_NUM_THREADS": "2", "TF_ENABLE_ONEDNN_OPTS": "0", "XLA_FLAGS": "--url=https://…@host/x"}


def test_the_environment_file_holds_no_secret(registry, monkeypatch):
    from tlkit.train.environment import describe_environment

    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    recipe = parse_recipe(recipe_text(backbone={"weights": "https://me:s3cret@host/w.h5"}), registry)
    described = describe_environment(registry, recipe)
    assert "s3cret" not in json.dumps(described)
    assert described["settings"]["backbone"]["weights"] == "https://…@host/w.h5"


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://me:pass@host/a@b", "https://…@host/a@b"),
        ("s3://KEY@bucket/x", "s3://…@bucket/x"),
        ("see http://u:p@h and ftp://v@w.", "see http://…@h and ftp://…@w."),
        ("https://host/a@b", "https://host/a@b"),
        ("me@host.org", "me@host.org"),
        ("/home/me/photos@2x", "/home/me/photos@2x"),
    ],
)
def test_logins_are_left_out_of_addresses(address, shown):
    assert without_logins(address) == shown


def test_texts_under_the_keys_of_secrets_are_hidden():
    table = {
        "data": {"api_key": "k", "hf_token": "t", "password": "p", "tokens": "many", "token": 3, "path": "x"},
        "augment": [{"name": "x", "client_secret": "s"}],
    }
    assert without_secrets(table) == {
        "data": {"api_key": "…", "hf_token": "…", "password": "…", "tokens": "many", "token": 3, "path": "x"},
        "augment": [{"name": "x", "client_secret": "…"}],
    }


def test_the_recipe_of_a_report_hides_the_same():
    text = """name = "token"  # a comment
[data]
name = "mine"
hf_token = "abc"  # mine
api-key = 'abc'
"password" = "a\\"bc"
login = { user = "me", secret = "abc" }
tokens = "8"
url = "https://me:abc@host"
"""
    shown = toml_without_secrets(text)
    assert "abc" not in shown
    assert 'a\\"bc' not in shown
    assert shown.count("…") == 5
    for kept in ('name = "token"  # a comment', 'tokens = "8"', "# mine"):
        assert kept in shown


def test_the_log_of_a_run_has_no_logins(tmp_path):
    with event_log(RunFolder(tmp_path)) as log:
        log.log(logging.ERROR, "%s: no answer", "https://me:s3cret@host")
    line = (tmp_path / "events.log").read_text()
    assert line.endswith("Z ERROR https://…@host: no answer\n")


def test_a_report_of_an_old_folder_leaves_out_the_secrets_in_it():
    from tlkit.report.environment_table import environment_rows

    rows = environment_rows({"variables": {**SECRETS, "TF_USE_LEGACY_KERAS": "0"}})
    assert rows == {"variables": "TF_USE_LEGACY_KERAS=0, XLA_FLAGS=--url=https://…@host/x"}
