"""check-file: for producers, what their files would come to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.context import JsonOption, home_path, open_contracts
from pipelines.cli.output import Exit, say, say_json
from pipelines.clock import now
from pipelines.codes import CODES
from pipelines.config import load_config
from pipelines.contracts.load import load_contracts
from pipelines.contracts.model import Contracts
from pipelines.errors import UsageError
from pipelines.file_checks import EncodingOf, FileFinding, check_files

_MOST_SHOWN = 20  # rejected rows of a file; --rejects writes all


def check_file(
    context: typer.Context,
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Data or end files, or directories of them.")],
    encoding: Annotated[
        str | None, typer.Option("--encoding", help="utf-8 or gb18030; default: that of the source, else utf-8.")
    ] = None,
    contracts: Annotated[
        Path | None, typer.Option("--contracts", help="A directory of schemas; default: those of the home.")
    ] = None,
    rejects: Annotated[
        Path | None, typer.Option("--rejects", help="Write <stem>.REJ of each file into this directory.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check files as a load would, before they are sent; nothing is sent, loaded or noted. For producers.

    Example: tierline check-file outgoing/PAYM/ --encoding gb18030
    """
    home = home_path(context)
    for path in paths:
        if not path.exists():
            raise UsageError(f"{path}: expected a file or directory, found none")
    agreed = load_contracts(contracts) if contracts else open_contracts(home)
    found = check_files(paths, agreed, _encoding_of(home, encoding, agreed), now())
    if rejects:
        _write_rejects(rejects, found)
    if as_json:
        say_json([_content(each) for each in found])
    else:
        for each in found:
            _tell(each)
    sound = bool(found) and all(each.status in ("ACCEPTED", "SOUND") for each in found)
    if not found:
        raise UsageError("check-file: expected data or end files, found none")
    raise typer.Exit(Exit.DONE if sound else Exit.REFUSED)


def _encoding_of(home: Path, stated: str | None, agreed: Contracts) -> EncodingOf:
    """As stated for all sources, else as the home has them, else UTF-8."""
    if stated not in (None, "utf-8", "gb18030"):
        raise UsageError(f"--encoding {stated}: expected utf-8 or gb18030")
    if stated or not (home / "tierline.yaml").exists():
        return lambda _: stated or "utf-8"
    sources = load_config(home, agreed.feed_names).sources
    return lambda source: sources[source].encoding if source in sources else "utf-8"


def _write_rejects(directory: Path, found: list[FileFinding]) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for each in found:
        if each.rejects:
            (directory / f"{each.name.partition('.')[0]}.REJ").write_bytes(each.reject_lines)


def _tell(found: FileFinding) -> None:
    counts = f", {found.records} records" if found.records is not None else ""
    counts += f", {len(found.rejects)} of them rejected" if found.rejects else ""
    reader = f", read by version {found.version} as {found.encoding}" if found.version else ""
    say(f"{found.name}: {found.status}{f' {found.code}' if found.code else ''}{counts}{reader}")
    if found.code:
        say(f"  {CODES[found.code].meaning}: {found.reason}")
        say(f"  {CODES[found.code].producer}")
    elif found.reason and not found.rejects:
        say(f"  {found.reason}")
    for line, codes, columns in found.rejects[:_MOST_SHOWN]:
        pairs = zip(codes.split("+"), columns.split("+"), strict=True)
        words = (f"{code}{f' {column}' if column else ''}: {CODES[code].meaning}" for code, column in pairs)
        say(f"  line {line}: {'; '.join(words)}")
    if len(found.rejects) > _MOST_SHOWN:
        say(f"  … {len(found.rejects) - _MOST_SHOWN} more; --rejects DIR writes all, as the producer's .REJ has them")


def _content(found: FileFinding) -> dict[str, object]:
    rejects = [{"line": line, "codes": codes, "columns": columns} for line, codes, columns in found.rejects]
    values = {
        name: getattr(found, name) for name in ("name", "status", "code", "reason", "records", "version", "encoding")
    }
    return {**values, "rejected": len(rejects), "rejects": rejects}
