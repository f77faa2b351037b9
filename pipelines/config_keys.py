"""Every key of `tierline.yaml`: what it means, what holds without it. The manual's reference is made of this."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Key:
    """One key. `default`: the value where the key is left out; `least` and `most`: the numbers allowed.

    `otherwise` says in words what holds without the key, where that is no value.
    """

    meaning: str
    default: int | str | bool | None = None
    least: int = 0
    otherwise: str = ""
    is_required: bool = False
    most: int = 10_000_000


_CONNECTION = {
    "url": Key(
        "`sftp://user@host:port/root`, `ftps://…` (explicit TLS), `ftp://…` (insecure, `doctor` says so), or "
        "`file:///root` for a directory of this machine; never with a password in it; "
        "? and # of a directory's name are written %3F and %23",
        is_required=True,
    ),
    "secret": Key(
        "where the password is, or the passphrase of `key_file`: `env:NAME`, `file:PATH` or `airflow:CONNECTION_ID`",
        otherwise="none; keys of an SSH agent are tried",
    ),
    "key_file": Key("SSH key", otherwise="password"),
    "host_key": Key("the server's SSH host key, pinned: `ssh-ed25519 AAAA…`", otherwise="`known_hosts`"),
    "known_hosts": Key("file of host keys, instead of `host_key`", otherwise="none: an unknown server is refused"),
    "ca_file": Key("FTPS: the authority that signed the server's certificate", otherwise="the system's authorities"),
    "connect_timeout": Key("seconds to connect", 15, 1),
    "idle_timeout": Key("seconds without a byte after which a transfer is given up", 60, 1),
    "retries": Key("new connections in a row after a cut, with growing waits", 3),
    "encoding": Key("`utf-8` or `gb18030`", "utf-8"),
}

TOP = {
    "sources": Key('the producers, by their three digits in quotes, such as `"110"`', is_required=True),
    "receivers": Key("who gets which lists, by a short name", otherwise="nobody"),
    "timezone": Key("`Asia/Shanghai`; nothing else yet", "Asia/Shanghai"),
    "policy": Key("the policy file", otherwise="`schemas/policy/default.yaml` of the project"),
    "contracts": Key("the directory of schemas: `feeds/`, `codes/`", otherwise="those that ship"),
    "ledger": Key(
        "a PostgreSQL database, `postgresql+psycopg://tierline@db.example/tierline`, or a file, `sqlite:///PATH`, from "
        "the home on",
        otherwise="`ledger.sqlite` here",
    ),
    "ledger_secret": Key("its password, as `secret` of a source", otherwise="none"),
    "shared": Key(
        "the directory of `landing/ staged/ archive/ quarantine/`, where several workers share them; needs a ledger in "
        "PostgreSQL",
        otherwise="the home",
    ),
    "store": Key(
        "an object store (S3) for what is kept and staged, where several workers share no directory; needs a ledger in "
        "PostgreSQL",
        otherwise="none",
    ),
    "role": Key(
        "`whole`, or `intake` for a worker that fetches, checks and acknowledges, and has no warehouse; needs a ledger "
        "in PostgreSQL",
        "whole",
    ),
    "watch_days": Key("how many days back cycles that do not come are looked for", 35, 1, most=3660),
    "memory": Key(
        "MB that DuckDB may use for loads, builds and publications; about 1,000 a million subscribers", 3000, 1000
    ),
    "engine": Key("what makes core and marts: `duckdb`, on this machine, or `spark`", "duckdb"),
    "spark": Key("how Spark is reached, where it is the engine", otherwise="the defaults below"),
    "alarms": Key("`webhook` and `mail`, who is told of alarms", otherwise="log and standard error alone"),
}

SOURCE = {
    **_CONNECTION,
    "feeds": Key("feeds that the source sends", is_required=True),
    "since": Key("day from which cycles are due, such as `2026-10-01`", otherwise="its first cycle that came"),
    "patience": Key("seconds that a file may wait for its other half before it is reported", 1800),
    "settle": Key("seconds before a file whose size is not that of its check file is fetched once more", 2),
    "connections": Key("connections to the server at once, 1 to 8; pays for far servers", 1, 1, most=8),
}

RECEIVER = {
    **_CONNECTION,
    "lists": Key("TIER, WARN, CALL, CARD, WORK, KPIM", is_required=True),
    "sources": Key('the sources whose lists it gets; `"000"`: KPIs of all together', otherwise="all, and `000`"),
    "receipts": Key("`true` where it answers each list with a receipt", False),
    "receipt_within": Key("seconds within which that has to come", 86_400, 1),
}

SPARK = {
    "master": Key("Spark's master: `local[*]`, `spark://host:7077`, `yarn`, `k8s://…`", "local[*]"),
    "recent_months": Key(
        "months of facts that are published in `bi/`; below 18 `explain` and `policy try` are refused", 18, 1, most=1200
    ),
    "lake": Key("directory of core and marts as Parquet, for all of Spark's workers", otherwise="`lake/` here"),
    "settings": Key("Spark's own settings, such as `spark.executor.memory: 4g`", otherwise="Spark's"),
}

STORE = {
    "url": Key("bucket and prefix, such as `s3://tierline/province`", is_required=True),
    "endpoint": Key("the server, such as `https://minio.example:9000`", otherwise="Amazon's"),
    "region": Key("its region", "us-east-1"),
    "access_key": Key("who we are to it", otherwise="what boto3 finds: environment, profile, role of the machine"),
    "secret": Key("the secret of `access_key`, as that of a source", otherwise="as `access_key`"),
    "ca_file": Key("the authority of the server's certificate", otherwise="the system's authorities"),
}

WEBHOOK = {
    "url": Key("where alarms are posted as JSON", otherwise="`url_secret` is required"),
    "url_secret": Key("where that address is kept, if whoever knows it may post", otherwise="`url` is required"),
    "secret": Key("token, sent as `Authorization: Bearer …`", otherwise="none"),
}

MAIL = {
    "server": Key("`smtp://user@mail.example:587` (STARTTLS where there is a secret) or `smtps://…`", is_required=True),
    "from": Key("sender", is_required=True),
    "to": Key("list of addresses", is_required=True),
    "secret": Key("password of the user in `server`", otherwise="no log-in"),
    "ca_file": Key("the authority of the server's certificate", otherwise="the system's authorities"),
}


def required(keys: dict[str, Key]) -> list[str]:
    """The keys that must be there."""
    return [name for name, key in keys.items() if key.is_required]


def optional(keys: dict[str, Key]) -> list[str]:
    """The keys that may be left out."""
    return [name for name, key in keys.items() if not key.is_required]
