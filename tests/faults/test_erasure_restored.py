"""Whoever was erased stays erased: through restores by command and by hand, and ledgers that were changed.

It must never import ``customary``, but for the search with the root key in hand.
"""

import base64
import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from coverage.needles import Canaries, Searcher
from coverage.planted import native_person
from native.client import Native, native
from native.erasing import ERASING, erased
from serving import Server, Tenancy, make_tenancy, serving

LEDGER = "erasures.ndjson"
DATABASES = ("customary.db", "keys.db")


@pytest.fixture
def running(command: Path, tmp_path: Path) -> Iterator[Tenancy]:
    """A tenant of a server that nobody else uses, with checkpoints kept beside its data."""
    (tmp_path / "witness").mkdir()
    with serving(command, tmp_path / "running", checkpoint_dir=str(tmp_path / "witness")) as server:
        yield make_tenancy(server)


def _store(server: Server) -> Path:
    return server.folder / "store"


def _put_back(server: Server, copy: Path, *names: str) -> None:
    """Put files of a copy into the data folder by hand, as somebody in a hurry would."""
    for name in DATABASES:
        for beside in ("-wal", "-shm"):
            (_store(server) / f"{name}{beside}").unlink(missing_ok=True)
    for name in names:
        shutil.copy(copy / name, _store(server))


def _erased_since(running: Tenancy, tmp_path: Path) -> tuple[Native, str, Path]:
    """Erase a customer after a copy of the stopped folder was made; return who, and the copy."""
    server = running.server
    api = native(running, *ERASING)
    person = api.create(fullName="Grace Hopper", externalId="grace", taxId="123456789")
    assert server.stop() == 0
    copy = tmp_path / "copy"
    shutil.copytree(_store(server), copy)
    server.start()
    erased(native(running, *ERASING), person["id"])
    assert server.stop() == 0
    return api, person["id"], copy


def _refused(server: Server, *words: str) -> None:
    """Demand that neither server nor commands start, and that they say why."""
    for arguments in (("serve", "--port", "0"), ("customers", "list"), ("key", "list")):
        done = server.run(*arguments)
        assert done.returncode == 3, (arguments, done.stdout, done.stderr)
        for word in words:
            assert word in done.stderr, (arguments, done.stderr)


def _still_erased(running: Tenancy, customer_id: str) -> None:
    """Demand that the customer is gone, in whatever way it is asked for."""
    server = running.server
    if server.process is None:
        server.start()
    api = native(running, *ERASING)
    assert api.get(customer_id).status == 410
    assert api.ids(externalId="grace") == []
    again = api.create(fullName="Grace Again", externalId="grace")
    assert again["id"] != customer_id
    assert server.stop() == 0


def test_databases_that_were_put_back_by_hand_are_replayed_first(running: Tenancy, tmp_path: Path) -> None:
    """Nothing starts on them until the ledger is replayed; then the person is gone, and the trail says so."""
    server = running.server
    _, customer_id, copy = _erased_since(running, tmp_path)
    _put_back(server, copy, *DATABASES)
    _refused(server, "erased since", "erasure replay")
    assert server.printed("erasure", "replay") == {"known": 1, "erasedAgain": 1}
    assert server.printed("erasure", "replay") == {"known": 1, "erasedAgain": 0}
    actions = [leaf["action"] for leaf in running.trail() if leaf["subject"] == customer_id]
    assert actions[-1] == "customer.erased_again"
    certificate = server.printed("erasure", "show", "1", "--tenant", running.tenant_id)
    assert certificate["certificate"]["customerId"] == customer_id
    server.settings.pop("CUSTOMARY_CHECKPOINT_DIR")  # which says for itself that the store went back
    _still_erased(running, customer_id)


def test_a_folder_that_was_put_back_whole_is_noticed_by_the_copy_of_the_ledger(
    running: Tenancy, tmp_path: Path
) -> None:
    """Where a copy is kept with the checkpoints, an old ledger with old databases hides nothing."""
    server = running.server
    _, customer_id, copy = _erased_since(running, tmp_path)
    (_store(server) / LEDGER).unlink()
    _put_back(server, copy, *DATABASES)
    _refused(server, "erasure replay")
    assert server.printed("erasure", "replay")["erasedAgain"] == 1
    server.settings.pop("CUSTOMARY_CHECKPOINT_DIR")
    _still_erased(running, customer_id)


