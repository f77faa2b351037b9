"""A home has one ledger, whatever it is called and wherever a command is run from; a URL that names none is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from offers import GOOD, NOW, ledger
from running import make_home, tierline

from pipelines.transfer.base import Endpoint


def made(home: Path, stated: str = "") -> Path:
    remote = home.parent / "remote"
    GOOD.put(remote)
    return make_home(home, Endpoint("file", root=str(remote)), extra=f'ledger: "{stated}"\n' if stated else "")


def test_a_relative_path_begins_at_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As cron and a shell come from different directories."""
    home = made(tmp_path / "home", "sqlite:///led.sqlite")
    for name in ("cron", "shell"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        assert tierline(home, "fetch", now=NOW).exit_status == 0
        assert list((tmp_path / name).iterdir()) == []
    assert (home / "led.sqlite").exists()
    assert [each.stem for each in ledger(home)] == [GOOD.stem]


@pytest.mark.parametrize("name", ["what?", "a#b", "100%41", "a b"])
@pytest.mark.parametrize("stated", ["", "sqlite:///led.sqlite"])
def test_a_home_of_any_name_holds_its_ledger(tmp_path: Path, name: str, stated: str) -> None:
    home = made(tmp_path / name, stated)
    assert tierline(home, "fetch", now=NOW).exit_status == 0
    assert {path.parent for path in tmp_path.rglob("l*.sqlite")} == {home}
    assert [each.stem for each in ledger(home)] == [GOOD.stem]


@pytest.mark.parametrize(
    "stated",
    ["sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite://led.sqlite", "sqlite:///led?.sqlite",
     "sqlite://data/led.sqlite", "sqlite:///file:led?uri=true"],
)  # fmt: skip
def test_a_url_that_names_no_file_is_refused(tmp_path: Path, stated: str) -> None:
    home = made(tmp_path / "home", stated)
    ran = tierline(home, "fetch", now=NOW)
    assert (ran.exit_status, "key ledger: expected sqlite:///PATH" in ran.err) == (2, True), ran.err
    assert not list(tmp_path.rglob("*led*"))
