"""Workers whose kept and staged files stand in an object store, on a real one: `rclone serve s3`."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from offers import GOOD, STEM, files, in_core, payments, put_end
from running import make_home, tierline, tierline_process
from workplaces import NOW, SETTLED, Place, in_bucket

from pipelines.config import load_config
from pipelines.errors import StoreError
from pipelines.objects import ObjectStore
from pipelines.transfer.base import Endpoint
from sftp_fixtures.postgres import Postgres, postgres_server
from sftp_fixtures.rclone import MEMORY_S, Bucket, rclone_s3_server

_DAY = "PAYM/2026/11/22"
_REFUSED = payments("PAYM_110_I_2026112211_0001_00", *["CARD"] * 20, *["GIFT"] * 10)  # E501
_PARTLY = payments(STEM, "WALLET", "GIFT", "CARD")  # the second is rejected


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with postgres_server() as server:
        yield server


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[Bucket]:
    with rclone_s3_server(tmp_path / "objects") as server:
        yield server


@pytest.fixture
def place(postgres: Postgres, bucket: Bucket, tmp_path: Path) -> Place:
    return Place(tmp_path, postgres.trusted_url(postgres.new_database()), postgres.port, bucket)


def run(home: Path, *words: str, status: tuple[int, ...] = SETTLED) -> str:
    ran = tierline(home, *words, now=NOW)
    assert ran.exit_status in status, (words, ran.out, ran.err)
    return " ".join(f"{ran.out} {ran.err}".split())


def spoil(path: Path) -> None:
    """Change its last digit, and neither its size nor its time."""
    status = path.stat()
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-2] + b"9\n")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def kept(place: Place, directory: str) -> set[str]:
    return {Path(name).name for name in files(place.kept / directory)}


def test_what_one_worker_took_another_judges_and_a_third_loads(place: Place) -> None:
    """None of them sees the files of another; rejected rows can be read everywhere."""
    _PARTLY.put(place.root / "remote")
    _REFUSED.put(place.root / "remote")
    whole, first, second = place.home("whole"), place.home("first", "intake"), place.home("second", "intake")
    run(first, "fetch")
    assert kept(place, "archive") == {f"{each.stem}{end}" for each in (_PARTLY, _REFUSED) for end in (".DAT", ".CHK")}
    assert "1 refused" in run(second, "load")
    assert kept(place, "archive") == {_PARTLY.name, f"{STEM}.CHK"}
    assert kept(place, "staged") == {f"{STEM}.parquet", f"{STEM}.rejects.parquet"}
    assert kept(place, "quarantine") == {
        _REFUSED.name, *(f"{_REFUSED.stem}{end}" for end in (".CHK", ".reason.json", ".rejects.parquet")),
    }  # fmt: skip
    run(whole, "load")
    assert in_core(whole, "select count(*) from core.payment") == [(2,)]
    for home in (whole, first, second):
        assert "GIFT" in run(home, "batch", "rejects", STEM)
        assert "E501" in run(home, "batch", "show", _REFUSED.stem)
        assert run(home, "batch", "rejects", _REFUSED.stem).count("E406") == 10


def test_operators_decide_in_any_home(place: Place) -> None:
    """A refused batch is accepted elsewhere, another discarded; the bytes go with the decision, for all."""
    GOOD.put(place.root / "remote")
    _REFUSED.put(place.root / "remote")
    whole, first = place.home("whole"), place.home("first", "intake")
    run(first, "run")
    run(whole, "batch", "accept", _REFUSED.stem, "--why", "the producer knows")
    assert kept(place, "quarantine") == set()
    assert {_REFUSED.name, f"{_REFUSED.stem}.CHK"} <= kept(place, "archive")
    run(whole, "load")
    before = in_core(whole, "select count(*) from core.payment")
    run(whole, "batch", "discard", STEM, "--why", "it was a test")
    assert kept(place, "archive") == {_REFUSED.name, f"{_REFUSED.stem}.CHK"}
    assert kept(place, "quarantine") == {GOOD.name, f"{STEM}.CHK"}
    run(whole, "load")
    assert in_core(whole, "select count(*) + 3 from core.payment") == before
    GOOD.put(place.root / "remote")  # the stem is offered again, with the same bytes
    run(first, "run")
    run(whole, "run")
    assert in_core(whole, "select count(*) from core.payment") == before
    (staged,) = (place.kept / "staged").rglob(f"{STEM}.parquet")
    before_replay = staged.stat().st_ino
    run(whole, "replay", "--feed", "PAYM", "--from", "2026112210", "--to", "2026112210")
    assert staged.stat().st_ino != before_replay, "what was staged anew is another object"
    assert in_core(whole, "select count(*) from core.payment") == before


@pytest.mark.parametrize("fault", ["download", "archive", "check", "stage"])
def test_a_worker_is_lost_and_another_goes_on(place: Place, fault: str) -> None:
    """With the home that it had: whatever was not in the store yet is fetched or made once more."""
    GOOD.put(place.root / "remote")
    _REFUSED.put(place.root / "remote")
    whole, first, second = place.home("whole"), place.home("first", "intake"), place.home("second", "intake")
    assert tierline_process(first, "run", now=NOW, fault=fault).returncode == -signal.SIGKILL
    shutil.rmtree(first)
    run(second, "run")
    run(whole, "run")
    run(second, "run")
    assert in_core(whole, "select count(*) from core.payment") == [(3,)]
    assert kept(place, "archive") == {GOOD.name, f"{STEM}.CHK"}
    assert {_REFUSED.name, f"{_REFUSED.stem}.CHK"} <= kept(place, "quarantine")
    assert not files(place.root / "remote" / "outgoing")
    assert "sound" in run(second, "backups", "verify")


def test_bytes_that_a_lost_worker_kept_are_not_overwritten(place: Place) -> None:
    """It was killed before the ledger knew of them, and the producer exchanged the file meanwhile."""
    first_bytes = GOOD.put(place.root / "remote")
    first, second = place.home("whole"), place.home("second", "intake")
    assert tierline_process(first, "fetch", now=NOW, fault="archive").returncode == -signal.SIGKILL
    assert (place.kept / "archive" / _DAY / GOOD.name).read_bytes() == first_bytes
    shutil.rmtree(first)
    second_bytes = payments(STEM, "CARD").put(place.root / "remote")
    run(second, "fetch")
    assert (place.kept / "archive" / _DAY / GOOD.name).read_bytes() == second_bytes
    orphans = [path.read_bytes() for path in (place.kept / "quarantine").rglob(GOOD.name)]
    assert orphans == [first_bytes]


def test_a_store_that_is_away_keeps_everything_waiting(postgres: Postgres, tmp_path: Path) -> None:
    """Nothing is noted, nothing moved on the producer's server; with the store back the same command goes on."""
    with rclone_s3_server(tmp_path / "objects") as bucket:
        place = Place(tmp_path, postgres.trusted_url(postgres.new_database()), postgres.port, bucket)
        whole = place.home("whole")
        offered = GOOD.put(tmp_path / "remote")
    said = run(whole, "run", status=(1,))
    assert "s3://tierline/province/archive/PAYM/2026/11/22/PAYM_110_I_2026112210_0001_00" in said
    assert "expected the object store to answer, found: Could not connect" in said
    assert "run again, it goes on" in said
    assert place.states() == {"fetched": 1}
    assert (tmp_path / "remote" / "outgoing" / "PAYM" / GOOD.name).read_bytes() == offered
    with rclone_s3_server(tmp_path / "objects", port=int(bucket.endpoint.rpartition(":")[2])):
        run(whole, "run")
        assert in_core(whole, "select count(*) from core.payment") == [(3,)]
        assert kept(place, "archive") == {GOOD.name, f"{STEM}.CHK"}


