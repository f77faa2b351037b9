"""`tierline.yaml`: sources, receivers, policy, contracts; read once, checked, frozen. Keys: see config_keys."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from sqlalchemy.engine import URL

from pipelines.config_engine import SparkConfig, read_engine
from pipelines.config_fields import (
    SecretRef,
    read_date,
    read_encoding,
    read_endpoint,
    read_secret,
    read_whole,
)
from pipelines.config_keys import RECEIVER, SOURCE, TOP, optional, required
from pipelines.config_telling import MailConfig, WebhookConfig, read_mail, read_webhook
from pipelines.config_workers import ALONE, Workers, read_workers
from pipelines.contracts.load import DEFAULT_SCHEMAS
from pipelines.contracts.yaml_lines import Item, read_yaml
from pipelines.errors import ConfigurationError
from pipelines.ledger.address import ledger_url
from pipelines.lists import LISTS, NATION
from pipelines.transfer.base import Endpoint

FILE_NAME = "tierline.yaml"


@dataclass(frozen=True)
class SourceConfig:
    """One producer: where it is, how it writes, which feeds it sends.

    `patience_s`: how long a file may be unpaired; `settle_s`: pause before a file of another size than its check file
    says is fetched once more; `connections`: how many to the server at once, at most.
    """

    source: str
    endpoint: Endpoint
    secret: SecretRef | None
    encoding: str
    since: date | None
    feeds: tuple[str, ...]
    patience_s: int
    settle_s: int
    connections: int

    def with_secret(self) -> Endpoint:
        """The endpoint with its secret read, for the moment of connecting."""
        return replace(self.endpoint, secret=self.secret.read()) if self.secret else self.endpoint


@dataclass(frozen=True)
class ReceiverConfig:
    """One downstream system that lists are delivered to, and whether and how soon it answers with receipts."""

    receiver: str
    endpoint: Endpoint
    secret: SecretRef | None
    lists: tuple[str, ...]
    sources: tuple[str, ...]
    encoding: str
    receipts: bool = False
    receipt_within_s: int = 86_400

    def with_secret(self) -> Endpoint:
        """The endpoint with its secret read, for the moment of connecting."""
        return replace(self.endpoint, secret=self.secret.read()) if self.secret else self.endpoint


@dataclass(frozen=True)
class Config:
    """The whole of `tierline.yaml`."""

    sources: dict[str, SourceConfig]
    receivers: dict[str, ReceiverConfig]
    policy: Path
    contracts: Path
    ledger: str | None
    ledger_secret: SecretRef | None
    watch_days: int
    memory_mb: int
    spark: SparkConfig | None = None
    workers: Workers = ALONE
    webhook: WebhookConfig | None = None
    mail: MailConfig | None = None

    def ledger_url(self, home: Path) -> URL:
        """Raises ConfigurationError for a URL that is none of a ledger."""
        return ledger_url(self.ledger, home)


def load_config(home: Path, known_feeds: tuple[str, ...] | None = None) -> Config:
    """Read `tierline.yaml` of a home. Raises ConfigurationError naming file, line, key and what is expected."""
    path = home / FILE_NAME
    if not path.exists():
        raise ConfigurationError(
            f"{path}: expected a configuration, found none; name its directory with --home or "
            "TIERLINE_HOME. 'tierline demo' makes one in demo/home, README shows a template."
        )
    root = read_yaml(path, FILE_NAME)
    fields = root.fields(required(TOP), optional(TOP))
    if "timezone" in fields:
        fields["timezone"].choice(["Asia/Shanghai"])
    sources = _named(fields["sources"], "[0-9]{3}", "a source of three digits")
    alarms = fields["alarms"].fields([], ["webhook", "mail"]) if "alarms" in fields else {}
    receivers = _named(fields["receivers"], "[a-z][a-z0-9_]{0,39}", "a short name") if "receivers" in fields else {}
    spark, workers = read_engine(home, fields), read_workers(fields, home)
    if workers.store and spark and not spark.master.startswith("local"):
        raise fields["store"].error(
            "the key shared in its place, a directory that Spark's workers see, for they read staged rows there"
        )
    return Config(
        sources={name: _source(home, name, item, known_feeds) for name, item in sources.items()},
        receivers={name: _receiver(home, name, item, tuple(sources)) for name, item in receivers.items()},
        policy=_path(home, fields.get("policy"), DEFAULT_SCHEMAS / "policy" / "default.yaml"),
        contracts=_path(home, fields.get("contracts"), DEFAULT_SCHEMAS),
        ledger=fields["ledger"].text() if "ledger" in fields else None,
        ledger_secret=read_secret(fields, home, "ledger_secret"),
        watch_days=read_whole(fields, TOP, "watch_days"),
        memory_mb=read_whole(fields, TOP, "memory"),
        spark=spark,
        workers=workers,
        webhook=read_webhook(home, alarms["webhook"]) if "webhook" in alarms else None,
        mail=read_mail(home, alarms["mail"]) if "mail" in alarms else None,
    )


def _named(item: Item, form: str, expected: str) -> dict[str, Item]:
    if not isinstance(item.value, dict) or not item.value:
        raise item.error("a mapping with at least one entry")
    for name, entry in item.value.items():
        if not re.fullmatch(form, name):
            raise entry.error(expected, f'"{name}"')
    return item.value


def _path(home: Path, item: Item | None, default: Path) -> Path:
    """A path of the configuration: relative to the home where it exists there, else to the schemas that ship."""
    if item is None:
        return default
    stated = Path(item.text())
    for candidate in (home / stated, DEFAULT_SCHEMAS / stated, DEFAULT_SCHEMAS.parent / stated):
        if candidate.exists():
            return candidate
    raise item.error("a path that exists, relative to the home directory", f'"{stated}"')


def _source(home: Path, name: str, item: Item, known_feeds: tuple[str, ...] | None) -> SourceConfig:
    fields = item.fields(required(SOURCE), optional(SOURCE))
    return SourceConfig(
        source=name,
        endpoint=read_endpoint(fields, home),
        secret=read_secret(fields, home),
        encoding=read_encoding(fields),
        since=read_date(fields["since"]) if "since" in fields else None,
        feeds=fields["feeds"].texts(known_feeds),
        patience_s=read_whole(fields, SOURCE, "patience"),
        settle_s=read_whole(fields, SOURCE, "settle"),
        connections=read_whole(fields, SOURCE, "connections"),
    )


def _receiver(home: Path, name: str, item: Item, sources: tuple[str, ...]) -> ReceiverConfig:
    fields = item.fields(required(RECEIVER), optional(RECEIVER))
    return ReceiverConfig(
        receiver=name,
        endpoint=read_endpoint(fields, home),
        secret=read_secret(fields, home),
        lists=fields["lists"].texts([kind.name for kind in LISTS]),
        sources=fields["sources"].texts([*sources, NATION]) if "sources" in fields else (*sources, NATION),
        encoding=read_encoding(fields),
        receipts=fields["receipts"].flag() if "receipts" in fields else False,
        receipt_within_s=read_whole(fields, RECEIVER, "receipt_within"),
    )
