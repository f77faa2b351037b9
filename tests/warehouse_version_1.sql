-- The tables of a warehouse of version 1: the release before versions were noted. Frozen: never changed.

create schema core;
create schema list;
create schema mart;
create schema ops;
create schema policy;

create table core.bill (
    bill_id varchar, account_id varchar, customer_id varchar, user_id varchar, service_number varchar,
    billing_cycle varchar, rental_fen bigint, voice_fen bigint, long_distance_fen bigint, roaming_fen bigint,
    message_fen bigint, data_fen bigint, value_added_fen bigint, other_fen bigint, discount_fen bigint,
    total_fen bigint, paid_fen bigint, outstanding_fen bigint, issued_at timestamp, due_date date, source varchar,
    cycle varchar, seq varchar, batch_stem varchar, line bigint, is_current boolean
);

create table core.contact (
    contact_id varchar, user_id varchar, service_number varchar, channel varchar, skill_group varchar,
    tier_served varchar, arrived_at timestamp, queued_at timestamp, answered_at timestamp, ended_at timestamp,
    outcome varchar, purpose varchar, work_order_id varchar, satisfaction bigint, agent_id varchar,
    retention_result varchar, source varchar, cycle varchar, seq varchar, batch_stem varchar, line bigint,
    is_current boolean
);

create table core.customer (
    op_time timestamp, customer_id varchar, customer_type varchar, customer_name varchar, id_type varchar,
    id_number varchar, gender varchar, birth_date date, contact_phone varchar, email varchar, address varchar,
    postcode varchar, industry varchar, manager_id varchar, credit_class varchar, blacklisted varchar,
    marketing_consent varchar, created_date date, source varchar, batch_stem varchar, line bigint,
    valid_from timestamp, valid_to timestamp, is_current boolean
);

create table core.customer_record (
    op varchar, op_time timestamp, customer_id varchar, customer_type varchar, customer_name varchar, id_type varchar,
    id_number varchar, gender varchar, birth_date date, contact_phone varchar, email varchar, address varchar,
    postcode varchar, industry varchar, manager_id varchar, credit_class varchar, blacklisted varchar,
    marketing_consent varchar, created_date date, source varchar, cycle varchar, seq varchar, batch_stem varchar,
    line bigint, mode varchar, applies_at timestamp
);

create table core.payment (
    payment_id varchar, account_id varchar, user_id varchar, service_number varchar, paid_at timestamp,
    amount_fen bigint, kind varchar, method varchar, channel varchar, reversed_payment_id varchar,
    billing_cycle varchar, balance_after_fen bigint, operator_id varchar, source varchar, cycle varchar, seq varchar,
    batch_stem varchar, line bigint, is_current boolean
);

create table core.subscriber (
    op_time timestamp, user_id varchar, customer_id varchar, account_id varchar, service_number varchar,
    product varchar, plan_code varchar, pay_mode varchar, status varchar, status_time timestamp, open_date date,
    close_date date, area_code varchar, dealer_id varchar, credit_limit_fen bigint, balance_fen bigint,
    balance_expiry date, contract_end date, member_level varchar, source varchar, batch_stem varchar, line bigint,
    valid_from timestamp, valid_to timestamp, is_current boolean
);

create table core.subscriber_change (
    change_id varchar, user_id varchar, customer_id varchar, service_number varchar, change_type varchar,
    changed_at timestamp, effective_at timestamp, old_value varchar, new_value varchar, reason varchar,
    channel varchar, operator_id varchar, source varchar, cycle varchar, seq varchar, batch_stem varchar, line bigint,
    is_current boolean
);

create table core.subscriber_record (
    op varchar, op_time timestamp, user_id varchar, customer_id varchar, account_id varchar, service_number varchar,
    product varchar, plan_code varchar, pay_mode varchar, status varchar, status_time timestamp, open_date date,
    close_date date, area_code varchar, dealer_id varchar, credit_limit_fen bigint, balance_fen bigint,
    balance_expiry date, contract_end date, member_level varchar, source varchar, cycle varchar, seq varchar,
    batch_stem varchar, line bigint, mode varchar, applies_at timestamp
);

create table core.usage (
    record_id varchar, user_id varchar, service_number varchar, usage_type varchar, direction varchar,
    counterpart varchar, started_at timestamp, duration_s bigint, volume_kb bigint, visited_area varchar,
    roaming varchar, fee_fen bigint, counterpart_network varchar, source varchar, cycle varchar, seq varchar,
    batch_stem varchar, line bigint, is_current boolean
);

create table core.work_order (
    op_time timestamp, work_order_id varchar, contact_id varchar, user_id varchar, category varchar,
    department varchar, priority varchar, opened_at timestamp, due_at timestamp, status varchar, closed_at timestamp,
    satisfaction bigint, source varchar, batch_stem varchar, line bigint, valid_from timestamp, valid_to timestamp,
    is_current boolean
);

create table core.work_order_record (
    op varchar, op_time timestamp, work_order_id varchar, contact_id varchar, user_id varchar, category varchar,
    department varchar, priority varchar, opened_at timestamp, due_at timestamp, status varchar, closed_at timestamp,
    satisfaction bigint, source varchar, cycle varchar, seq varchar, batch_stem varchar, line bigint, mode varchar,
    applies_at timestamp
);

create table ops.batch (
    stem varchar, feed varchar, source varchar, mode varchar, cycle varchar, seq varchar, version varchar,
    state varchar, code varchar, records bigint, loaded bigint, rejected bigint
);

create table ops.cycle (
    feed varchar, source varchar, mode varchar, cycle varchar, state varchar
);

create table ops.loaded_batch (
    stem varchar, digest varchar, feed varchar, source varchar, mode varchar, cycle varchar, seq varchar,
    cycle_end timestamp
);

create table ops.made_for (
    fingerprint varchar
);

create table ops.publication (
    publication_id varchar, as_of_date date, published_at timestamp, batch_count bigint
);

create table ops.reject (
    stem varchar, line bigint, codes varchar, columns varchar
);

create table ops.snapshot (
    feed varchar, source varchar, cycle varchar, ends_at timestamp
);

create table ops.snapshot_reject (
    stem varchar, entity_key varchar
);

create table ops.built (as_of date, bill_month varchar, core varchar);
