"""Alarms and the digest, told once in each place: log, webhook, mail; by real servers of both kinds."""

from __future__ import annotations

import json
import os
import ssl
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from message_servers import Hook, Mailbox, mail_server, trickling, webhook
from offers import MANY_BAD, STEM, payments
from receivers import ledger_of
from running import Run, make_home, tierline

from pipelines.ledger.publications import Publication, prepare
from pipelines.telling import channels
from pipelines.transfer.base import Endpoint
from sftp_fixtures.ports import free_ports
from sftp_fixtures.tls import make_certificate

NOW = "2026-11-22T11:10:00"  # before the cycle of these files is late
NEXT_DAY = "2026-11-23T08:00:00"


@pytest.fixture
def hook() -> Iterator[Hook]:
    with webhook() as made:
        yield made


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with mail_server() as made:
        yield made


def home_with(tmp_path: Path, alarms: str) -> Path:
    return make_home(tmp_path / "home", Endpoint("file", root=str(tmp_path / "remote")), extra=f"alarms:\n{alarms}")


def to_both(hook: Hook, mailbox: Mailbox) -> str:
    people = "from: tierline@example.cn, to: [noc@example.cn, ops@example.cn]"
    mail = f"{{server: 'smtp://127.0.0.1:{mailbox.port}', {people}}}"
    return f"  webhook: {{url: '{hook.url}'}}\n  mail: {mail}\n"


def load(home: Path, now: str = NOW) -> Run:
    tierline(home, "fetch", now=now)
    return tierline(home, "load", now=now)


def test_an_alarm_is_told_once_everywhere_with_what_to_do(tmp_path: Path, hook: Hook, mailbox: Mailbox) -> None:
    home = home_with(tmp_path, to_both(hook, mailbox))
    MANY_BAD.put(tmp_path / "remote")
    assert f"alarm: refused {STEM}" in load(home).err
    ((_, posted),) = hook.posts
    (alarm,) = posted["alarms"]
    assert (alarm["kind"], alarm["subject"]) == ("refused", STEM)
    assert "tierline batch show STEM" in alarm["to_do"]
    assert alarm["to_do"] in posted["text"]
    (mail,) = mailbox.mails
    assert mail["Subject"] == "[tierline] 1 alarm: 1 refused"
    assert mailbox.recipients == [["noc@example.cn", "ops@example.cn"]]
    assert STEM in mail.get_payload(decode=True).decode()  # type: ignore[union-attr]
    load(home)
    tierline(home, "fetch", now=NOW)
    assert (len(hook.posts), len(mailbox.mails)) == (1, 1)
    assert len((home / "logs" / "alarms.jsonl").read_text().splitlines()) == 1


def test_a_channel_that_is_down_is_told_later_and_keeps_nothing_from_the_others(
    tmp_path: Path, hook: Hook, mailbox: Mailbox
) -> None:
    home = home_with(tmp_path, to_both(hook, mailbox))
    MANY_BAD.put(tmp_path / "remote")
    hook.status = 503
    ran = load(home)
    assert ran.exit_status == 3, "the batch was refused; that nobody could be told is no failure of the load"
    assert "webhook at 127.0.0.1: expected it to take the message, found status 503" in ran.err
    assert "/hooks/T0P" not in ran.err, "a hook's address is a secret where whoever knows it may post"
    assert (len(hook.posts), len(mailbox.mails)) == (0, 1)
    hook.status = 204
    tierline(home, "fetch", now=NOW)
    assert (len(hook.posts), len(mailbox.mails)) == (1, 1)


def test_doctor_looks_at_both_and_sends_nothing(tmp_path: Path, hook: Hook, mailbox: Mailbox) -> None:
    (tmp_path / "remote/outgoing/PAYM").mkdir(parents=True)
    home = home_with(tmp_path, to_both(hook, mailbox))
    assert alarm_lines(home) == [
        ("ok", "webhook at 127.0.0.1 answers, with status 501; whether it takes messages only one tells"),
        ("ok", f"mail server 127.0.0.1:{mailbox.port} lets us in; whether it takes messages only one tells"),
    ]
    assert (hook.posts, mailbox.mails) == ([], [])


