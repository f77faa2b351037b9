"""What changes from one version of a feed's contract to another, with what follows from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from pipelines.contracts.column_differences import Difference, column_differences
from pipelines.contracts.measures import QualityRule, Severity
from pipelines.contracts.model import Contract, Contracts
from pipelines.contracts.quality_rules import SEVERITY_WORDS

_Setting = tuple[str, Callable[[Contract], object], str]

# What decides over a file, by version: name, value, what follows from another one.
_OF_FILES: tuple[_Setting, ...] = (
    ("delimiter", lambda each: each.delimiter, "fields are split at {becomes}"),
    (
        "controlColumn",
        lambda each: each.control_column,
        "the trailer's total is that of {becomes}; others will be refused: E303",
    ),
    (
        "rejects",
        lambda each: f"{each.rejects.rows} rows or {each.rejects.share * 100:g}%",
        "a file with more rejected rows will be refused: E501",
    ),
    ("limits fileBytes", lambda each: each.limits.file_bytes, "a file of more than {becomes} will be refused: E205"),
    ("limits lineBytes", lambda each: each.limits.line_bytes, "a file with a longer line will be refused: E205"),
    ("limits gzipRatio", lambda each: each.limits.gzip_ratio, "a file packed more tightly will be refused: E205"),
    (
        "relationships",
        lambda each: ", ".join(f"{key.column} to {key.feed}.{key.to_column}" for key in each.foreign_keys) or None,
        "what is not found counts as orphan: E506",
    ),
)
_NEVER = "never within a feed: nothing is loaded while core has batches of it; give what comes so a feed of its own"
# What versions of a feed agree in, so that it differs between installations only.
_OF_FEEDS: tuple[_Setting, ...] = (
    ("table", lambda each: f"core.{each.table}", _NEVER),
    ("stateful", lambda each: each.stateful, _NEVER),
    ("key", lambda each: ", ".join(each.key), _NEVER),
    ("modes", lambda each: ", ".join(each.modes), "files of other modes will be refused: E106"),
    ("deleteWhen", lambda each: each.delete_when, _NEVER),
    ("deleteNeeds", lambda each: ", ".join(each.delete_needs) or None, _NEVER),
    (
        "frequency",
        lambda each: each.schedule.cadence.value,
        "never within a feed: nothing is fetched or loaded where {was} cycles were accepted; give what comes {becomes} "
        "a feed of its own",
    ),
    ("expected", lambda each: duration(each.schedule.expected_s), "after the end of the cycle, of every version"),
    ("lateAfter", lambda each: duration(each.schedule.late_after_s), "cycles of every version are late after it"),
    ("missingAfter", lambda each: duration(each.schedule.missing_after_s), "then cycles are asked for again"),
    ("retention", lambda each: f"{each.retention_days} d", "copies older than that may be pruned"),
    ("snapshotDropShare", lambda each: each.snapshot_drop_share, "a snapshot that shrinks more is held: E505"),
    ("eventTime", lambda each: each.event_time, "a cycle's age is measured by {becomes}"),
)
_QUALITY_EFFECTS = {
    Severity.WARN: "a cycle beyond these bounds is told as a warning; nothing is held back",
    Severity.FAIL: "a cycle beyond these bounds holds publications back until it is mended or accepted",
}
_UNITS = ((86400, "d"), (3600, "h"), (60, "min"))


@dataclass(frozen=True)
class FeedDifference:
    """A difference and the feed that it is of."""

    feed: str
    difference: Difference


def version_differences(newest: Contract, was: str, becomes: str) -> tuple[Difference, ...]:
    """What changes from one version of a contract to another one, each named by its format version."""
    by_version = {each.format_version: each for each in newest.versions}
    return tuple(_differences(by_version[was], by_version[becomes], newest))


def installation_differences(was: Contracts, becomes: Contracts, feeds: tuple[str, ...]) -> tuple[FeedDifference, ...]:
    """What changes for these feeds where other contracts take the place of those at hand."""
    return tuple(FeedDifference(feed, each) for feed in feeds for each in _feed_differences(was, becomes, feed))


def _feed_differences(was: Contracts, becomes: Contracts, feed: str) -> Iterator[Difference]:
    if feed not in was:
        effect = f"core.{becomes[feed].table} is made at the next load; name the feed in a source's feeds"
        yield Difference("feed", None, f"version {becomes[feed].format_version}", effect)
    elif feed not in becomes:
        effect = f"its files are left on the server: E102; core.{was[feed].table} gets no more rows"
        yield Difference("feed", f"version {was[feed].format_version}", None, effect)
    else:
        yield from _differences(was[feed], becomes[feed], becomes[feed])
        yield from _former_differences(was[feed], becomes[feed])


def _former_differences(was: Contract, becomes: Contract) -> Iterator[Difference]:
    """Versions that are read on, but otherwise; and those that are not read any more."""
    later = {each.format_version: each for each in becomes.versions}
    for version in was.versions:
        number, other = version.format_version, later.get(version.format_version)
        if other is None and version is not was:
            yield Difference(f"version {number}", "read", None, f"files of version {number} will be refused: E305")
        if other is not None and not (version is was and other is becomes):
            for each in (*_dates(version, other), *_file_differences(version, other, becomes)):
                yield replace(each, what=f"version {number}, {each.what}")


def _differences(was: Contract, becomes: Contract, newest: Contract) -> Iterator[Difference]:
    yield from _version(was, becomes, newest)
    yield from _dates(was, becomes)
    yield from _file_differences(was, becomes, newest)
    yield from _settings(_OF_FEEDS, was, becomes)
    yield from _quality(was, becomes)


def _file_differences(was: Contract, becomes: Contract, newest: Contract) -> Iterator[Difference]:
    yield from column_differences(was, becomes, newest)
    yield from _settings(_OF_FILES, was, becomes)


def _version(was: Contract, becomes: Contract, newest: Contract) -> Iterator[Difference]:
    number = was.format_version
    if number == becomes.format_version:
        if (was.column_names, was.delimiter) != (becomes.column_names, becomes.delimiter):
            effect = (
                f"files look otherwise and say the same version: keep the contract of now as {was.feed}@{number}.yaml "
                "and give the new one a version of its own"
            )
            yield Difference("version", number, number, effect)
        return
    kept = next((each for each in newest.versions if each.format_version == number), None)
    if kept is None:
        effect = f"files of version {number} will be refused: E305"
    elif kept.read_until is None:
        effect = f"files of version {number} are read on, for cycles of any day"
    else:
        effect = f"files of version {number} are read for cycles up to {kept.read_until}, then refused: E305"
    yield Difference("version", number, becomes.format_version, effect)


def _dates(was: Contract, becomes: Contract) -> Iterator[Difference]:
    number = becomes.format_version
    if was.holds_from != becomes.holds_from:
        effect = f"files of version {number} are read for cycles of any day"
        if becomes.holds_from is not None:
            effect = f"files of version {number} for cycles that begin before it will be refused: E305"
        yield Difference("holdsFrom", _shown(was.holds_from), _shown(becomes.holds_from), effect)
    if was.read_until != becomes.read_until:
        effect = f"files of version {number} are read for later cycles too"
        if becomes.read_until is not None:
            effect = f"files of version {number} for cycles that begin after it will be refused: E305"
        yield Difference("readUntil", _shown(was.read_until), _shown(becomes.read_until), effect)


def _settings(settings: tuple[_Setting, ...], was: Contract, becomes: Contract) -> Iterator[Difference]:
    for what, value, effect in settings:
        before, after = _shown(value(was)), _shown(value(becomes))
        if before != after:
            words = {"was": before or "none", "becomes": after or "none", "table": f"core.{becomes.table}"}
            yield Difference(what, before, after, effect.format(**words))


def _quality(was: Contract, becomes: Contract) -> Iterator[Difference]:
    """What is expected of a cycle as a whole, measure by measure."""
    before, after = ({rule.measure: rule for rule in each.quality} for each in (was, becomes))
    for measure in dict.fromkeys([*before, *after]):
        former, rule = before.get(measure), after.get(measure)
        if former == rule:
            continue
        if rule is None:
            effect = "where it is still measured, the policy's bounds hold, and beyond them it is a warning"
        elif former is not None and replace(former, description=rule.description) == rule:
            effect = "wording only; cycles are judged as before"
        else:
            effect = _QUALITY_EFFECTS[rule.severity]
        yield Difference(f"quality {measure}", _expected(former), _expected(rule), effect)


def _expected(rule: QualityRule | None) -> str | None:
    if rule is None:
        return None
    bounds = [f"{end} {value:g}" for end, value in (("least", rule.least), ("most", rule.most)) if value is not None]
    return f"{', '.join(bounds)}, {SEVERITY_WORDS[rule.severity]}: {rule.description}"


def _shown(value: object) -> str | None:
    if isinstance(value, bool):
        return str(value).lower()
    return None if value is None else str(value)


def duration(seconds: int) -> str:
    """As contracts write it: in the largest unit that gives a whole number."""
    for size, unit in _UNITS:
        if seconds and seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
