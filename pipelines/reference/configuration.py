"""The page of `tierline.yaml`, from the keys that are read."""

from __future__ import annotations

from collections.abc import Iterator

from pipelines.config_keys import MAIL, RECEIVER, SOURCE, SPARK, STORE, TOP, WEBHOOK, Key
from pipelines.reference.markdown import table

_ABOUT_CONFIGURATION = """\
`tierline.yaml` in the home directory. An unknown key, a wrong type or a missing secret stops every command with exit
status 2 and names file, line, key and what is expected. Paths are relative to the home. `tierline doctor` tries it all.
"""
_ABOUT_ENVIRONMENT = """\
## Environment

`TIERLINE_HOME`: the home directory. `TIERLINE_NOW`: the present moment for rehearsals, an ISO time or `@PATH` of a file
that holds one. `TMPDIR`: where `policy try` and `check-file` keep what does not fit into memory."""


def configuration() -> Iterator[str]:
    """Every key, what it means, and what holds without it."""
    yield _ABOUT_CONFIGURATION
    parts = {
        "At the top": TOP,
        "A source": SOURCE,
        "A receiver": RECEIVER,
        "store": STORE,
        "spark": SPARK,
        "alarms: webhook": WEBHOOK,
        "alarms: mail": MAIL,
    }
    for title, keys in parts.items():
        yield f"## {title}\n"
        yield from table(["key", "meaning", "without it"], [_key(name, key) for name, key in keys.items()])
    yield _ABOUT_ENVIRONMENT


def _key(name: str, key: Key) -> list[str]:
    default = str(key.default).lower() if isinstance(key.default, bool) else str(key.default)
    without = "**required**" if key.is_required else key.otherwise or f"`{default}`"
    return [f"`{name}`", key.meaning, without]
