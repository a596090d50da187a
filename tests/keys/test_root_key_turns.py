"""The root key turns beside a server: in a file, from source to source, and through kills at every point."""

import asyncio
import os
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from customary import config
from customary.app import credentials, roots, rotation
from customary.app.ports import Job, ReadNote, ReadTenantKeys, ReadTenants
from customary.bootstrap import turning
from customary.bootstrap.house import House
from customary.cli import checks
from customary.domain.customer import TenantID
from customary.domain.errors import Conflict, CustomaryError, Unavailable
from customary.vault import RootKeyRefused, RootVault, fingerprint_of, root_key_of_file
from keys.transit_engine import transit_engine

TENANTS = 25


class Killed(BaseException):
    """Stands for SIGKILL: nothing is tidied up on its way."""


def settings_of(folder: Path, **named: str) -> config.Settings:
    environ = {f"CUSTOMARY_{name.upper()}": value for name, value in named.items()}
    return config.load(environ | {"CUSTOMARY_DATA": str(folder / "house")}, overrides={}, cwd=folder)


def silent(done: int, total: int) -> None:
    """Nobody looks at the progress."""


def founded(settings: config.Settings) -> None:
    """Make a folder with tenants."""
    with House(settings) as house:
        jobs: list[Job[Any]] = [
            partial(credentials.create_tenant, house.unsealed, house.dice, f"Tenant {number}")
            for number in range(TENANTS)
        ]
        house.engine.perform_now(jobs)


def demand(settings: config.Settings, version: int, public_key: bytes) -> None:
    """Demand that all tenants' keys open with the one root key that is left."""
    with House(settings) as house:
        (root,) = house.engine.read_now(roots.list_roots)
        assert (root.version, root.state) == (version, "current")
        vault = house.unsealed
        assert vault.root_versions == {version}
        assert vault.trail_public_key == public_key
        tenants = house.engine.read_now(credentials.list_tenants)
        assert len(tenants) == TENANTS
        for tenant in tenants:
            rows = house.engine.read_now(partial(_asking, ReadTenantKeys(tenant.tenant_id)))
            vault.tenant(tenant.tenant_id, rows)
            assert {row.wrapped[1] for row in rows} == {version}


def _asking(request: object) -> Generator[Any, Any, Any]:
    return (yield request)


@pytest.fixture
def settings(tmp_path: Path) -> config.Settings:
    """The settings of a folder with a root key file, and tenants in it."""
    settings = settings_of(tmp_path)
    founded(settings)
    return settings


@pytest.fixture
def public_key(settings: config.Settings) -> bytes:
    """The trail's public key, which no change of the root key changes."""
    with House(settings) as house:
        return house.unsealed.trail_public_key


def test_a_file_is_exchanged_and_the_old_key_opens_nothing(
    settings: config.Settings, public_key: bytes
) -> None:
    """All keys are sealed under a new root key, three times over; the one before is gone from the folder."""
    path = settings.root_key_file
    for version in (2, 3, 4):
        old = root_key_of_file(path)
        with House(settings) as house:
            turned = turning.turned_root(house, silent)
        assert (turned.version, turned.changed, turned.tenants) == (version, True, TENANTS)
        new = root_key_of_file(path)
        assert fingerprint_of(new) == turned.fingerprint != fingerprint_of(old)
        assert path.stat().st_mode & 0o777 == 0o600
        assert list(path.parent.glob("root.key*")) == [path]
        demand(settings, version, public_key)
        path.write_text(old.hex())
        with pytest.raises(RootKeyRefused):
            House(settings)
        path.write_text(new.hex())


