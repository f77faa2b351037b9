"""Great Expectations as this project loads it: late, silent towards the network, and without what we never use."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
import warnings
from collections.abc import Sequence
from threading import Lock, Thread, main_thread
from types import ModuleType

# Only the Kullback-Leibler and Kolmogorov-Smirnov expectations need these; together they are half of the import.
NEVER_USED = ("altair", "scipy.stats")
_NEVER_LOADED = "pyspark.sql.connect"  # looks for packages that we lack as it is imported, and then ends the program

# Held while Great Expectations or PySpark is imported: the first imports what it finds of the second, and two threads
# would see halves of modules that import each other.
IMPORTING = Lock()


class _Later(importlib.abc.MetaPathFinder):
    """Puts off the loading of a module until something is asked of it."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name == _NEVER_LOADED:
            raise ModuleNotFoundError(f"{name} is not for Great Expectations", name=name)
        if name not in NEVER_USED:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = importlib.util.LazyLoader(spec.loader)
        return spec


def load_great_expectations() -> None:
    """Import Great Expectations; about two seconds the first time in a process, nothing after.

    Call it before any other import of `great_expectations`: its switch for reporting home is read while it loads.
    """
    with IMPORTING:
        if "great_expectations" in sys.modules:
            return
        os.environ["GX_ANALYTICS_ENABLED"] = "false"
        finder = _Later()
        sys.meta_path.insert(0, finder)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # it imports sre_constants
                import great_expectations  # noqa: F401
        finally:
            sys.meta_path.remove(finder)


def load_ahead() -> None:
    """Begin to import it beside other work that leaves Python alone; whoever needs it then waits for the rest.

    It imports SQLAlchemy's ORM, which takes part in every statement from its first line on: half loaded, it would fail
    those that the ledger makes meanwhile. So that is loaded whole before.
    """
    importlib.import_module("sqlalchemy.orm")
    Thread(target=_load_beside).start()


def _load_beside() -> None:
    try:
        load_great_expectations()
    except RuntimeError:  # "after shutdown": the command ended by an error before it was needed
        if main_thread().is_alive():
            raise
