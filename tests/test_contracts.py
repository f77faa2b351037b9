"""Loading contracts: codes stay text, and whatever is not sound is refused with file, line and key."""

import shutil
from pathlib import Path

import pytest

from pipelines.contracts.load import DEFAULT_SCHEMAS, load_contracts
from pipelines.errors import ConfigurationError

# file | text in it | what stands there instead (⏎ for a new line) | key that the message names | words that it holds
# and, where the message does not point to the last line put in, text of the line that it points to
BROKEN = r"""
feeds/PAYM.yaml | status: active | status: active⏎state: x | state | unknown key state
feeds/PAYM.yaml | limitations: | limitation: | limitation | unknown key limitation
feeds/PAYM.yaml | required: true | requierd: true | requierd | unknown key requierd
feeds/PAYM.yaml | {range: " | {rnage: " | rnage | required_when, only_when, pattern, range, rule, check_digit
feeds/PAYM.yaml | {rows: 3, | {row: 3, | row | rows, share
feeds/PAYM.yaml | value: hourly} | value: hourly, units: h} | units | unknown key units
feeds/PAYM.yaml | property: frequency | property: rhythm | property | found the text "rhythm"
feeds/PAYM.yaml | property: delimiter | property: separator | property | found the text "separator"
feeds/PAYM.yaml | {property: mask, | {property: veil, | property | found the text "veil"
feeds/PAYM.yaml | property: rejects | property: modes | property | found modes twice
feeds/PAYM.yaml | , unit: d} | } | unit | the key unit
codes/yes_no.yaml | titleZh: 是} | titelZh: 是} | titelZh | code, titleEn, titleZh
feeds/PAYM.yaml | version: "1" | version: 1 | version | valid string (Open Data Contract Standard), found the number 1
feeds/PAYM.yaml | required: true | required: "true" | required | found the text "true"
feeds/PAYM.yaml | required: true | required: yes | required | found the text "yes"
feeds/PAYM.yaml | primaryKeyPosition: 1 | primaryKeyPosition: 1.5 | primaryKeyPosition | found the number 1.5
feeds/PAYM.yaml | stateful, value: false | stateful, value: "no" | stateful | true or false, found the text "no"
feeds/PAYM.yaml | stateful, value: false | stateful, value: true | stateful | op_time
feeds/PAYM.yaml | value: payment} | value: [payment]} | table | found a list
feeds/PAYM.yaml | value: payment} | value: Payment} | table | form [a-z][a-z0-9_]*
feeds/PAYM.yaml | value: [I] | value: [I, F] | modes | snapshotDropShare with mode F
feeds/PAYM.yaml | value: [I] | value: [I, I] | modes | I twice
feeds/PAYM.yaml | value: [I] | value: [X] | modes | I, F
feeds/PAYM.yaml | name: PAYM | name: PAYS | name | expected PAYM
feeds/PAYM.yaml | apiVersion: v3.1.0 | apiVersion: v2.0.0 | apiVersion | v3.1.0
feeds/PAYM.yaml | physicalType: id | physicalType: phone | physicalType | one of text, id, code, integer, money
feeds/PAYM.yaml | logicalType: integer | logicalType: string | logicalType | expected integer
feeds/PAYM.yaml | mask, value: phone | mask, value: star | mask | phone, number, name, email, hidden
feeds/PAYM.yaml | classification: personal | classification: secret | classification | expected personal
feeds/PAYM.yaml | classification: personal | required: false | mask | personal beside a mask | property: mask
feeds/PAYM.yaml | value: payment_kind | value: payment_kinds | codeList | payment_kind
feeds/PAYM.yaml | property: codeList, value: payment_kind | property: titleZh, value: x | property | titleZh twice
feeds/PAYM.yaml | physicalType: code | physicalType: text | physicalType | codeList for type code and for no other
feeds/PAYM.yaml | "HALL", "WEB" | "HALL", "WAP" | codes | found the text "WAP"
feeds/PAYM.yaml | "HALL", "WEB" | "HALL", "HALL" | codes | HALL twice
feeds/PAYM.yaml | name: account_id | name: payment_id | name | payment_id twice
feeds/PAYM.yaml | name: account_id | name: source | name | does not use itself
codes/yes_no.yaml | code: "N" | code: "Y" | code | Y twice
codes/yes_no.yaml | code: "N" | code: 1 | code | expected a text in quotes, found the number 1
codes/yes_no.yaml | code: "N" | code: "N|" | code | form
feeds/PAYM.yaml | primaryKeyPosition: 1 | primaryKeyPosition: 2 | properties | without gaps, found [2] |     properties:
feeds/PAYM.yaml | primaryKeyPosition: 1 | primaryKeyPosition: 0 | primaryKeyPosition | from 1 on, found the number 0
feeds/PAYM.yaml | primaryKey: true | unique: true | unique | unknown key unique
feeds/PAYM.yaml | primaryKey: true | primaryKey: false | primaryKey | true, and required: true
feeds/CUST.yaml | primaryKeyPosition: 1 | primaryKeyPosition: 2 | primaryKeyPosition | 2 twice
feeds/PAYM.yaml | value: amount_fen | value: amount | controlColumn | found the text "amount"
feeds/PAYM.yaml | value: amount_fen | value: paid_at | controlColumn | amount_fen, balance_after_fen
feeds/PAYM.yaml | from: payment.user_id | from: payment.usr_id | from | found the text "payment.usr_id"
feeds/PAYM.yaml | to: USER.user_id | to: USER.usr_id | to | found the text "USER.usr_id"
feeds/PAYM.yaml | to: USER.user_id | to: NONE.user_id | to | the column of a feed that has a contract
feeds/CUST.yaml | [op, op_time, customer_id] | [op, op_time, client_id] | deleteNeeds | found the text "client_id"
feeds/CUST.yaml | [op, op_time, customer_id] | [op, op_time] | deleteNeeds | none named customer_id
feeds/CUST.yaml | "op = 'D'" | "op = 'D" | deleteWhen | a condition in SQL
feeds/PAYM.yaml | amount_fen <> 0 | amount_fen <> | range | a condition in SQL, found "amount_fen <>"
feeds/PAYM.yaml | amount_fen <> 0 | amount <> 0 | range | columns of this feed, or cycle
feeds/PAYM.yaml | amount_fen <> 0 | amount_fen + 0 | range | true or false for each row
feeds/PAYM.yaml | amount_fen <> 0 | sum(amount_fen) > 0 | range | of one row, without aggregates
feeds/PAYM.yaml | amount_fen <> 0 | 1 = 1 | range | true or false for each row
feeds/PAYM.yaml | amount_fen <> 0 | amount_fen * balance_after_fen >= 0 | range | numbers fit
feeds/PAYM.yaml | amount_fen <> 0 | amount_fen // balance_after_fen * 9223372036854775807 > 0 | range | numbers fit
feeds/PAYM.yaml | amount_fen <> 0 | -(10 - amount_fen * 10) <> 0 | range | numbers fit
feeds/PAYM.yaml | amount_fen <> 0 | cast(amount_fen as hugeint) * amount_fen * amount_fen > 0 | range | numbers fit
feeds/PAYM.yaml | amount_fen <> 0 | try_cast(channel as bigint) * try_cast(method as bigint) > 0 | range | numbers fit
feeds/PAYM.yaml | amount_fen <> 0 | extract(month from paid_at) * 100 > 0 | range | numbers fit
feeds/PAYM.yaml | amount_fen <> 0 | length(payment_id) - 5 > 0 | range | numbers fit
feeds/PAYM.yaml | amount_fen <> 0 | paid_at > '2026-01-01' | range | cannot compare
feeds/PAYM.yaml | amount_fen <> 0 | amount_fen <> '0' | range | cannot compare
feeds/PAYM.yaml | "amount_fen <> 0"} | "amount_fen <> 0", when: "true"} | when | pattern or check_digit only
feeds/PAYM.yaml | "amount_fen <> 0"} | "amount_fen <> 0", rule: "true"} | implementation | found range, rule
feeds/PAYM.yaml | {range: "amount_fen <> 0"} | {} | implementation | exactly one kind of rule, found none
feeds/PAYM.yaml | {range: "amount_fen <> 0"} | amount_fen <> 0 | implementation | a mapping
feeds/PAYM.yaml | engine: tierline | engine: soda | engine | expected tierline
feeds/CUST.yaml | check_digit: gb11643 | check_digit: luhn | check_digit | gb11643, gb32100
feeds/CUST.yaml | when: "id_type = '01'" | when: "id_typ = '01'" | when | id_typ
feeds/CUST.yaml | "[0-9]{6}" | "[0-9{6}" | pattern | unclosed character class
feeds/CUST.yaml | "[0-9]{6}" | "(?=x)[0-9]{6}" | pattern | look-around
feeds/CUST.yaml | "[0-9]{6}" | "(?x)[0-9]{6} # digits" | pattern | unclosed group
feeds/CUST.yaml | "[0-9]{6}" | "[0-9])|([0-9]{6}" | pattern | unopened group
feeds/PAYM.yaml | share: 0.001 | share: 1.5 | share | from 0 to 1, found the number 1.5
feeds/PAYM.yaml | share: 0.001 | share: -0.1 | share | from 0 to 1
feeds/PAYM.yaml | rows: 3 | rows: -1 | rows | from 0 on, found the number -1
feeds/PAYM.yaml | lineBytes: 65536 | lineBytes: 0 | lineBytes | from 1 to
feeds/PAYM.yaml | lineBytes: 65536 | lineBytes: 67108865 | lineBytes | from 1 to 67108864, found the number 67108865
feeds/PAYM.yaml | fileBytes: 4294967296 | fileBytes: 4294967296000000000 | fileBytes | 18 digits, found one of 19
feeds/PAYM.yaml | value: 15, unit: min | value: 3000000, unit: d | expected | from 0 to 36500, found the number 3000000
feeds/PAYM.yaml | value: 15, unit: min | value: 3153600001, unit: s | expected | from 0 to 3153600000
feeds/PAYM.yaml | retention, value: 90 | retention, value: 36501 | retention | from 1 to 36500
feeds/PAYM.yaml | value: 15, unit: min | value: -15, unit: min | expected | from 0 to 52560000
feeds/PAYM.yaml | value: 15, unit: min | value: 15, unit: m | unit | s, min, h, d
feeds/PAYM.yaml | missingAfter, value: 2 | missingAfter, value: 0 | missingAfter | not before lateAfter
feeds/CUST.yaml | snapshotDropShare, value: 0.05 | snapshotDropShare, value: 5 | snapshotDropShare | from 0 to 1
feeds/PAYM.yaml | delimiter, value: "|" | delimiter, value: "||" | delimiter | exactly one ASCII character
feeds/PAYM.yaml | delimiter, value: "|" | delimiter, value: "｜" | delimiter | exactly one ASCII character
feeds/PAYM.yaml | delimiter, value: "|" | delimiter, value: "" | delimiter | exactly one ASCII character
feeds/PAYM.yaml | delimiter, value: "|" | delimiter, value: "\n" | delimiter | exactly one ASCII character
feeds/PAYM.yaml | delimiter, value: "|" | delimiter, value: "_" | delimiter | letter, digit, hyphen, underscore
feeds/CUST.yaml | {maxLength: 100} | {maxLength: 0} | maxLength | from 1 on
feeds/CUST.yaml | {maxLength: 100} | {minLength: 101, maxLength: 100} | logicalTypeOptions | 101 and 100
feeds/PAYM.yaml | value: payment} | value: bill} | name | expected bill | - name: payment
feeds/PAYM.yaml | status: active | status: active⏎name: PAYM | name | name twice
feeds/PAYM.yaml | required: true | required: *yes | - | found undefined alias
feeds/PAYM.yaml | required: true | required: ]true | - | expected YAML
feeds/PAYM.yaml | status: active | status: active⏎	tenant: x | - | expected YAML, found a tab; put blanks in its place
feeds/PAYM.yaml | required: true | required: @true | - | expected YAML, found character that cannot start any token
feeds/PAYM.yaml | primaryKey: true⏎        primaryKeyPosition: 1 | primaryKey: true | name | together | name: payment_id
feeds/CUST.yaml | physicalType: date | physicalType: date⏎        logicalTypeOptions: {} | logicalTypeOptions | id only
feeds/PAYM.yaml | - {property: mask, value: phone} | # | classification | property mask | classification: personal
feeds/CUST.yaml | 操作时间} | 操作时间}, {property: codes, value: ["A"]} | codes | the property codeList
feeds/PAYM.yaml | schema: | schema:⏎  - {name: other} | schema | one object | schema:
feeds/CUST.yaml | - {property: deleteNeeds, | # | deleteWhen | together | deleteWhen
feeds/PAYM.yaml | {property: delimiter, | {id: delimiter, | customProperties | the key property
feeds/PAYM.yaml | value: [I] | value: I | modes | a list
codes/yes_no.yaml | titleEn: Yes or no | ? [a]⏎: b | (top) | a text as key | ? [a]
codes/yes_no.yaml | titleZh: 是} | titleZh: &a 是}⏎  - {code: "X", titleEn: x, titleZh: *a} | titleZh | an alias
"""


