"""The columns of the feeds in their order, and how a frame becomes the records of cycles."""

from __future__ import annotations

import polars as pl

from sftp_fixtures.settings import control_column, cycle_form

# Source: the feeds' column tables, read independently of the consumer's contracts.
_COLUMNS = {
    "CUST": (
        "op op_time customer_id customer_type customer_name id_type id_number gender birth_date contact_phone email "
        "address postcode industry manager_id credit_class blacklisted marketing_consent created_date"
    ),
    "USER": (
        "op op_time user_id customer_id account_id service_number product plan_code pay_mode status status_time "
        "open_date close_date area_code dealer_id credit_limit_fen balance_fen balance_expiry contract_end member_level"
    ),
    "PAYM": (
        "payment_id account_id user_id service_number paid_at amount_fen kind method channel reversed_payment_id "
        "billing_cycle balance_after_fen operator_id"
    ),
    "CHNG": (
        "change_id user_id customer_id service_number change_type changed_at effective_at old_value new_value reason "
        "channel operator_id"
    ),
    "BILL": (
        "bill_id account_id customer_id user_id service_number billing_cycle rental_fen voice_fen long_distance_fen "
        "roaming_fen message_fen data_fen value_added_fen other_fen discount_fen total_fen paid_fen outstanding_fen "
        "issued_at due_date"
    ),
    "USGE": (
        "record_id user_id service_number usage_type direction counterpart started_at duration_s volume_kb "
        "visited_area roaming fee_fen counterpart_network"
    ),
    "CONT": (
        "contact_id user_id service_number channel skill_group tier_served arrived_at queued_at answered_at ended_at "
        "outcome purpose work_order_id satisfaction agent_id retention_result"
    ),
    "WORD": (
        "op op_time work_order_id contact_id user_id category department priority opened_at due_at status closed_at "
        "satisfaction"
    ),
}


def columns(feed: str) -> list[str]:
    """The feed's columns in the order of the file."""
    return _COLUMNS[feed].split()


def as_records(feed: str, frame: pl.DataFrame, cycle_time: str | pl.Expr) -> pl.DataFrame:
    """The feed's columns in order, then `control` (what a record adds to the control total) and `cycle` (its name).

    `cycle_time` is the time that decides the cycle; rows keep their order.
    """
    time = pl.col(cycle_time) if isinstance(cycle_time, str) else cycle_time
    control = control_column(feed)
    amount = pl.col(control).fill_null(0) if control else pl.lit(0)
    return frame.select(
        *columns(feed),
        amount.cast(pl.Int64).alias("control"),
        time.dt.strftime(cycle_form(feed)).alias("cycle"),
    )
