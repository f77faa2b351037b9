"""explain says of every subscriber and customer what the marts say, at any date, in words and in numbers."""

from __future__ import annotations

import json
import shutil
from datetime import date, datetime
from pathlib import Path
from string import Formatter

import duckdb
import pytest
from explained_marts import require_agreement
from mart_province import insert
from mart_tables import default_policy
from running import make_home, tierline
from trial_homes import content, world_home

from pipelines.contracts.load import load_contracts
from pipelines.explained_phrases import PHRASES
from pipelines.explained_tables import EXPLAINED, read_tables
from pipelines.explained_words import Words
from pipelines.explaining import Explainer
from pipelines.transfer.base import Endpoint
from sftp_fixtures.province import make_province
from warehouse.build import build
from warehouse.store import open_warehouse
from warehouse.trial import make_trial_of, open_state

Province = tuple[Path, dict[str, str]]
NOW = "2026-11-22T12:00:00"
AS_OF, EARLIER = date(2026, 11, 21), date(2026, 10, 12)


@pytest.fixture(scope="module")
def province(tmp_path_factory: pytest.TempPathFactory) -> Province:
    """A home that the real command filled, and its planted subscribers."""
    work = tmp_path_factory.mktemp("explain")
    end = datetime.fromisoformat(NOW)
    made = make_province(work / "remote", subscribers=60, months=5, days=1, hours=1, end=end, seed=3)
    home = make_home(work / "home", Endpoint("file", root=str(work / "remote")))
    assert tierline(home, "run", "--as-of", str(AS_OF), now=NOW).exit_status == 0
    return home, dict(made.cases)


def test_every_subscriber_of_a_province_is_explained_as_the_marts_have_it(
    province: Province,
) -> None:
    home, _ = province
    with open_state(home / "bi" / "current.duckdb") as state:
        said = require_agreement(state, AS_OF, None, "state")
    assert said >= {"SPEND", "TENURE", "HELD", "MANUAL", "GROUP", "BLACKLIST", "NONE", "C1", "C2", "C4", "LOST", "CORE"}


def test_and_so_at_an_earlier_date(province: Province, tmp_path: Path) -> None:
    home, _ = province
    shutil.copy(home / "warehouse" / "warehouse.duckdb", tmp_path)
    with open_warehouse(tmp_path, load_contracts()) as copy:
        build(copy, default_policy(), EARLIER)
    with open_state(home / "bi" / "current.duckdb") as state:
        state.connection.execute(f"attach '{tmp_path / 'warehouse.duckdb'}' as rebuilt (read_only)")
        said = require_agreement(state, EARLIER, None, "rebuilt", groups=1)
    assert said >= {"SPEND", "TENURE", "MANUAL", "NONE", "C1", "AT_RISK", "INACTIVE"}


def test_every_subscriber_of_a_world_drawn_at_the_borders_is_explained(tmp_path: Path) -> None:
    world = world_home(tmp_path / "home", seed=11)
    with open_state(world.state) as state:
        said = require_agreement(state, world.as_of, world.bill_month, "state", groups=3)
    assert len(said & {"C1", "C2", "C3", "C4", "C5"}) >= 3
    assert len(said) > 10


def test_a_part_has_what_others_say_of_it(tmp_path: Path) -> None:
    """Another's reversal of its payment, a work order that went to another later, whom it belonged to before."""
    world = world_home(tmp_path / "home", seed=11)
    with duckdb.connect(str(world.state)) as connection:
        (user, other), *_ = connection.execute(
            "select a.user_id, b.user_id from core.subscriber as a, core.subscriber as b where a.customer_id not in "
            "(select customer_id from core.subscriber where user_id = b.user_id) order by all"
        ).fetchall()
        for table, rows in {
            "payment": [{"payment_id": "P1", "user_id": user, "reversed_payment_id": None},
                        {"payment_id": "P2", "user_id": other, "reversed_payment_id": "P1"},
                        {"payment_id": "P3", "user_id": other, "reversed_payment_id": "P0"}],
            "work_order": [{"work_order_id": "W1", "user_id": user}, {"work_order_id": "W1", "user_id": other}],
            "subscriber": [{"user_id": user, "customer_id": "BEFORE", "valid_from": datetime(2001, 1, 1),
                            "valid_to": datetime(2001, 1, 2)}],
            "customer": [{"customer_id": "BEFORE", "valid_from": datetime(2001, 1, 1)}],
        }.items():  # fmt: skip
            insert(connection, f"core.{table}", [{**row, "source": "110"} for row in rows])
    with open_state(world.state) as state:
        make_trial_of(state, "part", default_policy(), world.as_of, world.bill_month, EXPLAINED, user_ids=[user])
        part = state.connection
        assert part.execute("select payment_id from core.payment where payment_id in ('P1', 'P2', 'P3') order by 1"
                            ).fetchall() == [("P1",), ("P2",)]  # fmt: skip
        assert part.execute("select count(*) from core.work_order where work_order_id = 'W1'").fetchall() == [(2,)]
        assert part.execute("select count(*) from core.customer where customer_id = 'BEFORE'").fetchall() == [(1,)]