def test_doctor_names_the_channel_that_is_not_there(tmp_path: Path) -> None:
    port = free_ports(1)
    mail = f"  mail: {{server: 'smtp://u@127.0.0.1:{port}', secret: 'env:PW', from: a@b.cn, to: [a@b.cn]}}"
    home = home_with(tmp_path, f"  webhook: {{url_secret: 'file:gone'}}\n{mail}\n")
    (mail_state, mail_found), (hook_state, hook_found) = alarm_lines(home)
    assert (mail_state, hook_state) == ("failed", "failed")
    assert "PW" in mail_found
    assert "gone" in hook_found
    home = home_with(tmp_path / "other", f"  webhook: {{url: 'http://127.0.0.1:{port}/hooks/T0P'}}\n")
    ((state, found),) = alarm_lines(home)
    assert state == "failed"
    assert "webhook at 127.0.0.1: expected it to take the message, found: " in found
    assert "T0P" not in found


def alarm_lines(home: Path) -> list[tuple[str, str]]:
    """What doctor finds of the channels."""
    found = json.loads(tierline(home, "doctor", "--json", now=NOW).out)
    return [(each["state"], each["found"]) for each in found if each["what"] == "alarms"]


def test_what_is_mended_before_it_could_be_told_is_not_told(tmp_path: Path, hook: Hook) -> None:
    home = home_with(tmp_path, f"  webhook: {{url: '{hook.url}'}}\n")
    MANY_BAD.put(tmp_path / "remote")
    hook.status = 500
    load(home)
    payments(f"{STEM[:-2]}01", "CARD").put(tmp_path / "remote")
    assert load(home).exit_status == 0
    hook.status = 200
    tierline(home, "fetch", now=NOW)
    assert not hook.posts


def test_secrets_are_sent_and_never_said(tmp_path: Path, hook: Hook) -> None:
    made = make_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.certificate_file, made.key_file)
    with mail_server(context, "s3cret-mail") as mailbox:
        home = home_with(
            tmp_path,
            f"  webhook: {{url_secret: 'file:hook', secret: 'file:bearer'}}\n"
            f"  mail: {{server: 'smtp://tierline@127.0.0.1:{mailbox.port}', secret: 'file:mail', "
            f"ca_file: '{made.ca_file}', from: tierline@example.cn, to: [noc@example.cn]}}\n",
        )
        for name, secret in (("hook", hook.url), ("bearer", "s3cret-bearer"), ("mail", "wrong")):
            (home / name).write_text(secret)
        MANY_BAD.put(tmp_path / "remote")
        first = load(home)
        assert "mail server 127.0.0.1" in first.err
        assert not mailbox.mails
        (home / "mail").write_text("s3cret-mail")
        again = tierline(home, "fetch", now=NOW)
        assert len(mailbox.mails) == 1
    assert mailbox.over_tls == [True]
    ((headers, _),) = hook.posts
    assert headers["Authorization"] == "Bearer s3cret-bearer"
    for said in (first.out, first.err, again.out, again.err, (home / "logs" / "alarms.jsonl").read_text()):
        assert "s3cret" not in said
        assert "T0P" not in said


@pytest.mark.parametrize(
    ("url", "token", "said"),
    [
        ("chat.example/hooks/s3cret", "t", "expected a URL such as https://chat.example/hooks/x"),
        ("https://user:s3cret@chat.example/", "t", "expected a URL such as https://chat.example/hooks/x"),
        ("http://127.0.0.1:99999/s3cret", "t", "expected it to take the message, found"),
        ("http://127.0.0.1:9/s3cret x", "t", "expected it to take the message, found"),
        ("http://127.0.0.1:9/", "s3cret\nsecond line", "expected it to take the message, found"),
        ("https://[s3cret/x", "t", "expected a URL such as https://chat.example/hooks/x"),
        ("https://chat.example/s3cret\udcff", "t", "hook to hold text in UTF-8, found other bytes"),
        ("http://127.0.0.1:9/", "s3cret\udcff", "bearer to hold text in UTF-8, found other bytes"),
    ],
)
def test_a_bad_secret_is_an_error_that_does_not_show_it(tmp_path: Path, url: str, token: str, said: str) -> None:
    home = home_with(tmp_path, "  webhook: {url_secret: 'file:hook', secret: 'file:bearer'}\n")
    (home / "hook").write_bytes(os.fsencode(url))  # a half of a surrogate pair: a byte that is no UTF-8
    (home / "bearer").write_bytes(os.fsencode(token))
    MANY_BAD.put(tmp_path / "remote")
    ran = load(home)
    assert ran.exit_status == 3
    assert said in ran.err
    assert "s3cret" not in ran.err + ran.out


