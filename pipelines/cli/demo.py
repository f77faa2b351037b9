"""The command demo: a small operator with two provinces on local servers, run through once from end to end."""

from __future__ import annotations

import shutil
import sys
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import duckdb
import typer

from pipelines.cli import work
from pipelines.cli.context import open_site
from pipelines.cli.fetch import fetch_step
from pipelines.cli.output import Exit, say, show_rows
from pipelines.clock import now
from pipelines.errors import UsageError
from pipelines.site import Scope, Site
from pipelines.transfer.base import Endpoint
from sftp_fixtures.province import make_province
from sftp_fixtures.servers import ftps_server, sftp_server

_MARKER = ".tierline-demo"
_PROVINCES = {"110": "gb18030", "440": "utf-8"}
_FEEDS = "[CUST, USER, PAYM, CHNG, BILL, USGE, CONT, WORD]"
_TIERS = "select tier, reason, count(*) as subscribers from mart.tier group by all order by subscribers desc"
_KPIS = """
    select kpi, month, numerator, denominator, value
    from mart.kpi
    where source = 'ALL' and tier = 'ALL'
    qualify month = max(month) over (partition by kpi)
    order by kpi
"""


def demo(
    directory: Annotated[Path, typer.Option("--dir", help="Where the demo lives; made anew each time.")] = Path("demo"),
    subscribers: Annotated[int, typer.Option("--subscribers", min=100, help="Subscribers of each province.")] = 2000,
    seed: Annotated[int, typer.Option("--seed", help="The same seed makes the same provinces.")] = 1,
) -> None:
    """Start local SFTP and FTPS servers, make two small provinces, and run everything below once.

    Example: tierline demo --subscribers 5000
    """
    clear(directory)
    servers = directory / "servers"
    make_provinces(servers, subscribers, seed)
    home = directory / "home"
    with ExitStack() as stack:
        endpoints = serve(stack, servers)
        configure(home, endpoints)
        site = open_site(home)
        say(f"servers: SFTP on port {endpoints['110'].port}, FTPS on port {endpoints['440'].port}, until this is done")
        failed = _run(site)
    _show(home)
    if failed:
        raise typer.Exit(Exit.FAILED)


def make_provinces(servers: Path, subscribers: int, seed: int) -> None:
    """What the provinces' billing systems have written by now, a directory each, and say how much that is."""
    end = now()
    for source, encoding in _PROVINCES.items():
        made = make_province(
            servers / source, source=source, subscribers=subscribers, months=4, days=2, end=end,
            seed=seed + int(source), encoding=encoding, bad_share=0.0005,
        )  # fmt: skip
        batches = sum(len(each) for each in made.batches.values())
        say(f"province {source}: {batches} batches of {len(made.batches)} feeds, {made.bytes >> 10} KiB in {encoding}")


def serve(stack: ExitStack, servers: Path) -> dict[str, Endpoint]:
    """A server for each province, until the stack is left."""
    return {
        "110": stack.enter_context(sftp_server(servers / "110")),
        "440": stack.enter_context(ftps_server(servers / "440")),
    }


def clear(directory: Path) -> None:
    """Begin anew, but never remove a directory that no demo made."""
    if directory.exists() and any(directory.iterdir()):
        if not (directory / _MARKER).exists():
            raise UsageError(f"--dir {directory}: expected a directory that is empty or was made by a demo")
        shutil.rmtree(directory)
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    (directory / _MARKER).touch()


def configure(home: Path, endpoints: dict[str, Endpoint]) -> None:
    """A home whose sources are these servers."""
    (home / "secrets").mkdir(mode=0o700, parents=True)
    lines = ["timezone: Asia/Shanghai", "sources:"]
    for source, endpoint in endpoints.items():
        secret = home / "secrets" / source
        secret.touch(mode=0o600)
        secret.write_text(endpoint.secret or "")
        lines += [
            f'  "{source}":',
            f"    url: {endpoint.scheme}://{endpoint.user}@{endpoint.host}:{endpoint.port}{endpoint.root}",
            f"    secret: file:secrets/{source}",
            f"    encoding: {_PROVINCES[source]}",
            f"    feeds: {_FEEDS}",
        ]
        if endpoint.host_key:
            lines.append(f'    host_key: "{endpoint.host_key}"')
        if endpoint.ca_file:
            shutil.copy(endpoint.ca_file, home / "secrets" / f"{source}-ca.pem")
            lines.append(f"    ca_file: secrets/{source}-ca.pem")
    (home / "tierline.yaml").write_text("\n".join(lines) + "\n")


def _run(site: Site) -> bool:
    """The steps of `tierline run`; returns whether one of them failed."""
    statuses = [fetch_step(site, Scope()), work.load_step(site, Scope())]
    work.build_step(site, (site.now - timedelta(days=1)).date(), None)
    work.publish_step(site, republish=False)
    return Exit.FAILED in statuses


def _show(home: Path) -> None:
    with duckdb.connect(str(home / "bi" / "current.duckdb"), read_only=True) as connection:
        for title, sql in (("Service tiers", _TIERS), ("KPIs of the last month, all sources and tiers", _KPIS)):
            result = connection.execute(sql)
            columns = [each[0] for each in result.description or []]
            say("")
            show_rows(columns, result.fetchall(), as_json=False, title=title)
        rejected = connection.execute("select stem from ops.batch where rejected > 0 order by stem limit 1").fetchall()
    for path in sorted((home / "publish" / "TIER").glob("*.DAT"))[:1]:
        say(f"\nTIER list: {path}")
        for line in path.read_text().splitlines()[:4]:
            say(f"  {line}")
    say("\nLook further:")
    for command in (
        "batches",
        *(f"batch rejects {stem}" for (stem,) in rejected),
        "cycles",
        "feeds show PAYM",
        'query "from mart.kpi"',
    ):
        say(f"  {sys.argv[0]} --home {home} {command}")
