"""Planted subscribers: one for each way to a tier and each churn rule, so that even a small province has them all.

They are the first subscribers of the province; nothing random happens to them in the window. `ProvinceSummary.cases`
names them. Source of the rules: tiers and warnings, sections 1 to 3.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """One planted subscriber, always a mobile one and the only one of its customer.

    `bills_yuan` are the bills of the last closed month, the one before, and all earlier ones; `tenure_months` is the
    tenure at the end of the last closed month; `status` has stood since `status_days` before the window.
    """

    name: str
    bills_yuan: tuple[int, int, int]
    tenure_months: int = 12
    customer_type: str = "1"
    blacklisted: str = "N"
    member_level: str | None = None
    pay_mode: str = "POST"
    status: str = "1"
    status_days: int = 40
    balance_fen: int = 0
    silent: bool = False


CASES = (
    Case("D_SPEND", (600, 600, 600)),
    Case("D_TENURE", (350, 350, 350), tenure_months=80),
    Case("G_SPEND", (350, 350, 350)),
    Case("G_TENURE", (230, 230, 230), tenure_months=40),
    Case("S_SPEND", (180, 180, 180)),
    Case("S_TENURE", (120, 120, 120), tenure_months=30),
    Case("N_NONE", (40, 40, 40)),
    Case("D_HELD", (50, 50, 1200)),
    Case("S_MANUAL", (40, 40, 40), member_level="S"),
    Case("S_GROUP", (40, 40, 40), customer_type="2"),
    Case("N_BLACKLIST", (600, 600, 600), blacklisted="Y"),
    Case("C1_SUSPENDED", (60, 60, 60), status="2", status_days=10),
    Case("C2_BARRED", (60, 60, 60), status="4", balance_fen=-9_000),
    Case("C3_TOPPED_UP", (60, 60, 60), pay_mode="PRE", balance_fen=3_000),
    Case("C4_FALLING", (60, 200, 200)),
    Case("C5_SILENT", (60, 60, 60), silent=True),
    Case("CLOSED", (60, 60, 60), status="9", status_days=60),
    Case("ADVOCATE", (600, 600, 600), tenure_months=70),
)