def test_a_restored_backup_has_nobody_who_was_erased_since(running: Tenancy, tmp_path: Path) -> None:
    """The command replays the ledger before the backup takes its place, and the server starts at once."""
    server = running.server
    api = native(running, *ERASING)
    person = api.create(fullName="Grace Hopper", externalId="grace")
    server.printed("backup", str(tmp_path / "backup.db"))
    erased(api, person["id"])
    late = api.create(fullName="Late", externalId="late")
    erased(api, late["id"])
    assert server.stop() == 0
    restored = server.printed("restore", str(tmp_path / "backup.db"), "--force")
    assert restored["erasedAgain"] == 2
    assert restored["customers"] == 0
    server.start()
    # Of the late one the backup knew nothing; its id is not given again all the same.
    assert native(running, *ERASING).get(late["id"]).status == 410
    _still_erased(running, person["id"])


def test_a_backup_brings_its_ledger_to_a_new_machine(running: Tenancy, tmp_path: Path) -> None:
    """In an empty folder the backup's own ledger counts, and a later copy of it if one is named."""
    server = running.server
    api = native(running, *ERASING)
    one, other = (api.create(fullName=name) for name in ("One", "Other"))
    erased(api, one["id"])
    server.printed("backup", str(tmp_path / "backup.db"))
    erased(api, other["id"])
    for number, (options, count) in enumerate([((), 0), (("--ledger", str(_store(server) / LEDGER)), 1)]):
        fresh = Server(server.command, tmp_path / f"fresh {number}")
        (fresh.folder / "store").mkdir(parents=True, mode=0o700)
        shutil.copy(_store(server) / "root.key", fresh.folder / "store")
        done = fresh.printed("restore", str(tmp_path / "backup.db"), *options)
        assert done["erasedAgain"] == count
        assert done["customers"] == 1 - count
        assert len(fresh.printed("erasure", "list", "--tenant", running.tenant_id)) == 1 + count
    assert server.run("restore", str(tmp_path / "backup.db"), "--ledger", "nowhere").returncode == 1


# ── A ledger that somebody changed ──────────────────────────────────────────────────────────────────────


def _cut(lines: list[bytes]) -> list[bytes]:
    return lines[:-2]


def _cut_out(lines: list[bytes]) -> list[bytes]:
    return lines[2:]


def _swapped(lines: list[bytes]) -> list[bytes]:
    return [*lines[2:4], *lines[:2], *lines[4:]]


def _edited(lines: list[bytes]) -> list[bytes]:
    return [line.replace(b'"merchantNo":1', b'"merchantNo":2') for line in lines]


def _other_person(lines: list[bytes]) -> list[bytes]:
    line = json.loads(lines[-2])
    line["certificate"]["customerId"] = "3kTp9j2mN5xR"
    return [*lines[:-2], json.dumps(line, sort_keys=True, separators=(",", ":")).encode(), lines[-1]]


def _unsigned(lines: list[bytes]) -> list[bytes]:
    line = json.loads(lines[-1])
    line["signature"] = "00" * 64
    return [*lines[:-1], json.dumps(line, sort_keys=True, separators=(",", ":")).encode()]


def _garbled(lines: list[bytes]) -> list[bytes]:
    return [*lines, b"{}", b"no JSON"]


def _gone(lines: list[bytes]) -> list[bytes]:
    return []


@pytest.mark.parametrize(
    "harm", [_cut, _cut_out, _swapped, _edited, _other_person, _unsigned, _garbled, _gone]
)
def test_a_ledger_that_was_changed_is_noticed(
    command: Path, tmp_path: Path, harm: Callable[[list[bytes]], list[bytes]]
) -> None:
    """Lines that are missing, changed, in another order or unsigned keep everything from starting."""
    with serving(command, tmp_path / "running") as server:
        running = make_tenancy(server)
        api = native(running, *ERASING)
        for number in range(3):
            erased(api, api.create(fullName=f"Person {number}")["id"])
        server.stop()
        path = _store(server) / LEDGER
        whole = path.read_bytes()
        lines = whole.splitlines()
        assert len(lines) == 6
        path.write_bytes(b"".join(line + b"\n" for line in harm(lines)))
        _refused(server, "ledger")
        assert server.run("erasure", "replay").returncode == 3
        path.write_bytes(whole)
        assert server.run("customers", "list").returncode == 0


def test_two_ledgers_that_contradict_each_other_are_refused(running: Tenancy, tmp_path: Path) -> None:
    """A copy that says something else than the ledger is not chosen from, and not overwritten."""
    server = running.server
    _, _, _ = _erased_since(running, tmp_path)
    (copy,) = (tmp_path / "witness").glob("*.erasures")
    assert copy.read_bytes() == (_store(server) / LEDGER).read_bytes()
    changed = _edited(copy.read_bytes().splitlines())
    copy.write_bytes(b"".join(line + b"\n" for line in changed))
    _refused(server, "contradict each other")