def test_a_redirected_message_was_not_taken(tmp_path: Path, hook: Hook) -> None:
    home = home_with(tmp_path, f"  webhook: {{url: '{hook.url}'}}\n")
    MANY_BAD.put(tmp_path / "remote")
    hook.status = 302
    assert "found status 302" in load(home).err
    hook.status = 200
    tierline(home, "fetch", now=NOW)
    assert len([content for _, content in hook.posts if "alarms" in content]) == 1


def test_whom_a_mail_does_not_reach_is_said_and_the_others_get_it_once(tmp_path: Path, mailbox: Mailbox) -> None:
    mail = f"server: 'smtp://127.0.0.1:{mailbox.port}', from: a@b.cn, to: [noc@example.cn, gone@example.cn]"
    home = home_with(tmp_path, f"  mail: {{{mail}}}\n")
    MANY_BAD.put(tmp_path / "remote")
    assert "took the message, but not for gone@example.cn" in load(home).err
    tierline(home, "fetch", now=NOW)
    assert mailbox.recipients == [["noc@example.cn"]]


def test_whom_a_mail_does_not_reach_yet_gets_it_from_the_next_command(tmp_path: Path, mailbox: Mailbox) -> None:
    people = "[noc@example.cn, gone@example.cn, 'Ops <slow@example.cn>']"
    home = home_with(tmp_path, f"  mail: {{server: 'smtp://127.0.0.1:{mailbox.port}', from: a@b.cn, to: {people}}}\n")
    MANY_BAD.put(tmp_path / "remote")
    mailbox.is_busy = True
    said = load(home).err
    assert "took the message, but not for gone@example.cn: 550 nobody of that name\n" in said
    assert "took the message, but not for slow@example.cn: 450 try again later; the next command tries again" in said
    assert "450 try again later; the next command tries again" in tierline(home, "fetch", now=NOW).err
    mailbox.is_busy = False
    for _ in range(2):
        assert "alarms:" not in tierline(home, "fetch", now=NOW).err
    assert mailbox.recipients == [["noc@example.cn"], ["slow@example.cn"]]
    assert len({mail["Message-ID"] for mail in mailbox.mails}) == 1
    mailbox.is_busy = True
    assert tierline(home, "digest", "--send", now=NEXT_DAY).exit_status == 1
    mailbox.is_busy = False
    for _ in range(2):
        assert tierline(home, "digest", "--send", now=NEXT_DAY).exit_status == 0
    assert mailbox.recipients[2:] == [["noc@example.cn"], ["slow@example.cn"]]


def test_a_mail_that_was_taken_is_sent_once_however_its_server_says_good_bye(
    tmp_path: Path, hook: Hook, mailbox: Mailbox
) -> None:
    home = home_with(tmp_path, to_both(hook, mailbox))
    MANY_BAD.put(tmp_path / "remote")
    mailbox.farewell = "421 too busy to say good-bye"
    assert "mail server" not in load(home).err
    tierline(home, "fetch", now=NOW)
    assert len(mailbox.mails) == 1


