"""Keys of a source and a receiver that say how patient a connection is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipelines.config import Config, load_config
from pipelines.errors import ConfigurationError
from pipelines.transfer.base import Endpoint

RECEIVER = '\nreceivers:\n  crm:\n    url: file:///lists\n    lists: ["TIER"]\n'


def config(home: Path, source: str = "", receiver: str = "") -> Config:
    lines = ["sources:", '  "110":', "    url: sftp://billing@127.0.0.1/exchange", "    feeds: [PAYM]"]
    (home / "tierline.yaml").write_text("\n".join(lines) + f"\n{source}{RECEIVER}{receiver}")
    return load_config(home)


def test_defaults_are_those_of_an_endpoint(tmp_path: Path) -> None:
    source = config(tmp_path).sources["110"]
    plain = Endpoint("sftp")
    for name in ("connect_timeout_s", "idle_timeout_s", "retries", "retry_wait_s"):
        assert getattr(source.endpoint, name) == getattr(plain, name)
    assert (source.connections, source.settle_s) == (1, 2)


def test_stated_values_are_taken(tmp_path: Path) -> None:
    patience = "    connect_timeout: 3\n    idle_timeout: 9\n    retries: 0\n"
    found = config(tmp_path, f"{patience}    connections: 8\n    settle: 0\n", patience)
    for endpoint in (found.sources["110"].endpoint, found.receivers["crm"].endpoint):
        assert (endpoint.connect_timeout_s, endpoint.idle_timeout_s, endpoint.retries) == (3, 9, 0)
    assert (found.sources["110"].connections, found.sources["110"].settle_s) == (8, 0)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("connect_timeout: 0", "a whole number from 1 to 10000000, found the number 0"),
        ("idle_timeout: 0", "a whole number from 1 to"),
        ("idle_timeout: 1.5", "a whole number from 1 to"),
        ("retries: -1", "a whole number from 0 to"),
        ("connections: 0", "a whole number from 1 to 8"),
        ("connections: 9", "a whole number from 1 to 8, found the number 9"),
        ("settle: -1", "a whole number from 0 to"),
        ("settle: soon", "a whole number from 0 to"),
        ("patience: 100000000000000", "a whole number from 0 to"),
    ],
)
def test_other_values_are_refused_by_line_and_key(tmp_path: Path, line: str, expected: str) -> None:
    key = line.partition(":")[0]
    with pytest.raises(ConfigurationError, match=rf"line 5, key {key}: expected {expected}"):
        config(tmp_path, f"    {line}\n")


@pytest.mark.parametrize("line", ["connections: 2", "settle: 2", "patience: 2"])
def test_a_receiver_takes_no_keys_of_a_source(tmp_path: Path, line: str) -> None:
    with pytest.raises(ConfigurationError, match="the unknown key"):
        config(tmp_path, receiver=f"    {line}\n")


@pytest.mark.parametrize("secret", ["file:secret", "env:TIERLINE_ODD"])
def test_a_secret_that_is_no_text_is_an_error_that_does_not_show_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, secret: str
) -> None:
    (tmp_path / "secret").write_bytes(b"s3cret\xff\n")
    monkeypatch.setitem(os.environb, b"TIERLINE_ODD", b"s3cret\xff")
    found = config(tmp_path, f"    secret: {secret}\n", f"    secret: {secret}\n")
    for each in (found.sources["110"], found.receivers["crm"]):
        with pytest.raises(ConfigurationError, match=r"key secret: expected .* to hold text in UTF-8") as error:
            each.with_secret()
        assert "s3cret" not in str(error.value)


@pytest.mark.parametrize("url", ["sftp://u:s3cret/x@host/d", "sftp://u:s3cret@[host/d", "http://u:s3cret@host/d"])
def test_a_url_with_a_password_in_it_is_not_shown(tmp_path: Path, url: str) -> None:
    (tmp_path / "tierline.yaml").write_text(f"sources:\n  '110':\n    url: '{url}'\n    feeds: [PAYM]\n")
    with pytest.raises(ConfigurationError, match="line 3, key url: expected a URL") as error:
        load_config(tmp_path)
    assert "s3cret" not in str(error.value)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("file:///srv/in#new", "a URL without \\? and #"),
        ("file:///srv/in?x=1", "a URL without \\? and #"),
        ("sftp://u@host/in#", "a URL without \\? and #"),
        ("file://srv/in", "file:// and a path from the root on"),
        ("file:srv/in", "file:// and a path from the root on"),
        ("sftp://host/in", "sftp://user@host"),
        ("sftp://u:123/4@host/in", "sftp://user@host"),
    ],
)
def test_a_url_of_which_a_part_would_be_left_out_is_refused(tmp_path: Path, url: str, expected: str) -> None:
    """It would be another directory than is written; what may be a password is not shown."""
    (tmp_path / "tierline.yaml").write_text(f"sources:\n  '110':\n    url: '{url}'\n    feeds: [PAYM]\n")
    with pytest.raises(ConfigurationError, match=f"line 3, key url: expected {expected}") as error:
        load_config(tmp_path)
    assert "123" not in str(error.value)


def test_signs_of_a_directory_are_written_as_in_urls(tmp_path: Path) -> None:
    url = "file://localhost/srv/in%23new%3F"
    (tmp_path / "tierline.yaml").write_text(f"sources:\n  '110':\n    url: '{url}'\n    feeds: [PAYM]\n")
    assert load_config(tmp_path).sources["110"].endpoint.root == "/srv/in#new?"
