"""Feed contracts as frozen values: what a file of a feed must look like, and what its rows must hold.

They are read from YAML once (`pipelines.contracts.load`) and never change while a process lives.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cached_property

from pipelines.contracts.measures import Measure, QualityRule, measures_of
from pipelines.contracts.measures import Severity as Severity
from pipelines.errors import ConfigurationError


class Type(StrEnum):
    """The types of the file interface (section 4); `id` is text of letters and digits."""

    TEXT = "text"
    ID = "id"
    CODE = "code"
    INTEGER = "integer"
    MONEY = "money"
    DATE = "date"
    TIMESTAMP = "timestamp"
    MONTH = "month"


class Cadence(StrEnum):
    """How long a cycle is: the form of CYCLE in a file's name follows from it."""

    HOURLY = "hourly"
    DAILY = "daily"
    MONTHLY = "monthly"


class Mode(StrEnum):
    """I: what changed since; F: everything there is."""

    INCREMENT = "I"
    FULL = "F"


class RuleKind(StrEnum):
    """What a rule's condition decides, and with it the code of a row that breaks it."""

    REQUIRED_WHEN = "required_when"  # E402 where the condition is true and the value is missing
    ONLY_WHEN = "only_when"  # E408 where the value is present and the condition is false
    PATTERN = "pattern"  # E405 where the value does not match the whole pattern (only where `when` is true)
    RANGE = "range"  # E407 where the condition is false
    RULE = "rule"  # E408 where the condition is false
    CHECK_DIGIT = "check_digit"  # E411 where the named scheme denies the value (only where `when` is true)


@dataclass(frozen=True)
class Code:
    """One entry of a code list. `attributes` are further columns of the list, as text."""

    value: str
    title_en: str
    title_zh: str
    attributes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class CodeList:
    """A named list of codes; it becomes the reference table `core.<name>`."""

    name: str
    title_en: str
    title_zh: str
    codes: tuple[Code, ...]


@dataclass(frozen=True)
class Rule:
    """One rule of a column beyond its type.

    `expression` is a condition in SQL over the row's columns and `cycle`, `cycle_start`, `cycle_end`, `source`
    (three-valued: a missing value breaks no rule, nor one that try_cast cannot read); for PATTERN a regular expression,
    for CHECK_DIGIT a scheme.
    `when` narrows PATTERN and CHECK_DIGIT to rows where it is true.
    """

    kind: RuleKind
    expression: str
    description: str
    when: str | None = None


@dataclass(frozen=True)
class Column:
    """One field of a record, in the order of the file."""

    name: str
    type: Type
    title_en: str
    title_zh: str
    description: str
    required: bool = False
    personal: bool = False
    mask: str | None = None  # how personal data is shown: phone, number, name, email, hidden
    min_length: int | None = None
    max_length: int | None = None
    code_list: CodeList | None = None
    codes: tuple[str, ...] = ()  # the codes allowed here; of `code_list`, all unless narrowed
    rules: tuple[Rule, ...] = ()


@dataclass(frozen=True)
class ForeignKey:
    """A column that names the entity of another feed; one not found is an orphan (E506)."""

    column: str
    feed: str
    to_column: str


@dataclass(frozen=True)
class Limits:
    """What a file may be at most (E205): bytes uncompressed, bytes a line, gzip ratio."""

    file_bytes: int
    line_bytes: int
    gzip_ratio: int


@dataclass(frozen=True)
class Rejects:
    """How many rows may be rejected before the file is refused (E501): `rows` or `share`, whichever is more."""

    rows: int
    share: float


@dataclass(frozen=True)
class Schedule:
    """When a cycle is expected, and how long after that it is late and missing.

    `expected_s` counts seconds from the end of the cycle (for BILL: day 3, 06:00 of the next month).
    """

    cadence: Cadence
    expected_s: int
    late_after_s: int
    missing_after_s: int


@dataclass(frozen=True)
class Contract:
    """Everything that is agreed for one feed in one format version; the newest one knows the versions before it.

    All versions agree in what the warehouse is built on: table, key, types and masks of columns (`contracts.versions`).
    Schedule, retention, snapshot share, event time and quality are the newest's in all of them.
    """

    feed: str
    format_version: str
    title_en: str
    title_zh: str
    description: str
    table: str  # the name below core.
    stateful: bool  # type-2 history of whole states, else facts
    modes: tuple[Mode, ...]
    delimiter: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    control_column: str | None
    delete_when: str | None  # rows that need only `delete_needs`
    delete_needs: tuple[str, ...]
    foreign_keys: tuple[ForeignKey, ...]
    rejects: Rejects
    limits: Limits
    schedule: Schedule
    retention_days: int
    snapshot_drop_share: float | None  # E505: a full snapshot may shrink by this share
    event_time: str | None = None  # the timestamp column that says when what a row tells happened
    quality: tuple[QualityRule, ...] = ()  # what is expected of a cycle otherwise than the policy says
    holds_from: date | None = None  # first day on which a cycle in this version may begin; None: any day
    read_until: date | None = None  # last day on which a cycle in this version may begin; None: any day
    former: tuple[Contract, ...] = ()  # the versions before this one, oldest first; theirs are empty

    @cached_property
    def column_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @property
    def versions(self) -> tuple[Contract, ...]:
        """All versions that are read, oldest first."""
        return (*self.former, self)

    @cached_property
    def stored_columns(self) -> tuple[Column, ...]:
        """What staged rows and core hold: the newest's columns, then those that only older versions have.

        Of these the newer version's come first. In a row of a version that lacks a column it is null.
        """
        found: dict[str, Column] = {}
        for version in reversed(self.versions):
            for column in version.columns:
                found.setdefault(column.name, column)
        return tuple(found.values())

    def reads(self, format_version: str, day: date) -> Contract | None:
        """The version that reads a file of that format version for a cycle that begins on `day`; None: E305.

        The day decides, not when a file comes: provinces do not switch at once, and old cycles come again.
        """
        for version in self.versions:
            if version.format_version == format_version:
                is_begun = version.holds_from is None or version.holds_from <= day
                is_over = version.read_until is not None and version.read_until < day
                return version if is_begun and not is_over else None
        return None

    @cached_property
    def measures(self) -> tuple[Measure, ...]:
        """What is measured of a cycle as a whole (`contracts.measures`); of the newest version."""
        return measures_of(self)

    @property
    def entity_key(self) -> str:
        """The column that names the entity of a stateful feed (its key without op_time)."""
        return self.key[0]

    def column(self, name: str) -> Column:
        return self.columns[self.column_names.index(name)]


@dataclass(frozen=True)
class Contracts:
    """All contracts of an installation, by feed, and the code lists they share."""

    feeds: tuple[Contract, ...]
    code_lists: tuple[CodeList, ...]

    def __getitem__(self, feed: str) -> Contract:
        """The contract of a feed; raises ConfigurationError where there is none (any more)."""
        for contract in self.feeds:
            if contract.feed == feed:
                return contract
        raise ConfigurationError(
            f"{feed}: expected a contract for each feed of which batches stand or are asked for, found none among "
            f"{', '.join(self.feed_names)}; put feeds/{feed}.yaml back"
        )

    def __contains__(self, feed: str) -> bool:
        return any(contract.feed == feed for contract in self.feeds)

    @property
    def feed_names(self) -> tuple[str, ...]:
        return tuple(contract.feed for contract in self.feeds)