@pytest.mark.parametrize(
    ("alarms", "begin"),
    [
        ("  webhook: {{url: 'http://127.0.0.1:{port}/s3cret'}}\n", b"HTTP/1.1 200 OK\r\nServer: "),
        ("  mail: {{server: 'smtp://127.0.0.1:{port}', from: a@b.cn, to: [noc@example.cn]}}\n", b"220-"),
    ],
    ids=["webhook", "mail"],
)
def test_a_channel_that_never_ends_its_answer_holds_nothing_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, alarms: str, begin: bytes
) -> None:
    monkeypatch.setattr(channels, "_DEADLINE_S", 1)
    with trickling(begin) as port:
        home = home_with(tmp_path, alarms.format(port=port))
        MANY_BAD.put(tmp_path / "remote")
        ran = load(home)
    assert ran.exit_status == 3
    assert "expected it to take the message, found: no end of its answer within 1 s; the next command tries" in ran.err


def test_a_digest_tells_a_day_once(tmp_path: Path, hook: Hook, mailbox: Mailbox) -> None:
    home = home_with(tmp_path, to_both(hook, mailbox))
    MANY_BAD.put(tmp_path / "remote")
    payments(STEM.replace("_0001_", "_0002_"), "CARD", "CARD", "GIFT").put(tmp_path / "remote")
    load(home)
    shown = tierline(home, "digest", "--day", "2026-11-22", now=NEXT_DAY).out
    assert "batches taken: 1 loaded, 1 refused; rejected rows: 5" in shown
    assert f"refused {STEM}" in shown
    assert len(hook.posts) == 1, "nothing is sent without --send"
    for _ in range(2):
        assert tierline(home, "digest", "--send", now=NEXT_DAY).exit_status == 0
    (digest,) = [posted["digest"] for _, posted in hook.posts if "digest" in posted]
    assert digest["day"] == "2026-11-22"
    assert digest["batches"] == {"loaded": 1, "refused": 1}
    assert [mail["Subject"] for mail in mailbox.mails].count("[tierline] digest of 2026-11-22") == 1
    for day in ("yesterday", "0001-01-01", "9999-12-31"):
        refused = tierline(home, "digest", "--day", day, now=NEXT_DAY)
        assert (refused.exit_status, f"day {day}: expected a day such as" in refused.err) == (2, True)


@pytest.mark.parametrize(
    ("alarms", "expected"),
    [
        ("  webhook: {}\n", "either url or url_secret"),
        ("  webhook: {url: 'http://a/b', url_secret: 'env:X'}\n", "either url or url_secret"),
        ("  webhook: {url: 'ftp://a/b'}\n", "a URL such as https://chat.example"),
        ("  webhook: {url: 'https://[s3cret/x'}\n", "a URL such as https://chat.example"),
        ("  mail: {server: 'smtp://a', from: x@y, to: ['bad address ‹']}\n", "key to: expected a mail address such as"),
        (
            '  mail: {server: "smtp://a", from: x@y, to: ["a@b\\nBcc: c@d"]}\n',
            "key to: expected a mail address such as",
        ),
        ("  mail: {server: 'smtp://a', from: x@y, to: ['a@b, c@d']}\n", "key to: expected a mail address such as"),
        ("  mail: {server: 'smtp://a', from: 'a@', to: [a@b]}\n", "key from: expected a mail address such as"),
        ("  mail: {server: 'smtp://u:pw@[a', from: x@y, to: [a@b]}\n", "a URL such as smtp://"),
        ("  mail: {server: 'smtp://a', from: x@y}\n", "to"),
        ("  mail: {server: 'smtp://u:pw@a', from: x@y, to: [a@b]}\n", "one with a password in it"),
        ("  mail: {server: 'smtp://a', secret: 'env:X', from: x@y, to: [a@b]}\n", "a user in the URL"),
        ("  mail: {server: 'imap://a', from: x@y, to: [a@b]}\n", "a URL such as smtp://"),
        ("  pager: {}\n", "pager"),
    ],
)
def test_a_wrong_configuration_says_where_and_what(tmp_path: Path, alarms: str, expected: str) -> None:
    ran = tierline(home_with(tmp_path, alarms), "batches", now=NOW)
    assert ran.exit_status == 2
    assert expected in ran.err
    assert "tierline.yaml, line" in ran.err
    assert "pw" not in ran.err
    assert "s3cret" not in ran.err