@pytest.mark.parametrize("harm", ["damaged", "lost"])
def test_copies_in_the_store_are_audited_and_mended(place: Place, harm: str) -> None:
    """What counts is the object: whatever the home's own copy is like, it does not hide what became of the object."""
    GOOD.put(place.root / "remote")
    whole = place.home("whole")
    run(whole, "run")
    own = whole / "archive" / _DAY / GOOD.name
    spoil(own)
    assert "sound" in run(whole, "backups", "verify")
    data = place.kept / "archive" / _DAY / GOOD.name
    content = data.read_bytes()
    if harm == "damaged":
        spoil(data)
    else:
        data.unlink()
    time.sleep(2 * MEMORY_S)
    said = run(whole, "backups", "verify", status=(1, 3))
    assert ("damaged" if harm == "damaged" else "missing") in said
    run(whole, "backups", "restore", STEM)
    assert data.read_bytes() == content
    assert "sound" in run(whole, "backups", "verify")


def test_a_warehouse_is_rebuilt_from_the_store_alone(place: Place) -> None:
    _PARTLY.put(place.root / "remote")
    whole = place.home("whole")
    run(whole, "run", "--as-of", "2026-11-21")
    for name in ("archive", "staged", "quarantine"):
        shutil.rmtree(whole / name)
    said = run(whole, "rebuild", "--into", str(place.root / "rebuilt"))
    assert "1 batches" in said
    assert "equal: 1" in said