def test_a_change_of_the_root_key_can_be_killed_at_every_point(
    settings: config.Settings, public_key: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After each commit, and before files are exchanged: the folder opens, and the same command goes on."""
    points = 0
    for expected in range(2, 30):
        survived = _killed_after(points, settings, monkeypatch)
        points += 1
        with House(settings) as house:
            house.engine.perform_now(
                [partial(credentials.create_merchant, house.dice, _first(house), "Shop")]
            )
        with House(settings) as house:
            turned = turning.turned_root(house, silent)
        assert turned.version == expected + survived
        demand(settings, turned.version, public_key)
        assert list(settings.data.glob("root.key*")) == [settings.root_key_file]
        if survived:
            break
    assert survived
    assert points > 5


def _first(house: House) -> str:
    return house.engine.read_now(credentials.list_tenants)[0].tenant_id


def _killed_after(points: int, settings: config.Settings, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Turn the root key until so many commits and exchanges are done; return whether it was done by then."""
    left = [points]

    def counted(deed: Callable[..., object]) -> Callable[..., object]:
        def counting(*arguments: object, **named: object) -> object:
            if not left[0]:
                raise Killed
            left[0] -= 1
            return deed(*arguments, **named)

        return counting

    house = House(settings)
    try:
        with monkeypatch.context() as patched:
            patched.setattr(house.engine, "perform_now", counted(house.engine.perform_now))
            patched.setattr(house.source, "settle", counted(house.source.settle))
            patched.setattr(turning, "PAUSE_SECONDS", 0.0)
            turning.turned_root(house, silent)
    except Killed:
        return False
    finally:
        house.close()
    return True


def test_a_given_key_is_changed_in_two_steps(tmp_path: Path) -> None:
    """The operator gives the new one and the previous one; without a new one he is told to."""
    old, new = os.urandom(32).hex(), os.urandom(32).hex()
    before = settings_of(tmp_path, root_key=old)
    founded(before)
    with House(before) as house:
        public_key = house.unsealed.trail_public_key
        with pytest.raises(Conflict, match="root_key_previous"):
            turning.turned_root(house, silent)
    with pytest.raises(RootKeyRefused):
        House(settings_of(tmp_path, root_key=new))
    both = settings_of(tmp_path, root_key=new, root_key_previous=old)
    with House(both) as house:
        assert turning.turned_root(house, silent).version == 2
    with House(both) as house:
        assert not turning.turned_root(house, silent).changed
    demand(settings_of(tmp_path, root_key=new), 2, public_key)
    with pytest.raises(RootKeyRefused):
        House(before)


def test_an_unfinished_change_needs_both_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While something is sealed under the old one, a start without it is refused, and says what to give."""
    old, new = os.urandom(32).hex(), os.urandom(32).hex()
    founded(settings_of(tmp_path, root_key=old))
    both = settings_of(tmp_path, root_key=new, root_key_previous=old)
    assert not _killed_after(3, both, monkeypatch)
    with pytest.raises(RootKeyRefused, match="previous"):
        House(settings_of(tmp_path, root_key=new))
    with pytest.raises(RootKeyRefused, match="not the root key"):
        House(settings_of(tmp_path, root_key=old))
    with House(both) as house:
        turning.turned_root(house, silent)
    with House(settings_of(tmp_path, root_key=new)) as house:
        assert house.vault is not None


def test_a_root_key_moves_from_its_file_into_a_lock_and_back(tmp_path: Path) -> None:
    """To change the source is to change the key: the old one is given as the previous one."""
    plain = settings_of(tmp_path)
    founded(plain)
    with House(plain) as house:
        public_key = house.unsealed.trail_public_key
    old = root_key_of_file(plain.root_key_file).hex()
    with transit_engine() as engine:
        named = {"root_key_transit": engine.address, "root_key_transit_token": engine.token}
        with House(settings_of(tmp_path, root_key_previous=old, **named)) as house:
            turning.turned_root(house, silent)
        plain.root_key_file.unlink()
        locked = settings_of(tmp_path, **named)
        demand(locked, 2, public_key)
        with House(locked) as house:
            turning.turned_root(house, silent)
        demand(locked, 3, public_key)
        (current,) = House(locked).source.keys()
    with House(settings_of(tmp_path, root_key_previous=current.hex())) as house:
        turning.turned_root(house, silent)
    demand(plain, 4, public_key)


def test_a_server_that_does_not_have_the_new_key_stops_the_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is sealed under a key that the server has not; when it has it, the change goes through."""
    monkeypatch.setattr(turning, "SERVER_SECONDS_MAX", 0.3)
    old, new = os.urandom(32).hex(), os.urandom(32).hex()
    before, both = (
        settings_of(tmp_path, root_key=old),
        settings_of(tmp_path, root_key=new, root_key_previous=old),
    )
    founded(before)
    with House(before, serving=True) as server, House(both) as house:
        with pytest.raises(Unavailable, match="restart it"):
            turning.turned_root(house, silent)
        assert [root.state for root in house.engine.read_now(roots.list_roots)] == ["current", "coming"]
        shop = partial(credentials.create_merchant, server.dice, _first(server), "Shop")
        server.engine.perform_now([shop])
    with _noticing(both), House(both) as house:
        assert turning.turned_root(house, silent).version == 2


@contextmanager
def _noticing(settings: config.Settings) -> Iterator[None]:
    """A server of which only the part runs that notices root keys, in a thread of its own."""
    ended, begun = threading.Event(), threading.Event()

    async def notice(house: House) -> None:
        while not ended.is_set():
            await house.engine.poll()
            await house.notice()
            await asyncio.sleep(0.02)
        await house.engine.poll()
        await house.notice()

    def serve() -> None:
        with House(settings, serving=True) as house:
            begun.set()
            asyncio.run(notice(house))
            assert house.unsealed.root_versions == {2}

    thread = threading.Thread(target=serve)
    thread.start()
    assert begun.wait(30)
    yield
    until = time.monotonic() + 30
    with House(settings) as house:
        while len(house.engine.read_now(roots.list_roots)) > 1:
            assert time.monotonic() < until
            time.sleep(0.01)
    ended.set()
    thread.join()


def test_the_doctor_and_the_server_tell_of_what_was_turned_half_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unfinished change, and afterwards a previous key that is needed no more, each with what to do."""
    old, new = os.urandom(32).hex(), os.urandom(32).hex()
    founded(settings_of(tmp_path, root_key=old))
    both = settings_of(tmp_path, root_key=new, root_key_previous=old)
    with House(both, serving=True) as server:
        asyncio.run(server.notice())
        assert not server.keys_turn
    assert not _killed_after(3, both, monkeypatch)
    with House(both, serving=True) as server:
        asyncio.run(server.notice())
        assert server.keys_turn
        (finding,) = checks.turnings(server)
        assert finding.state == "advice"
        assert "keys rotate root" in finding.next
    with House(both) as house:
        begun = partial(
            rotation.begin, house.unsealed, house.dice, rotation.Kind.SEAL, TenantID(_first(house))
        )
        house.engine.perform_now([begun])
        assert ["keys rotate root" in one.next for one in checks.turnings(house)] == [True, False]
        turning.turned_root(house, silent)
        turning.turned(house, rotation.Kind.SEAL, _first(house), silent)
        (finding,) = checks.turnings(house)
        assert "root_key_previous" in finding.what
    with House(settings_of(tmp_path, root_key=new)) as house:
        assert list(checks.turnings(house)) == []


def test_nothing_is_founded_under_a_root_key_that_has_turned(settings: config.Settings) -> None:
    """A command that was opened before the change makes no tenant that nobody could open."""
    with House(settings) as slow:
        with House(settings) as house:
            turning.turned_root(house, silent)
        making = partial(credentials.create_tenant, slow.unsealed, slow.dice, "Late")
        with pytest.raises(Unavailable):
            slow.engine.perform_now([making])
    with House(settings) as house:
        making = partial(credentials.create_tenant, house.unsealed, house.dice, "Late")
        (tenant,) = house.engine.perform_now([making])
        rows = house.engine.read_now(partial(_asking, ReadTenantKeys(tenant.tenant_id)))
        assert {row.wrapped[1] for row in rows} == {2}


def test_the_keys_of_the_house_are_sealed_under_the_new_root_key(settings: config.Settings) -> None:
    """An old root key with the new folder opens neither the pepper nor the trail's signing key."""
    old = root_key_of_file(settings.root_key_file)
    with House(settings) as house:
        turning.turned_root(house, silent)
        sealed = house.engine.read_now(partial(_asking, ReadNote(roots.HOUSE_KEYS)))
        assert house.engine.read_now(partial(_asking, ReadTenants()))
    assert sealed is not None
    with pytest.raises(CustomaryError):
        RootVault(old, house_keys=sealed)
    with pytest.raises(CustomaryError):
        RootVault(old, version=2, house_keys=sealed)