def test_many_late_cycles_are_one_line_a_feed_and_refusals_stand_first(tmp_path: Path, hook: Hook) -> None:
    """Else a new source's first run says hundreds of lines of one kind, in any order, and nothing else is seen."""
    home = home_with(tmp_path, f"  webhook: {{url: '{hook.url}'}}\n")
    configuration = home / "tierline.yaml"
    configuration.write_text(configuration.read_text().replace("feeds: [", "since: 2026-11-21\n    feeds: ["))
    MANY_BAD.put(tmp_path / "remote")
    ran = tierline(home, "run", now="2026-11-22T14:00:00")
    said = [line for line in ran.err.splitlines() if line.startswith("alarm: ")]
    assert len(said) == 10
    assert said[0].startswith(f"alarm: refused {STEM}: ")
    assert "alarm: missing PAYM 110: 35 cycles, 2026112100 to 2026112210" in said
    assert "alarm: late USGE_110_I_20261121: no end file, expected 2026-11-22 04:00:00" in said
    assert said[1:] == sorted(said[1:]), "late before missing, then by feed"
    hint = ran.out.splitlines()[-1].partition("tierline --home ")[2].split()[1:]
    listed = tierline(home, *hint, now="2026-11-22T14:00:00")
    assert listed.exit_status == 4, listed.err
    shown = tierline(home, "digest", now="2026-11-22T14:00:00").out
    assert "  2026-11-22 14:00 missing PAYM 110: 35 cycles, 2026112100 to 2026112210\n" in shown
    assert shown.index(f"refused {STEM}") < shown.index(" late ") < shown.index(" missing PAYM")
    assert shown.count("--state missing") == 1, "what to do is said once for all of a kind"
    posted = [content for _, content in hook.posts if "alarms" in content]
    assert sum(len(each["alarms"]) for each in posted) > 70, "programs get each"
    assert "missing PAYM 110: 35 cycles" in posted[-1]["text"]
    logged = [json.loads(line) for line in (home / "logs" / "alarms.jsonl").read_text().splitlines()]
    subjects = [each["subject"] for each in logged if each["kind"] == "missing"]
    assert len(subjects) > 70
    assert subjects == sorted(subjects)


def test_metrics_are_open_metrics_and_count_what_the_ledger_has(tmp_path: Path) -> None:
    from prometheus_client.openmetrics.parser import text_string_to_metric_families

    home = make_home(tmp_path / "home", Endpoint("file", root=str(tmp_path / "remote")))
    MANY_BAD.put(tmp_path / "remote")
    payments(STEM.replace("_0001_", "_0002_"), "CARD", "CARD", "GIFT").put(tmp_path / "remote")
    load(home)
    text = tierline(home, "metrics", now=NOW).out
    assert text.endswith("# EOF\n")
    found = {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert found["tierline_batches", "PAYM", "110", "refused"] == 1
    assert found["tierline_batches", "PAYM", "110", "loaded"] == 1
    assert found["tierline_rows", "PAYM", "loaded", "110"] == 2
    assert found["tierline_rows", "PAYM", "rejected", "110"] == 1
    assert found["tierline_open_alarms", "refused"] == 1
    pools = json.loads(tierline(home, "pools", now=NOW).out)
    assert pools["tierline_warehouse"]["slots"] == 1
    assert "tierline_source_110" in pools


def test_the_publication_that_readers_see_is_the_one_made_last_whatever_the_clock_said(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", Endpoint("file", root=str(tmp_path / "remote")))
    with ledger_of(home) as store, store.transaction() as connection:
        for number, hour in ((999_999, 11), (1_000_000, 10)):
            at = datetime(2026, 11, 22, hour)
            prepare(connection, Publication(f"20261121-{number}", "2026-11-21", "published", "", (), at, at))
    text = tierline(home, "metrics", now=NOW).out
    assert 'tierline_publication_info{as_of_date="2026-11-21",publication_id="20261121-1000000"} 1.0' in text