def test_copies_here_may_be_deleted(place: Place) -> None:
    """A cycle is judged as a whole by rows that came before; copies past their retention leave the store alone."""
    remote, later = place.root / "remote", payments("PAYM_110_I_2026112210_0002_00", "CARD")
    GOOD.put(remote)
    put_end(remote, GOOD, later)
    whole = place.home("whole")
    run(whole, "run")
    later.put(remote)
    for name in ("archive", "staged"):
        shutil.rmtree(whole / name)
    assert "1 cycles judged as a whole" in run(whole, "run")
    assert f"{STEM[:-8]}.END" in kept(place, "archive")
    assert tierline(whole, "backups", "prune", "--archive", "--delete", now="2029-11-22T12:00:00").exit_status == 0
    assert kept(place, "archive") == {f"{STEM[:-8]}.END"}
    shutil.rmtree(whole / "staged")
    said = run(whole, "rebuild", "--into", str(place.root / "rebuilt"))
    assert "equal" in said


def test_copies_follow_the_store(bucket: Bucket, tmp_path: Path) -> None:
    """What another put is brought, also of the same size in the same second; nothing is deleted for it."""
    stores = [_store(bucket, tmp_path, name) for name in ("one", "two")]
    paths = [tmp_path / name / "staged" / "a.parquet" for name in ("one", "two")]
    paths[0].parent.mkdir()
    paths[0].write_bytes(b"first")
    stores[0].put(paths[:1])
    assert stores[1].bring(paths[1:]) == frozenset()
    assert paths[1].read_bytes() == b"first"
    assert paths[1].stat().st_mode & 0o777 == 0o400
    paths[0].write_bytes(b"other")
    stores[0].put(paths[:1])
    assert (stores[1].size(paths[1]), stores[1].bring(paths[1:])) == (5, frozenset())
    assert paths[1].read_bytes() == b"other"
    status = paths[0].stat()
    paths[0].write_bytes(b"wrong")
    os.utime(paths[0], ns=(status.st_atime_ns, status.st_mtime_ns))
    stores[0].bring(paths[:1])
    assert paths[0].read_bytes() == b"wrong"
    stores[0].bring(paths[:1], afresh=True)
    assert paths[0].read_bytes() == b"other"
    stores[0].drop(paths[:1])
    stores[0].drop(paths[:1])  # harmless twice
    assert (stores[1].size(paths[1]), stores[1].bring(paths[1:])) == (None, frozenset(paths[1:]))
    assert paths[1].read_bytes() == b"other"


def test_large_objects_go_in_parts(bucket: Bucket, tmp_path: Path) -> None:
    one, two = (_store(bucket, tmp_path, name) for name in ("one", "two"))
    large = tmp_path / "one" / "archive" / "large.DAT"
    large.parent.mkdir()
    large.write_bytes(os.urandom(1 << 20) * 80)
    one.put([large])
    two.bring([tmp_path / "two" / "archive" / "large.DAT"])
    assert (tmp_path / "two" / "archive" / "large.DAT").read_bytes() == large.read_bytes()


def _store(bucket: Bucket, root: Path, name: str) -> ObjectStore:
    (root / "s3-secret").write_text(bucket.secret)
    extra = 'ledger: "postgresql+psycopg://nobody@127.0.0.1/none"\n' + in_bucket(bucket)
    config = load_config(make_home(root / name, Endpoint("file", root=str(root)), extra=extra))
    assert config.workers.store is not None
    return ObjectStore(config.workers.store, root / name)


