"""The ledger's tables. Times are naive and mean Asia/Shanghai; paths are relative to the home directory."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)

metadata = MetaData()
_Id = BigInteger().with_variant(Integer, "sqlite")


class WholeNumber(TypeDecorator[int]):
    """A whole number of any size: the sum of many 18-digit amounts is more than a 64-bit column holds."""

    impl = String(40)
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Dialect) -> str | None:
        return None if value is None else str(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> int | None:
        return None if value is None else int(value)


# Grain: one row for each time that a producer offered a batch and we took it up. A stem can be offered again.
offering = Table(
    "offering",
    metadata,
    Column("offering_id", _Id, primary_key=True, autoincrement=True),
    Column("stem", String(40), nullable=False, index=True),
    Column("feed", String(4), nullable=False),
    Column("source", String(3), nullable=False),
    Column("mode", String(1), nullable=False),
    Column("cycle", String(10), nullable=False),
    Column("seq", String(4), nullable=False),
    Column("version", String(2), nullable=False),
    Column("file_name", String(48), nullable=False),
    Column("state", String(12), nullable=False),
    Column("code", String(4)),
    Column("reason", Text),
    Column("bytes", BigInteger),
    Column("digest", String(80)),  # sha256 of the data file as it was fetched
    Column("check_digest", String(64)),  # sha256 of the check file itself: tells one offering of a stem from the next
    Column("records", BigInteger),
    Column("loaded", BigInteger),
    Column("rejected", BigInteger),
    Column("control_total", WholeNumber),  # as the trailer declares it
    Column("control_loaded", WholeNumber),
    Column("control_rejected", WholeNumber),
    Column("kept_in", Text),  # directory of the bytes as received: below archive/ or quarantine/
    Column("moved_to", Text),  # where the data file stands on the server, once it left outgoing/
    Column("format_version", String(4)),  # of the contract that read it, as its header says
    Column("orphans", BigInteger),  # foreign keys of its rows that core did not hold when it was loaded (E506)
    Column("staged_count", Integer, nullable=False, server_default="0"),  # how often its rows were staged
    Column("limit_waived", Text),  # an operator's reason why E501 need not hold
    Column("taken_at", DateTime, nullable=False),
    Column("judged_at", DateTime),
    Column("acknowledged_at", DateTime),  # moved on the server and receipt written
    Column("server_pruned_at", DateTime),  # the copy on the server was deleted after the feed's retention
    Column("archive_pruned_at", DateTime),  # the bytes here were, too
    Index("offering_by_seq", "feed", "source", "mode", "cycle", "seq"),
    Index("offering_by_state", "state", "acknowledged_at"),  # of those loaded nearly all are acknowledged
    Index("offering_by_taken_at", "taken_at"),
)

# At most one offering of a stem is on its way at a time: whoever comes second finds this in its way.
_ON_ITS_WAY = offering.c.state.in_(("announced", "fetched", "verified"))
Index(
    "offering_on_its_way",
    offering.c.stem,
    unique=True,
    sqlite_where=_ON_ITS_WAY,
    postgresql_where=_ON_ITS_WAY,
)
# At most one version of a SEQ stands.
_STANDING = offering.c.state.in_(("staged", "loaded"))
Index(
    "offering_standing",
    *(offering.c[name] for name in ("feed", "source", "mode", "cycle", "seq")),
    unique=True,
    sqlite_where=_STANDING,
    postgresql_where=_STANDING,
)

# Grain: one change of state. Nothing is ever changed or deleted here.
event = Table(
    "event",
    metadata,
    Column("event_id", _Id, primary_key=True, autoincrement=True),
    Column("offering_id", _Id, ForeignKey("offering.offering_id"), nullable=False, index=True),
    Column("state", String(12), nullable=False),
    Column("cause", Text, nullable=False),
    Column("actor", String(80), nullable=False),
    Column("at", DateTime, nullable=False),
)

# Grain: one end file that stands; one sent again replaces it.
end_file = Table(
    "end_file",
    metadata,
    Column("feed", String(4), primary_key=True),
    Column("source", String(3), primary_key=True),
    Column("mode", String(1), primary_key=True),
    Column("cycle", String(10), primary_key=True),
    Column("files", Integer, nullable=False),
    Column("records", BigInteger, nullable=False),
    Column("control_total", WholeNumber, nullable=False),
    Column("entries", Text, nullable=False),  # JSON: [[stem, records], …]
    Column("digest", String(64), nullable=False),
    Column("taken_at", DateTime, nullable=False),
)

# Grain: one file that is left on the server and why; gone once the file is gone or good.
left_file = Table(
    "left_file",
    metadata,
    Column("source", String(3), primary_key=True),
    Column("directory", String(80), primary_key=True),
    Column("file_name", String(400), primary_key=True),
    Column("code", String(4)),
    Column("reason", Text, nullable=False),
    Column("first_seen_at", DateTime, nullable=False),
    Column("last_seen_at", DateTime, nullable=False),
)

# Grain: one request to send a batch again; a stem can be asked for more than once.
resend_request = Table(
    "resend_request",
    metadata,
    Column("request_id", _Id, primary_key=True, autoincrement=True),
    Column("stem", String(40), nullable=False, index=True),
    Column("code", String(4), nullable=False),
    Column("reason", Text, nullable=False),
    Column("requested_at", DateTime, nullable=False),
    Column("removed_at", DateTime),  # it was answered, or its cycle is complete, and it was taken off the server
)

# Grain: one word of an operator that let a cycle through as it stood then: a snapshot that E505 held, or failures.
cycle_acceptance = Table(
    "cycle_acceptance",
    metadata,
    Column("acceptance_id", _Id, primary_key=True, autoincrement=True),
    Column("kind", String(12), nullable=False, server_default="held"),  # of the alarm that it answers: held, quality
    Column("feed", String(4), nullable=False),
    Column("source", String(3), nullable=False),
    Column("mode", String(1), nullable=False),
    Column("cycle", String(10), nullable=False),
    Column("batches", Text, nullable=False),  # ids of the offerings that stood: for others it is no word
    Column("cause", Text, nullable=False),
    Column("actor", String(80), nullable=False),
    Column("at", DateTime, nullable=False),
)

# Grain: one alarm: something that is not as it must be, from when to when. At most one of a kind and subject is open.
alarm = Table(
    "alarm",
    metadata,
    Column("alarm_id", _Id, primary_key=True, autoincrement=True),
    Column("kind", String(12), nullable=False),  # late, missing, held, left, refused, E206, quality, delivery, receipt
    Column("subject", String(500), nullable=False),  # a cycle, a stem, a path on a server, a receiver
    Column("message", Text, nullable=False),
    Column("raised_at", DateTime, nullable=False),
    Column("told_at", DateTime),  # said in the log and wherever else alarms go
    Column("cleared_at", DateTime),
)
Index(
    "alarm_open",
    alarm.c.kind,
    alarm.c.subject,
    unique=True,
    sqlite_where=alarm.c.cleared_at.is_(None),
    postgresql_where=alarm.c.cleared_at.is_(None),
)

# Grain: one alarm that a channel beside the log (webhook, mail) was told of.
alarm_telling = Table(
    "alarm_telling",
    metadata,
    Column("channel", String(20), primary_key=True),
    Column("alarm_id", _Id, ForeignKey("alarm.alarm_id"), primary_key=True, autoincrement=False),
    Column("told_at", DateTime, nullable=False),
)

# Grain: one day whose digest a channel has.
digest_telling = Table(
    "digest_telling",
    metadata,
    Column("channel", String(20), primary_key=True),
    Column("day", String(10), primary_key=True),
    Column("told_at", DateTime, nullable=False),
)

# Grain: one cycle whose rows were judged as a whole, as it stood then.
cycle_profile = Table(
    "cycle_profile",
    metadata,
    Column("feed", String(4), primary_key=True),
    Column("source", String(3), primary_key=True),
    Column("mode", String(1), primary_key=True),
    Column("cycle", String(10), primary_key=True),
    Column("revision", String(80), nullable=False),  # which batches stood, and how often each was staged
    Column("profile", Text, nullable=False),  # JSON: counts, sums, shares; no values of rows but codes
    Column("page", Text),  # the Data Docs page; none where nothing could be judged
    Column("judged_at", DateTime, nullable=False),
    Column("accepted", Text),  # an operator's reason why failures need not hold a publication back
    Column("accepted_by", String(80)),
    Column("accepted_at", DateTime),
)

# Grain: one expectation of a cycle that was judged.
quality_result = Table(
    "quality_result",
    metadata,
    Column("feed", String(4), primary_key=True),
    Column("source", String(3), primary_key=True),
    Column("mode", String(1), primary_key=True),
    Column("cycle", String(10), primary_key=True),
    Column("measure", String(80), primary_key=True),
    Column("observed", Float, nullable=False),
    Column("least", Float),
    Column("most", Float),
    Column("severity", String(4), nullable=False),  # warn, fail
    Column("success", Boolean, nullable=False),
    Column("description", Text, nullable=False),
)

# Grain: one published state with its lists.
publication = Table(
    "publication",
    metadata,
    Column("publication_id", String(40), primary_key=True),
    Column("as_of_date", String(10), nullable=False),
    Column("state", String(12), nullable=False),  # prepared, published
    Column("fingerprint", String(64), nullable=False),  # of all that it was made from
    Column("lists", Text, nullable=False),  # JSON: [{stem, records, body_digest}, …]
    Column("prepared_at", DateTime, nullable=False),
    Column("published_at", DateTime),
)

# Grain: one list of one source that a receiver is to have, has, or was to have until a newer one took its place.
delivery = Table(
    "delivery",
    metadata,
    Column("receiver", String(40), primary_key=True),
    Column("stem", String(40), primary_key=True),
    Column("publication_id", String(40), nullable=False),  # the first one that the list was part of
    Column("state", String(12), nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("placed", Integer, nullable=False, server_default="0"),  # of its files, in their order: data, check, end
    Column("bytes", BigInteger),  # of the data file as it is sent, in the receiver's encoding
    Column("digest", String(80)),  # likewise
    Column("first_attempt_at", DateTime),
    Column("last_attempt_at", DateTime),
    Column("delivered_at", DateTime),
    Column("receipt_digest", String(64)),  # sha256 of the receipt that was read last
    Column("message", Text),  # why it failed, or what the receipt says
    Index("delivery_by_state", "receiver", "state"),
)

# Grain: one change of state of a delivery. Nothing is ever changed or deleted here.
delivery_event = Table(
    "delivery_event",
    metadata,
    Column("event_id", _Id, primary_key=True, autoincrement=True),
    Column("receiver", String(40), nullable=False),
    Column("stem", String(40), nullable=False),
    Column("state", String(12), nullable=False),
    Column("cause", Text, nullable=False),
    Column("actor", String(80), nullable=False),
    Column("at", DateTime, nullable=False),
    ForeignKeyConstraint(["receiver", "stem"], ["delivery.receiver", "delivery.stem"]),
    Index("delivery_event_by_stem", "receiver", "stem"),
)