@pytest.fixture(scope="module")
def words(province: Province) -> dict[str, str]:
    """What is said of each planted subscriber, in English, and in Chinese under its name with `zh`."""
    home, cases = province
    with open_state(home / "bi" / "current.duckdb") as state:
        make_trial_of(state, "trial", default_policy(), AS_OF, None, EXPLAINED, user_ids=cases.values())
        tables = read_tables(state.connection)
    explainer = Explainer(tables, AS_OF)
    said = {}
    for name, user_id in cases.items():
        told = explainer.user(user_id)
        assert told is not None
        said[name] = "\n".join(Words(tables.titles, "en").user(told))
        said[f"{name} zh"] = "\n".join(Words(tables.titles, "zh").user(told))
    return said


SAID = [
    ("D_SPEND", "tier D (Diamond), by month since 2026-06"),
    ("D_SPEND", "SPEND: ARPU3 of 2026-10 is 600.00 yuan, at least 500.00\n"),
    ("D_TENURE", "TENURE: ARPU3 of 2026-10 is 350.00 yuan, at least 300.00, with a tenure of 80 whole months"),
    ("D_HELD", "HELD: ARPU3 of 2026-09 is 816.67 yuan, at least 500.00; it holds as long as the last closed"),
    ("D_HELD", "2026-10: ARPU3 433.33 yuan, the mean of 2026-10 50.00, 2026-09 50.00, 2026-08 1200.00; tenure 12"),
    ("D_HELD", "to keep D (Diamond) by the last closed month alone: 66.67 yuan more of ARPU3; or 48 months more"),
    ("S_MANUAL", "MANUAL: billing has set member level S (Silver)"),
    ("S_MANUAL", "to G (Gold): 260.00 yuan more of ARPU3; or 160.00 yuan more of ARPU3 and 24 months more of tenure"),
    ("S_GROUP", "GROUP: the customer is of type 2 (Enterprise), whose subscribers have at least S (Silver)"),
    ("N_BLACKLIST", "BLACKLIST: the customer is blacklisted"),
    ("N_NONE", "NONE: nothing gives a higher one"),
    ("N_NONE", "2026-10: ARPU3 40.00 yuan, the mean of 2026-10 40.00, 2026-09 40.00, 2026-08 40.00; tenure 12"),
    (
        "C1_SUSPENDED",
        "status 2 (Suspended at request), without a break in one that this rule names since 2026-11-11",
    ),
    ("C2_BARRED", "warning HIGH: risk 70 = 30 + 40, at most 100 (MEDIUM from 30, HIGH from 60)"),
    (
        "C2_BARRED",
        "(Barred both ways for arrears), without a break in one that this rule names since 2026-10-12",
    ),
    ("C4_FALLING", "C4, 25 points: 60.00 yuan billed for 2026-10, at most 60 % of 200.00 for 2026-09, which"),
    ("C1_SUSPENDED", "loyalty class AT_RISK (about to leave): an open subscriber has a warning of HIGH, MEDIUM"),
    ("CLOSED", "closed on 2026-09-22: no tier any more; that of its last month: N (Standard)"),
    ("CLOSED", "no value: no subscriber of it is open"),
    ("ADVOCATE", "2 ratings (at least 2) with a mean of 5.00 (at least 4.5) and no complaint"),
    ("D_HELD", "0 of 10 points: billed 50.00 yuan for 2026-10, 1200.00 yuan 3 months before"),
    ("D_HELD zh", "HELD 保级：2026-09 的 ARPU3 为 816.67 元，不低于 500.00 元；最近已出账月不晚于 2026-11 时保留"),
    ("S_MANUAL zh", "升至 G（金），还差：ARPU3 260.00 元；或 ARPU3 160.00 元且在网 24 个月"),
    ("C2_BARRED zh", "C1，30 分：现状态 4（欠费双停），自 2026-10-12 起一直处于本规则所列状态，已满 5 天"),
    ("ADVOCATE zh", "忠诚度类别 ADVOCATE（拥护者）"),
]