@pytest.mark.parametrize(
    ("url", "secret", "said"),
    [
        ("s3://tierline/province", "file:../s3-secret", "object store ok s3://tierline/province/, can be written"),
        ("s3://tierline/province", "file:../other-secret", "SignatureDoesNotMatch"),
        ("s3://nowhere/province", "file:../s3-secret", "NoSuchBucket"),
    ],
)
def test_doctor_tries_the_store(place: Place, url: str, secret: str, said: str) -> None:
    (place.root / "other-secret").write_text("wrong")
    extra = f'ledger: "{place.url}"\n' + in_bucket(place.bucket, url, secret)  # type: ignore[arg-type]  # it has one
    home = make_home(place.root / "home", Endpoint("file", root=str(place.root / "remote")), extra=extra)
    ran = tierline(home, "doctor", now=NOW)
    assert said in " ".join(ran.out.split()), ran.out
    assert ran.exit_status == (0 if "ok" in said else 1)
    assert "plain HTTP sends data readable" in " ".join(ran.out.split())
    assert place.bucket is not None
    assert place.bucket.secret not in ran.out + ran.err
    assert not list(place.bucket.directory.rglob(".doctor*"))


def test_a_store_that_answers_otherwise_names_the_object(bucket: Bucket, tmp_path: Path) -> None:
    store = _store(bucket, tmp_path, "one")
    (tmp_path / "s3-secret").write_text("wrong")
    path = tmp_path / "one" / "archive" / "a.DAT"
    path.parent.mkdir()
    path.write_bytes(b"first")
    with pytest.raises(StoreError, match=r"s3://tierline/province/archive/a\.DAT: expected the object store to answer"):
        store.put([path])
    with pytest.raises(StoreError, match=r"s3://tierline/province/archive/a\.DAT: expected the object store to answer"):
        store.bring([path])
    assert path.read_bytes() == b"first"


def test_a_store_that_is_away_during_a_load_has_nothing_judged_anew(postgres: Postgres, tmp_path: Path) -> None:
    """The staged rows of another worker are not lost because they cannot be fetched just now."""
    with rclone_s3_server(tmp_path / "objects") as bucket:
        place = Place(tmp_path, postgres.trusted_url(postgres.new_database()), postgres.port, bucket)
        whole, first = place.home("whole"), place.home("first", "intake")
        for offer in (GOOD, payments("PAYM_110_I_2026112210_0002_00", "CARD")):
            offer.put(tmp_path / "remote")
        run(first, "fetch")
        run(first, "load")
    said = run(whole, "load", status=(1,))
    assert said.count("expected the object store to answer") == 1
    assert "no such file" not in said


_LEDGER = 'ledger: "postgresql+psycopg://nobody@127.0.0.1/none"\n'
_STORE = "store: {url: 's3://tierline', "


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ("store: {url: 's3://tierline'}\n", "key store: expected the key ledger to name a PostgreSQL database for it"),
        (_LEDGER + "store: {url: 'https://tierline'}\n", "key url: expected a bucket and a prefix, such as s3://"),
        (_LEDGER + "store: {url: 's3://tierline/a b'}\n", "key url: expected a bucket and a prefix, such as s3://"),
        (
            _LEDGER + "store: {url: 's3://AK:secret@tierline/a'}\n",
            "s3://tierline/province, found another, not shown here",
        ),
        (_LEDGER + _STORE + "endpoint: 'https://[minio'}\n", "key endpoint: expected a URL such as https://minio"),
        (_LEDGER + _STORE + "access_key: tierline}\n", "key store: expected access_key and secret together"),
        (_LEDGER + _STORE + "endpoint: 'http://u:p@host'}\n", "key endpoint: expected a URL such as https://minio"),
        (_LEDGER + _STORE + "bucket: other}\n", "bucket"),
        (_LEDGER + "shared: ../s\nstore: {url: 's3://tierline'}\n", "key store: expected either shared, a"),
        (
            _LEDGER + "engine: spark\nspark: {master: 'spark://host:7077'}\nstore: {url: 's3://tierline'}\n",
            "key store: expected the key shared in its place",
        ),
    ],
)
def test_a_configuration_that_would_not_hold_is_refused(tmp_path: Path, extra: str, said: str) -> None:
    home = make_home(tmp_path / "home", Endpoint("file", root="/"), extra=extra)
    ran = tierline(home, "fetch", now=NOW)
    assert (ran.exit_status, said in ran.err) == (2, True), ran.err
    assert "u:p" not in ran.err
