-- A core of $subscribers subscribers of two provinces as of 2026-12-06: 14 months of bills, 30 days of usage with ten records
-- a subscriber, payments of three months, a year of contacts and work orders; some subscribers barred, some closed.
insert into core.customer by name
select
    printf('C%09d', i) as customer_id, if(h % 10 < 3, '440', '110') as source, timestamp '2020-01-01' as op_time,
    if(h % 20 = 0, '2', '1') as customer_type, '张三' as customer_name, date '1960-01-01' + cast(h % 15000 as integer) as birth_date,
    if(h % 200 = 0, 'Y', 'N') as blacklisted, if(h % 3 = 0, 'N', 'Y') as marketing_consent, date '2020-01-01' as created_date,
    timestamp '2020-01-01' as valid_from, true as is_current
from (select i, cast(hash(i) >> 1 as bigint) as h from range(cast($subscribers * 0.8 as bigint)) as n (i));

insert into core.subscriber by name
with drawn as (
    select
        i, h, printf('U%09d', i) as user_id, printf('C%09d', i * 4 // 5) as customer_id,
        if(cast(hash(i * 4 // 5) >> 1 as bigint) % 10 < 3, '440', '110') as source,
        printf('138%08d', i) as service_number, case h % 10 when 0 then 'FIX' when 1 then 'BBD' else 'MOB' end as product,
        printf('P%05d', h % 60) as plan_code, if(h % 3 = 0, 'POST', 'PRE') as pay_mode,
        date '2017-01-01' + cast(h % 3600 as integer) as open_date, if(h % 30 = 0, 'G', null) as member_level,
        (h >> 20) % 90000 as balance_fen, date '2026-12-01' + cast((h >> 8) % 400 as integer) as balance_expiry,
        '110101' as area_code
    from (select i, cast(hash(i + 17) >> 1 as bigint) as h from range($subscribers) as n (i))
),

-- One in ten changed its status: barred first, and half of these closed.
period as (
    select *, '1' as status, cast(open_date as timestamp) as valid_from,
        if((h >> 5) % 10 = 0, timestamp '2026-01-01' + to_days(cast((h >> 9) % 330 as integer)), null) as valid_to
    from drawn
    union all
    select *, if((h >> 7) % 2 = 0, '9', '3') as status,
        timestamp '2026-01-01' + to_days(cast((h >> 9) % 330 as integer)) as valid_from, null as valid_to
    from drawn
    where (h >> 5) % 10 = 0
)

select
    * exclude (i, h), valid_from as op_time, valid_from as status_time, valid_to is null as is_current,
    if(status = '9', cast(valid_from as date), null) as close_date
from period
where valid_to is null or valid_to > valid_from;

insert into core.bill by name
select
    printf('B%09d%s', i, month) as bill_id, printf('U%09d', i) as user_id, printf('C%09d', i * 4 // 5) as customer_id,
    if(cast(hash(i * 4 // 5) >> 1 as bigint) % 10 < 3, '440', '110') as source, month as billing_cycle,
    1500 + cast(pow(h % 130, 4) / 10000 as bigint) + (h >> 20) % 300 as total_fen, if((h >> 9) % 15 = 0, total_fen, 0) as outstanding_fen,
    total_fen - outstanding_fen as paid_fen, 1000 as rental_fen, total_fen - 1000 as voice_fen, 0 as long_distance_fen,
    0 as roaming_fen, 0 as message_fen, 0 as data_fen, 0 as value_added_fen, 0 as other_fen, 0 as discount_fen,
    strptime(month || '05', '%Y%m%d') + interval 1 month as issued_at, cast(issued_at as date) + 15 as due_date, true as is_current
from (
    select i, month, cast(hash(i) >> 1 as bigint) // 7 + cast(hash(i, month) >> 1 as bigint) % 4096 as h
    from range($subscribers) as n (i)
    cross join (select strftime(date '2025-10-01' + to_months(cast(k as integer)), '%Y%m') as month from range(14) as m (k))
);

insert into core.usage by name
select
    printf('R%012d', k) as record_id, printf('U%09d', h % $subscribers) as user_id,
    ['V', 'M', 'D'][1 + (h >> 24) % 3] as usage_type, timestamp '2026-11-07' + to_seconds((h >> 26) % 2592000) as started_at,
    60 as duration_s, 100 as volume_kb, '110' as source, true as is_current
from (select k, cast(hash(k) >> 1 as bigint) as h from range($subscribers * 10) as n (k));

insert into core.payment by name
select
    printf('P%012d', k) as payment_id, printf('U%09d', h % $subscribers) as user_id, if((h >> 24) % 40 = 0, '4', '2') as kind,
    timestamp '2026-09-07' + to_seconds((h >> 26) % 7776000) as paid_at,
    if(kind = '4', -1, 1) * (1000 + (h >> 30) % 40000) as amount_fen, '110' as source, true as is_current
from (select k, cast(hash(k + 3) >> 1 as bigint) as h from range($subscribers * 3) as n (k));

insert into core.contact by name
select
    printf('T%012d', k) as contact_id, printf('U%09d', h % $subscribers) as user_id,
    timestamp '2025-12-07' + to_seconds((h >> 26) % 31536000) as arrived_at, arrived_at as queued_at,
    arrived_at + to_seconds((h >> 20) % 40) as answered_at,
    if((h >> 18) % 10 = 0, 'ABANDONED', 'ANSWERED') as outcome, if((h >> 16) % 10 = 0, 'OUTBOUND', 'AGENT') as channel,
    ['INQUIRY', 'COMPLAINT', 'RETENTION', 'FAULT'][1 + (h >> 14) % 4] as purpose,
    if((h >> 14) % 4 = 2, ['KEPT', 'LOST', 'PENDING'][1 + (h >> 12) % 3], null) as retention_result,
    if((h >> 10) % 3 = 0, 1 + (h >> 8) % 5, null) as satisfaction, ['D', 'G', 'S', 'N'][1 + (h >> 6) % 4] as tier_served,
    '110' as source, true as is_current
from (select k, cast(hash(k + 5) >> 1 as bigint) as h from range($subscribers // 2) as n (k));

insert into core.work_order by name
select
    printf('W%012d', k) as work_order_id, printf('U%09d', h % $subscribers) as user_id,
    timestamp '2025-12-07' + to_seconds((h >> 26) % 31536000) as opened_at, opened_at + interval 1 day as due_at,
    opened_at + to_hours((h >> 10) % 50) as closed_at, opened_at as op_time, 'COMPLAINT' as category, '2' as priority,
    if((h >> 8) % 3 = 0, 1 + (h >> 6) % 5, null) as satisfaction, 'CLOSED' as status, closed_at as valid_from,
    '110' as source, true as is_current
from (select k, cast(hash(k + 7) >> 1 as bigint) as h from range($subscribers // 10) as n (k));

insert into ops.cycle by name
select 'BILL' as feed, unnest(['110', '440']) as source, 'I' as mode, '202611' as cycle, 'complete' as state
union all
select 'USGE', s, 'I', strftime(date '2026-11-07' + cast(d as integer), '%Y%m%d'), 'complete'
from range(30) as days (d)
cross join (select unnest(['110', '440']) as s);