# ── Canaries ────────────────────────────────────────────────────────────────────────────────────────────


def test_nothing_of_an_erased_person_is_found_with_the_root_key_in_hand(
    running: Tenancy, tmp_path: Path
) -> None:
    """After erasure, VACUUM, backup and restore: no value in any file in any form, and no key to open one."""
    server = running.server
    api = native(running, *ERASING)
    canaries = Canaries(2026)
    people = [api.create(**native_person(canaries, "create")), api.create(**native_person(canaries, "again"))]
    for person in people:
        changed = native_person(canaries, f"patch {person['id']}")
        assert api.patch(person["id"], changed).status == 200
        reason = canaries.text(f"hold {person['id']}")
        assert api.call("POST", f"/customers/{person['id']}/hold", {"reason": reason}).status == 200
        assert api.call("DELETE", f"/customers/{person['id']}/hold").status == 200
    api.create(fullName="Somebody who stays")
    assert len(canaries.planted) >= 40
    before = _wrapped_keys(_store(server))
    for person in people:
        erased(api, person["id"])
    assert server.stop() == 0
    for name in DATABASES:
        with closing(sqlite3.connect(_store(server) / name)) as connection:
            connection.execute("VACUUM")
    server.printed("backup", str(tmp_path / "backup.db"))
    restored = Server(server.command, tmp_path / "restored")
    (restored.folder / "store").mkdir(parents=True, mode=0o700)
    shutil.copy(_store(server) / "root.key", restored.folder / "store")
    assert restored.printed("restore", str(tmp_path / "backup.db"))["customers"] == 1
    searcher = Searcher(canaries.planted)
    files = [path for path in sorted(tmp_path.rglob("*")) if path.is_file()]
    assert len(files) > 12
    for path in files:
        content = path.read_bytes()
        assert list(searcher.search(path.name, content)) == []
        for key in before:
            assert (key in content) is False, path
    for folder in (_store(server), restored.folder / "store"):
        assert _opened_with_root_key(folder, searcher) == 1


def _wrapped_keys(store: Path) -> list[bytes]:
    """Return the wrapped keys of the first two customers: those who are going to be erased."""
    with closing(sqlite3.connect(store / "keys.db")) as connection:
        rows: list[Any] = connection.execute("SELECT wrapped FROM customer_keys ORDER BY row_no").fetchall()
    return [wrapped for (wrapped,) in rows[:2]]


def _opened_with_root_key(store: Path, searcher: Searcher) -> int:
    """Try every key row on every customer that is named anywhere; return how many keys opened."""
    from customary.app.credentials import list_tenants
    from customary.app.ports import ReadTenantKeys
    from customary.bootstrap.house import House
    from customary.config import Settings
    from customary.domain.errors import CustomaryError

    opened = 0
    with House(Settings(data=store)) as house:
        (tenant,) = house.engine.read_now(list_tenants)
        keys = house.engine.read_now(partial(_asked, ReadTenantKeys(tenant.tenant_id)))
        vault = house.unsealed.tenant(tenant.tenant_id, keys)
        with closing(sqlite3.connect(store / "keys.db")) as connection:
            wrapped: list[Any] = connection.execute("SELECT wrapped FROM customer_keys").fetchall()
        with closing(sqlite3.connect(store / "customary.db")) as connection:
            named = {row[0] for row in connection.execute("SELECT customer_id FROM customers")}
            named |= {row[0] for row in connection.execute("SELECT customer_id FROM tombstones")}
            bodies: list[Any] = connection.execute("SELECT body FROM leaves").fetchall()
            assert connection.execute("SELECT count(*) FROM versions").fetchone() == (0,)
        assert len(named) == 3
        reasons = [json.loads(body) for (body,) in bodies if b"sealed_reason" in body]
        assert len(reasons) == 2
        for customer_id in named:
            for (key,) in wrapped:
                try:
                    customer_key = vault._key_of(key, customer_id)
                except CustomaryError:
                    continue
                opened += 1
                assert not list(searcher.search("key", repr(customer_key).encode()))
                for leaf in reasons:
                    assert leaf["subject"] != customer_id
                    assert base64.b64decode(leaf["sealed_reason"])
    return opened


def _asked(request: object) -> Any:
    return (yield request)