def cases() -> list[list[str]]:
    return [line.replace("⏎", "\n").split(" | ") for line in BROKEN.strip().split("\n")]


@pytest.fixture
def schemas(tmp_path: Path) -> Path:
    return Path(shutil.copytree(DEFAULT_SCHEMAS, tmp_path / "schemas"))


def put(path: Path, old: str, new: str) -> int:
    """Replace a text once; returns the line of the file on which the new one ends."""
    before, found, after = path.read_text(encoding="utf-8").partition(old)
    assert found, f"{old} is no longer in {path.name}"
    path.write_text(before + new + after, encoding="utf-8")
    return 1 + (before + new).count("\n")


def line_of(path: Path, text: str) -> int:
    return 1 + path.read_text(encoding="utf-8").split(text)[0].count("\n")


def refusal(schemas: Path) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load_contracts(schemas)
    return str(caught.value)


@pytest.mark.fault(25)
@pytest.mark.parametrize("case", cases(), ids=lambda case: " | ".join(case[:3]))
def test_what_is_not_sound_is_refused_with_file_line_and_key(schemas, case):
    file, old, new, key, words, *anchor = case
    line = put(schemas / file, old, new)
    if anchor:
        line = line_of(schemas / file, anchor[0])
    message = refusal(schemas)
    place = f"{file}, line {line}" if key == "-" else f"{file}, line {line}, key {key}"
    assert message.startswith(f"{place}: expected ")
    assert words in message
    assert ", found" in message
    assert message.endswith(".")
    assert "\n" not in message


