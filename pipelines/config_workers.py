"""What `tierline.yaml` says of several workers: what they share, and which of them has the warehouse."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from pipelines.config_fields import SecretRef, is_http, read_file, read_secret
from pipelines.config_keys import STORE, optional, required
from pipelines.contracts.yaml_lines import Item
from pipelines.errors import UsageError

_URL = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?P<prefix>(/[A-Za-z0-9._=-]+)*)/?")


@dataclass(frozen=True)
class StoreConfig:
    """An object store: bucket and prefix (empty, or one that ends with a slash), and how it is reached.

    Without `endpoint` it is Amazon's; without `access_key` and `secret` boto3 looks for them where it always does.
    """

    bucket: str
    prefix: str
    endpoint: str | None
    region: str
    access_key: str | None
    secret: SecretRef | None
    ca_file: str | None

    @property
    def url(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}"


@dataclass(frozen=True)
class Workers:
    """The part of a home: `shared` or `store` None where there is none; `is_intake`: it has no warehouse."""

    shared: Path | None = None
    store: StoreConfig | None = None
    is_intake: bool = False

    def require_warehouse(self, step: str) -> None:
        """Raises UsageError in the home of an intake worker: the warehouse is another's."""
        if self.is_intake:
            raise UsageError(
                f"{step}: this is the home of an intake worker (tierline.yaml, key role), which has no warehouse; "
                "run it in the home with the warehouse"
            )


ALONE = Workers()


def read_workers(fields: dict[str, Item], home: Path) -> Workers:
    """Raises ConfigurationError where ledger and locks would be of one machine, and hold on no other."""
    is_intake = "role" in fields and fields["role"].choice(["whole", "intake"]) == "intake"
    ledger = fields["ledger"].text() if "ledger" in fields else "sqlite"
    for key, is_asked in (("shared", "shared" in fields), ("store", "store" in fields), ("role", is_intake)):
        if is_asked and not ledger.startswith("postgresql"):
            raise fields[key].error("the key ledger to name a PostgreSQL database for it", "a ledger of this machine")
    if "shared" in fields and "store" in fields:
        raise fields["store"].error("either shared, a directory, or store, an object store", "both")
    if is_intake and "shared" not in fields and "store" not in fields:
        raise fields["role"].error(
            "the key shared or store beside it, for what this worker stages the warehouse's home loads"
        )
    return Workers(
        home / fields["shared"].text() if "shared" in fields else None,
        _store(fields["store"], home) if "store" in fields else None,
        is_intake,
    )


def _store(item: Item, home: Path) -> StoreConfig:
    fields = item.fields(required(STORE), optional(STORE))
    url = _URL.fullmatch(fields["url"].text())
    if url is None:
        raise fields["url"].error("a bucket and a prefix, such as s3://tierline/province", "another, not shown here")
    if ("access_key" in fields) != ("secret" in fields):
        raise item.error("access_key and secret together, or neither, where boto3 finds its own", "one of them")
    ca_file = fields["ca_file"].text() if "ca_file" in fields else None
    return StoreConfig(
        bucket=url["bucket"],
        prefix=f"{url['prefix'][1:]}/" if url["prefix"] else "",
        endpoint=_endpoint(fields["endpoint"]) if "endpoint" in fields else None,
        region=fields["region"].text() if "region" in fields else str(STORE["region"].default),
        access_key=fields["access_key"].text() if "access_key" in fields else None,
        secret=read_secret(fields, home),
        ca_file=read_file(ca_file, home),
    )


def _endpoint(item: Item) -> str:
    stated = item.text()
    if not is_http(stated):
        raise item.error("a URL such as https://minio.example:9000, without a user or password in it", "another")
    return stated
