"""A user without a name on this machine, as containers have them, works as any other; the ledger has its number."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from offers import GOOD, NOW, in_ledger
from running import make_home

from pipelines.transfer.base import Endpoint

NOBODY = 54_321  # no user of any machine that runs tests
_AS_NOBODY = f"import os; os.setresuid({NOBODY}, -1, -1); from pipelines.cli.app import main; main()"


@pytest.mark.skipif(os.getuid() != 0, reason="only root may take another user's number")
def test_a_user_without_an_account_is_named_by_number(tmp_path: Path) -> None:
    GOOD.put(tmp_path / "remote")
    home = make_home(tmp_path / "home", Endpoint("file", root=str(tmp_path / "remote")))
    unnamed = {name: value for name, value in os.environ.items() if not name.endswith(("NAME", "USER"))}
    ran = subprocess.run(
        [sys.executable, "-c", _AS_NOBODY, "fetch"],
        env=unnamed | {"TIERLINE_NOW": NOW, "TIERLINE_HOME": str(home)}, capture_output=True, text=True,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert in_ledger(home, "select distinct actor from event") == [(f"uid {NOBODY} (tierline)",)]