def test_a_missing_key_is_asked_for_where_it_should_stand(schemas):
    put(schemas / "feeds/PAYM.yaml", "status: active\n", "")
    assert refusal(schemas) == "feeds/PAYM.yaml, line 1, key status: expected the key status in (top), found none."


def test_a_missing_property_is_asked_for_where_it_should_stand(schemas):
    put(schemas / "feeds/PAYM.yaml", "  - {property: stateful, value: false}\n", "")
    line = line_of(schemas / "feeds/PAYM.yaml", "customProperties:")
    assert refusal(schemas).startswith(f"feeds/PAYM.yaml, line {line}, key stateful: expected the property stateful")


def test_two_feeds_do_not_share_a_table(schemas):
    put(schemas / "feeds/PAYM.yaml", "table, value: payment", "table, value: bill")
    put(schemas / "feeds/PAYM.yaml", "- name: payment\n", "- name: bill\n")
    put(schemas / "feeds/PAYM.yaml", "from: payment.", "from: bill.")
    line = line_of(schemas / "feeds/PAYM.yaml", "value: bill")
    assert refusal(schemas).startswith(
        f"feeds/PAYM.yaml, line {line}, key table: expected a table of its own, found bill"
    )


def test_a_feed_does_not_share_a_table_with_a_code_list(schemas):
    (schemas / "codes/tier.yaml").rename(schemas / "codes/payment.yaml")
    put(schemas / "feeds/CONT.yaml", "value: tier}", "value: payment}")
    assert "expected a table of its own, found payment" in refusal(schemas)


