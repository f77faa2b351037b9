"""A user without a name on this machine, as containers have them, works as any other; the ledger has its number."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from offers import GOOD, NOW, in_ledger
from running import make_home

from pipelines.transfer.base import Endpoint

NOBODY = 54_321  # no user of any machine that runs tests
# Root may take any number; anybody else one in a namespace of his own.
_TAKE_NUMBER = f"import os; os.setresuid({NOBODY}, -1, -1); " if os.getuid() == 0 else ""
_IN_NAMESPACE = [] if os.getuid() == 0 else ["unshare", "--user", f"--map-user={NOBODY}"]
_COMMAND = f"{_TAKE_NUMBER}from pipelines.cli.app import main; main()"


def test_a_user_without_an_account_is_named_by_number(tmp_path: Path) -> None:
    GOOD.put(tmp_path / "remote")
    home = make_home(tmp_path / "home", Endpoint("file", root=str(tmp_path / "remote")))
    unnamed = {name: value for name, value in os.environ.items() if not name.endswith(("NAME", "USER"))}
    ran = subprocess.run(
        [*_IN_NAMESPACE, sys.executable, "-c", _COMMAND, "fetch"],
        env=unnamed | {"TIERLINE_NOW": NOW, "TIERLINE_HOME": str(home)}, capture_output=True, text=True,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert in_ledger(home, "select distinct actor from event") == [(f"uid {NOBODY} (tierline)",)]
