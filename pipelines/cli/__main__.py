"""The command `tierline` as a process of its own: the installed script, and `python -m pipelines.cli`."""

from __future__ import annotations

import gc

gc.disable()  # nothing of what is imported is garbage, and looking for some takes a fifth of a short command
from pipelines.cli.app import main  # noqa: E402

gc.freeze()
gc.enable()

if __name__ == "__main__":
    main()