@pytest.mark.parametrize(("content", "words"), [(b"", "an empty file"), (b"a: \xc4\xe3", "UTF-8"), (b"- a", "a list")])
def test_a_file_that_is_no_mapping_is_refused(schemas, content, words):
    (schemas / "feeds/PAYM.yaml").write_bytes(content)
    message = refusal(schemas)
    assert message.startswith("feeds/PAYM.yaml")
    assert words in message


@pytest.mark.parametrize("number", ["9" * 5000, "-" + "9" * 5000, "9" * 5000 + ".5"], ids=len)
def test_a_number_of_thousands_of_digits_is_refused_in_a_short_sentence(schemas, number):
    line = put(schemas / "feeds/PAYM.yaml", "fileBytes: 4294967296", f"fileBytes: {number}")
    expected = "expected a number of at most 18 digits, found one of 5000 (quotes make it a text)."
    assert refusal(schemas) == f"feeds/PAYM.yaml, line {line}, key fileBytes: {expected}"


@pytest.mark.parametrize("name", ["feeds/PAYM.yml", "codes/yes_no.YAML"])
def test_yaml_under_another_ending_is_not_passed_over(schemas, name):
    (schemas / name).with_suffix(".yaml").rename(schemas / name)
    (schemas / name).with_suffix(".yaml~").write_text("what an editor leaves is no contract")
    assert refusal(schemas) == f"{name}: expected the ending .yaml, found {Path(name).suffix}; rename it."


def test_a_directory_without_contracts_is_refused(tmp_path):
    assert refusal(tmp_path).startswith("codes/: expected at least one file *.yaml")


def test_codes_stay_text_without_quotes_too(schemas):
    put(schemas / "codes/yes_no.yaml", 'code: "N"', "code: NO")
    put(schemas / "codes/yes_no.yaml", 'code: "Y"', "code: 0012")
    codes = load_contracts(schemas)["CUST"].column("blacklisted").codes
    assert codes == ("0012", "NO")


def test_a_contract_added_is_a_feed_more(schemas):
    text = (schemas / "feeds/PAYM.yaml").read_text(encoding="utf-8")
    text = (
        text.replace("PAYM", "DEPO")
        .replace("value: payment}", "value: deposit}")
        .replace("- name: payment\n", "- name: deposit\n")
    )
    (schemas / "feeds/DEPO.yaml").write_text(text.replace("from: payment.", "from: deposit."), encoding="utf-8")
    contracts = load_contracts(schemas)
    assert "DEPO" in contracts
    assert len(contracts.feeds) == 9
    assert contracts["DEPO"].columns == contracts["PAYM"].columns