@pytest.mark.parametrize(("case", "text"), SAID, ids=[f"{case}-{text[:12]}" for case, text in SAID])
def test_words_name_months_amounts_and_rules(words: dict[str, str], case: str, text: str) -> None:
    assert text in words[case]


@pytest.mark.fault(23)
def test_words_hold_no_personal_data(province: Province, words: dict[str, str]) -> None:
    with duckdb.connect(str(province[0] / "bi" / "private.duckdb"), read_only=True) as state:
        known = state.execute(
            "select unnest([service_number, account_id]) from core.subscriber "
            "union select unnest([customer_name, id_number, contact_phone, email, address]) from core.customer"
        ).fetchall()
    personal = {value for (value,) in known if value}
    assert len(personal) > 100
    assert [value for value in personal for said in words.values() if value in said] == []


def test_both_languages_say_the_same(words: dict[str, str]) -> None:
    fields = [
        {name: {field for _, field, *_ in Formatter().parse(phrase) if field} for name, phrase in phrases.items()}
        for phrases in PHRASES.values()
    ]
    assert len(fields) == 2
    assert fields[0] == fields[1]
    lines = {case: said.count("\n") for case, said in words.items()}
    assert all(lines[case] == lines[f"{case} zh"] for case in lines if not case.endswith(" zh"))


def test_the_command_explains_to_programs_and_people_and_writes_nothing(province: Province) -> None:
    home, cases = province
    before = content(home)
    as_json = tierline(home, "explain", "user", cases["D_HELD"], "--json", now=NOW)
    in_chinese = tierline(home, "explain", "customer", "C110000000007", "--lang=zh", "--as-of=2026-11-10", now=NOW)
    assert content(home) == before
    told = json.loads(as_json.out)
    tier, value = told["tier"], told["customer"]["value"]
    assert (tier["reason"], tier["held"]["month"], tier["months"][1]["arpu3_fen"]) == ("HELD", "202609", 81667)
    assert (value["is_of_whole_source"], value["clv_fen"], value["pareto_class"]) == (True, 4440000, "C")
    assert in_chinese.exit_status == 0
    assert "来源 110，统计日 2026-11-10；最近已出账月 2026-10" in in_chinese.out
    assert "不为单个客户单独计算" in in_chinese.out


REFUSED = [
    (("user", "U999"), "user U999: expected one that is known at 2026-11-21, found none; the published state reaches"),
    (("customer", "C999"), "customer C999: expected one that is known at 2026-11-21, found none; the published"),
    (("user", "U110000000000", "--as-of", "2020-01-31"), "known at 2020-01-31, found one that is known from "),
    (("user", "U110000000000", "--as-of", "2026-11-23"), "expected a day up to today, 2026-11-22"),
    (("user", "U110000000000", "--as-of", "soon"), "--as-of soon: expected a day such as 2026-11-21"),
    (("user", "U110000000000", "--bill-month", "202611"), "expected a month such as 202611 that lies before 202611"),
]


@pytest.mark.parametrize(("asked", "message"), REFUSED, ids=[" ".join(asked[1:]) for asked, _ in REFUSED])
def test_what_cannot_be_explained_is_named(province: Province, asked: tuple[str, ...], message: str) -> None:
    run = tierline(province[0], "explain", *asked, now=NOW)
    assert run.exit_status == 2
    assert message in run.err.replace("\n", " ")
    assert run.out == ""


def test_nothing_published_yet_is_said(tmp_path: Path) -> None:
    run = tierline(tmp_path, "explain", "user", "U1", now=NOW)
    assert (run.exit_status, "nothing is published yet" in run.err) == (2, True)
