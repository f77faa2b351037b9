-- The ledger's tables as release 2 made them: what such a ledger holds must be brought along by every later release.

create table alarm (
    alarm_id bigserial not null,
    kind varchar(12) not null,
    subject varchar(500) not null,
    message text not null,
    raised_at timestamp without time zone not null,
    told_at timestamp without time zone,
    cleared_at timestamp without time zone,
    primary key (alarm_id)
);

create unique index alarm_open on alarm (kind, subject) where cleared_at is null;

create table cycle_acceptance (
    feed varchar(4) not null,
    source varchar(3) not null,
    mode varchar(1) not null,
    cycle varchar(10) not null,
    batches text not null,
    cause text not null,
    actor varchar(80) not null,
    at timestamp without time zone not null,
    primary key (feed, source, mode, cycle, batches)
);

create table end_file (
    feed varchar(4) not null,
    source varchar(3) not null,
    mode varchar(1) not null,
    cycle varchar(10) not null,
    files integer not null,
    records bigint not null,
    control_total varchar(40) not null,
    entries text not null,
    digest varchar(64) not null,
    taken_at timestamp without time zone not null,
    primary key (feed, source, mode, cycle)
);

create table ledger_version (
    version integer not null,
    primary key (version)
);

create table left_file (
    source varchar(3) not null,
    directory varchar(80) not null,
    file_name varchar(400) not null,
    code varchar(4),
    reason text not null,
    first_seen_at timestamp without time zone not null,
    last_seen_at timestamp without time zone not null,
    primary key (source, directory, file_name)
);

create table offering (
    offering_id bigserial not null,
    stem varchar(40) not null,
    feed varchar(4) not null,
    source varchar(3) not null,
    mode varchar(1) not null,
    cycle varchar(10) not null,
    seq varchar(4) not null,
    version varchar(2) not null,
    file_name varchar(48) not null,
    state varchar(12) not null,
    code varchar(4),
    reason text,
    bytes bigint,
    digest varchar(80),
    check_digest varchar(64),
    records bigint,
    loaded bigint,
    rejected bigint,
    control_total varchar(40),
    control_loaded varchar(40),
    control_rejected varchar(40),
    kept_in text,
    moved_to text,
    staged_count integer default '0' not null,
    limit_waived text,
    taken_at timestamp without time zone not null,
    judged_at timestamp without time zone,
    acknowledged_at timestamp without time zone,
    server_pruned_at timestamp without time zone,
    archive_pruned_at timestamp without time zone,
    primary key (offering_id)
);

create index ix_offering_stem on offering (stem);

create index offering_by_seq on offering (feed, source, mode, cycle, seq);

create index offering_by_state on offering (state);

create unique index offering_on_its_way on offering (stem) where state in ('announced', 'fetched', 'verified');

create unique index offering_standing on offering (feed, source, mode, cycle, seq) where state in ('staged', 'loaded');

create table publication (
    publication_id varchar(40) not null,
    as_of_date varchar(10) not null,
    state varchar(12) not null,
    fingerprint varchar(64) not null,
    lists text not null,
    prepared_at timestamp without time zone not null,
    published_at timestamp without time zone,
    primary key (publication_id)
);

create table resend_request (
    request_id bigserial not null,
    stem varchar(40) not null,
    code varchar(4) not null,
    reason text not null,
    requested_at timestamp without time zone not null,
    primary key (request_id)
);

create index ix_resend_request_stem on resend_request (stem);

create table event (
    event_id bigserial not null,
    offering_id bigint not null,
    state varchar(12) not null,
    cause text not null,
    actor varchar(80) not null,
    at timestamp without time zone not null,
    primary key (event_id),
    foreign key(offering_id) references offering (offering_id)
);

create index ix_event_offering_id on event (offering_id);

insert into ledger_version (version) values (2);
