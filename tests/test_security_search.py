"""A search of everything that is written and said outside the data itself: no person's number or name, no secret."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb
import pytest
from fastapi.testclient import TestClient
from message_servers import mail_server, webhook
from running import FEEDS, make_home, tierline

from pipelines.cli.context import close_sites
from pipelines.page.app import page_app
from sftp_fixtures.province import make_province
from sftp_fixtures.servers import ftps_server, sftp_server
from sftp_fixtures.tls import make_certificate

NOW, NEXT_DAY = "2026-11-22T12:00:00", "2026-11-23T08:00:00"
# Where the data itself is; lists for programs hold full numbers, and so does what is for the owner alone.
DATA = ("archive", "staged", "quarantine", "warehouse", "landing", "publish", "rebuilt")
PEOPLE = """
    select service_number from core.subscriber union select service_number from core.payment
    union select service_number from core.bill union select counterpart from core.usage
    union select contact_phone from core.customer union select id_number from core.customer
    union select customer_name from core.customer union select email from core.customer
    union select address from core.customer union select old_value from core.subscriber_change where change_type = '08'
"""


@dataclass(frozen=True)
class Place:
    """A home after a day's work, what its commands and page said, and what nobody may read in that."""

    home: Path
    said: dict[str, str]
    secrets: list[str]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    work = tmp_path_factory.mktemp("search")
    end = datetime.fromisoformat(NOW)
    for source in ("110", "440"):
        make_province(
            work / source, source=source, subscribers=100, months=2, days=1, hours=2, end=end, seed=7, bad_share=0.02
        )
    made = make_certificate(work)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.certificate_file, made.key_file)
    with ExitStack() as stack:
        (work / "acd").mkdir()
        first, second = stack.enter_context(sftp_server(work / "110")), stack.enter_context(ftps_server(work / "440"))
        receiver = stack.enter_context(sftp_server(work / "acd"))
        hook, mailbox = stack.enter_context(webhook()), stack.enter_context(mail_server(context, "s3cret-mail"))
        extra = (
            f'  "440":\n    url: ftps://{second.user}@{second.host}:{second.port}{second.root}\n'
            f'    secret: file:second\n    ca_file: "{second.ca_file}"\n    feeds: {FEEDS}\n'
            f"receivers:\n  acd:\n    url: sftp://{receiver.user}@{receiver.host}:{receiver.port}{receiver.root}\n"
            f'    secret: file:third\n    host_key: "{receiver.host_key}"\n    lists: [TIER, CARD, CALL]\n'
            "alarms:\n  webhook: {url_secret: 'file:hook', secret: 'file:bearer'}\n"
            f"  mail: {{server: 'smtp://tierline@127.0.0.1:{mailbox.port}', secret: 'file:mail', "
            f"ca_file: '{made.ca_file}', from: tierline@example.cn, to: [noc@example.cn]}}\n"
        )
        home = make_home(work / "home", first, extra=extra)
        secrets = {
            "secret": first.secret, "second": second.secret, "third": receiver.secret, "hook": hook.url,
            "bearer": "s3cret-bearer", "mail": "s3cret-mail",
        }  # fmt: skip
        for name, secret in secrets.items():
            (home / name).write_text(secret or "")
        said = _work(home)
        said["webhook"] = str([posted for _, posted in hook.posts])
        said["mails"] = "".join(mail.get_payload(decode=True).decode() for mail in mailbox.mails)  # type: ignore[union-attr]
        yield Place(home, said, [secret for name, secret in secrets.items() if name != "hook" and secret] + ["T0P"])


def _work(home: Path) -> dict[str, str]:
    """A day's work, and everything that an operator may ask; by command, what was said."""
    (home / "second").rename(home / "away")
    said = {"a missing secret": _said(home, "fetch")}
    (home / "away").rename(home / "second")
    (home / "secret").rename(home / "away")
    (home / "secret").write_text("s3cret-wrong")
    said["a wrong secret"] = _said(home, "fetch")
    (home / "away").rename(home / "secret")
    said["run"] = _said(home, "run", "--as-of", "2026-11-21")
    with duckdb.connect(str(home / "bi" / "private.duckdb"), read_only=True) as state:
        ((user, customer),) = state.execute("select user_id, customer_id from core.subscriber limit 1").fetchall()
        ((rejected,),) = state.execute("select stem from ops.batch where rejected > 0 order by 1 limit 1").fetchall()
        ((loaded,),) = state.execute("select stem from ops.batch where feed = 'WORD' order by 1 limit 1").fetchall()
    for command in (
        "doctor", "batches", "batches --left", f"batch show {rejected}", "cycles", "quality", "deliveries", "metrics",
        f"batch discard {loaded} --why mistaken", "deliver", f"explain user {user}", f"explain customer {customer}",
        "policy show", "backups verify", "rebuild --into " + str(home / "rebuilt"), "feeds", "dictionary", "pools",
        "digest --day 2026-11-22 --send",
    ):  # fmt: skip
        said[command] = _said(home, *command.split())
    shown = TestClient(page_app(home, lambda: "somebody", lambda user: False))
    for address in ("/", "/batches", f"/batch/{rejected}", f"/batch/{loaded}", "/alarms"):
        said[f"page {address}"] = shown.get(address).text
    close_sites()
    return said


def _said(home: Path, *words: str) -> str:
    ran = tierline(home, *words, now=NEXT_DAY if words[0] == "digest" else NOW)
    assert "Traceback" not in ran.err
    return ran.out + ran.err


def _written(home: Path) -> Iterator[tuple[str, str]]:
    """Every file outside the data, as text; databases and Parquet with all that they hold."""
    for path in sorted(home.rglob("*")):
        name = str(path.relative_to(home))
        if not path.is_file() or name.startswith(DATA) or path.is_symlink() or path.name == "private.duckdb":
            continue
        if path.suffix in (".duckdb", ".parquet"):
            yield name, _rows(path)
        else:
            yield name, path.read_bytes().decode(errors="replace")


def _rows(path: Path) -> str:
    if path.suffix == ".parquet":
        with duckdb.connect() as connection:
            return str(connection.execute(f"from '{path}'").fetchall())
    with duckdb.connect(str(path), read_only=True) as state:
        tables = state.execute("select schema_name || '.' || table_name from duckdb_tables()").fetchall()
        return "".join(str(state.execute(f"from {table}").fetchall()) for (table,) in tables)


def test_no_person_is_in_anything_but_the_data(place: Place) -> None:
    with duckdb.connect(str(place.home / "bi" / "private.duckdb"), read_only=True) as state:
        people = {value for (value,) in state.execute(PEOPLE).fetchall() if value and len(value) > 2}
    assert len(people) > 400
    seen = 0
    for name, text in [*place.said.items(), *_written(place.home)]:
        seen += 1
        assert [person for person in people if person in text] == [], name
    assert seen > 60
    assert any(person in path.read_text() for person in people for path in (place.home / "publish").rglob("*.DAT"))


def test_no_secret_is_in_anything(place: Place) -> None:
    """Nor in the data: in no file of the home but those that hold the secrets, nor in what was said to anybody."""
    holders = {"secret", "second", "third", "hook", "bearer", "mail"}
    files = [path for path in place.home.rglob("*") if path.is_file() and path.name not in holders]
    assert len(files) > 100
    everything = [*place.said.items(), *((path.name, path.read_bytes().decode("latin-1")) for path in files)]
    assert len(place.secrets) == 6
    for name, text in everything:
        assert [secret for secret in [*place.secrets, "s3cret-wrong"] if secret in text] == [], name
