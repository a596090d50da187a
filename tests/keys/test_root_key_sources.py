"""Where a root key may come from: each source gives it, refuses what is none, and says no byte of it."""

import hashlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from customary import config
from customary.bootstrap.house import House
from customary.bootstrap.roots import source_of
from customary.domain.errors import CustomaryError, Unavailable
from customary.shapes import ConfigurationError
from customary.vault import RootKeyRefused
from customary.vault.sources import GivenRootKey, RootKeySource, WithPrevious
from customary.vault.sources.command import PrintedRootKey
from customary.vault.sources.files import Lock, RootKeyFile
from customary.vault.sources.kms import KmsLock
from customary.vault.sources.transit import TransitLock
from keys.kms_stand_in import ARN, KeyManagement, key_management
from keys.transit_engine import TransitEngine, transit_engine

KEY = hashlib.sha256(b"the same in every process of the tests").digest()


@pytest.fixture
def engine() -> Iterator[TransitEngine]:
    """A transit engine."""
    with transit_engine() as running:
        yield running


@pytest.fixture
def management(monkeypatch: pytest.MonkeyPatch) -> Iterator[KeyManagement]:
    """A KMS to which this process's environment leads."""
    with key_management() as running:
        for name in list(os.environ):
            if name.startswith("AWS_"):
                monkeypatch.delenv(name)
        for name, value in running.environment.items():
            monkeypatch.setenv(name, value)
        yield running


def settings_of(folder: Path, **named: str) -> config.Settings:
    environ = {f"CUSTOMARY_{name.upper()}": value for name, value in named.items()}
    return config.load(environ | {"CUSTOMARY_DATA": str(folder / "house")}, overrides={}, cwd=folder)


def printing(code: str, **options: float) -> PrintedRootKey:
    return PrintedRootKey([sys.executable, "-c", code], **options)


# ── Files ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(params=["in clear", "transit", "kms"])
def key_file(
    request: pytest.FixtureRequest, tmp_path: Path, engine: TransitEngine, management: KeyManagement
) -> RootKeyFile:
    """A root key file of each kind that is not there yet."""
    locks: dict[str, Callable[[], Lock | None]] = {
        "in clear": lambda: None,
        "transit": lambda: TransitLock(engine.address, engine.token),
        "kms": lambda: KmsLock(ARN),
    }
    return RootKeyFile(tmp_path / "root.key", locks[request.param]())


def test_a_file_holds_one_key_and_while_it_turns_two(key_file: RootKeyFile, tmp_path: Path) -> None:
    """What is drawn is on disk for its owner alone, drawn once, and takes the other's place in one step."""
    assert key_file.keys() == []
    first = key_file.draw()
    assert key_file.keys() == [first]
    key_file.settle(first)
    assert [path.name for path in tmp_path.iterdir()] == ["root.key"]
    second = key_file.draw()
    assert second != first
    assert key_file.draw() == second
    assert key_file.keys() == [first, second]
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    key_file.settle(second)
    assert key_file.keys() == [second]
    assert [path.name for path in tmp_path.iterdir()] == ["root.key"]


def test_a_key_to_come_that_was_given_up_is_taken_away(key_file: RootKeyFile) -> None:
    """To settle for the key that is there leaves it alone and nothing else."""
    first = key_file.draw()
    key_file.settle(first)
    key_file.draw()
    key_file.settle(first)
    assert key_file.keys() == [first]


def test_half_a_key_to_come_is_none(key_file: RootKeyFile, tmp_path: Path) -> None:
    """What a kill has left of a key under which nothing can be sealed yet is drawn anew."""
    first = key_file.draw()
    key_file.settle(first)
    (tmp_path / "root.key.next").write_text("")
    assert key_file.keys() == [first]
    second = key_file.draw()
    assert key_file.keys() == [first, second]


def test_a_locked_file_says_nothing_of_its_key(
    tmp_path: Path, engine: TransitEngine, management: KeyManagement
) -> None:
    """Neither the file nor the words for it hold the key in any form; each lock opens its own alone."""
    locks: list[Lock] = [TransitLock(engine.address, engine.token), KmsLock(ARN)]
    for number, lock in enumerate(locks):
        path = tmp_path / f"locked{number}"
        source = RootKeyFile(path, lock)
        key = source.draw()
        source.settle(key)
        assert key not in path.read_bytes()
        assert key.hex() not in path.read_text().lower()
        assert key.hex() not in source.told()
        with pytest.raises(RootKeyRefused):
            RootKeyFile(path, locks[1 - number]).keys()
        with pytest.raises(RootKeyRefused):
            RootKeyFile(path).keys()


# ── Locks that refuse ───────────────────────────────────────────────────────────────────────────────────


def test_a_transit_engine_that_does_not_answer_is_unavailable(engine: TransitEngine) -> None:
    """A wrong token, a sealed engine, one that talks of something else, and none: no secret is told."""
    lock = TransitLock(engine.address, engine.token)
    locked = lock.closed(KEY)
    assert lock.opened(locked) == KEY
    asked = len(engine.asked)
    refusals = [_refusal(lambda: TransitLock(engine.address, "hvs.wrong").opened(locked))]
    for status in (500, 503, 307, 404):
        engine.refusing = status
        refusals.append(_refusal(lambda: lock.opened(locked)))
    engine.refusing, engine.mute = 0, True
    refusals.append(_refusal(lambda: lock.opened(locked)))
    assert len(engine.asked) == asked + len(refusals), "each was asked once, and no redirect was followed"
    nobody = engine.address.replace(engine.address.split(":")[2].split("/")[0], "1")
    refusals.append(_refusal(lambda: TransitLock(nobody, engine.token).opened(locked)))
    for refusal in refusals:
        assert isinstance(refusal, Unavailable)
        assert engine.token not in f"{refusal.public} {refusal.detail}"


def test_what_an_outside_key_has_not_locked_is_no_root_key(
    engine: TransitEngine, management: KeyManagement
) -> None:
    """An altered text, or one of another key, is refused and not tried again."""
    for lock in (TransitLock(engine.address, engine.token), KmsLock(ARN)):
        locked = lock.closed(KEY)
        assert lock.opened(locked) == KEY
        for other in ("", "?", locked[:-8] + "AAAAAAA=", locked[:30]):
            with pytest.raises(RootKeyRefused):
                lock.opened(other)
        engine.key = management.key = os.urandom(32)
        with pytest.raises(RootKeyRefused):
            lock.opened(locked)


def test_kms_that_does_not_answer_is_unavailable(
    management: KeyManagement, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No right, no signature that holds, no endpoint, no library: try again, with AWS's own word for it."""
    lock = KmsLock(ARN)
    locked = lock.closed(KEY)
    management.refusing = "AccessDeniedException"
    assert _refusal(lambda: lock.opened(locked)).detail == "AccessDeniedException"
    management.refusing = ""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    assert _refusal(lambda: lock.opened(locked)).detail == "InvalidSignatureException"
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", "http://127.0.0.1:1")
    assert isinstance(_refusal(lambda: lock.opened(locked)), Unavailable)
    monkeypatch.setitem(sys.modules, "botocore.session", None)
    assert "customary[aws]" in _refusal(lambda: lock.opened(locked)).public


# ── Commands and settings ───────────────────────────────────────────────────────────────────────────────


def test_a_command_prints_the_key(capfd: pytest.CaptureFixture[str]) -> None:
    """Its output is read as a file would be; what it says on its error stream goes nowhere."""
    source = printing(f"import sys; print('  {KEY.hex()}'); print('canary', file=sys.stderr)")
    assert source.keys() == [KEY]
    assert source.draw() == KEY
    assert capfd.readouterr() == ("", "")
    assert KEY.hex() not in source.told()


def test_a_command_is_told_nothing_of_the_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The environment of a program is handed on, and read by others; there may be a root key in ours."""
    monkeypatch.setenv("CUSTOMARY_ROOT_KEY_PREVIOUS", hashlib.sha256(KEY).hexdigest())
    monkeypatch.setenv("STORE_OF_PASSWORDS", "stays")
    seen = tmp_path / "seen"
    code = f"import os, pathlib; pathlib.Path({str(seen)!r}).write_text(' '.join(os.environ))"
    assert printing(f"{code}; print('{KEY.hex()}')").keys() == [KEY]
    names = seen.read_text().split()
    assert "STORE_OF_PASSWORDS" in names
    assert [name for name in names if name.startswith("CUSTOMARY_")] == []


def test_a_command_is_read_beside_more_files_than_select_takes() -> None:
    """A server with a thousand connections asks its command again when the root key turns."""
    code = f"""
import os, resource, sys
from customary.vault.sources.command import PrintedRootKey
limits = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (max(limits[0], min(2048, limits[1])), limits[1]))
held = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
print(PrintedRootKey([sys.executable, "-c", "print('{KEY.hex()}')"]).keys()[0].hex())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == (KEY.hex(), "")


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("print('no key')", RootKeyRefused),
        ("print()", RootKeyRefused),
        ("import sys; sys.stdout.buffer.write(b'\\xff')", RootKeyRefused),
        ("import itertools; [print('x' * 1000) for _ in itertools.count()]", RootKeyRefused),
        (f"print('{KEY.hex()}'); raise SystemExit(1)", Unavailable),
        ("import os; os.kill(os.getpid(), 9)", Unavailable),
    ],
)
def test_a_command_that_prints_no_key_is_refused(code: str, expected: type[CustomaryError]) -> None:
    """Nothing, something else, too much, or a key with a failing exit code."""
    refusal = _refusal(printing(code).keys)
    assert type(refusal) is expected
    assert KEY.hex() not in f"{refusal.public} {refusal.detail}"


def test_a_command_that_cannot_be_run_is_unavailable() -> None:
    """A name that is no program, and no shell that would understand it otherwise."""
    for words in (["/nonexistent/program"], [f"echo {KEY.hex()}"], ["nul\0"]):
        assert isinstance(_refusal(PrintedRootKey(words).keys), Unavailable)


def test_a_command_that_does_not_end_is_ended_with_what_it_started(tmp_path: Path) -> None:
    """Neither a silent command nor one that keeps its output open holds up a start."""
    left = tmp_path / "left"
    child = (
        f"import os, time, pathlib; pathlib.Path({str(left)!r}).write_text(str(os.getpid())); time.sleep(60)"
    )
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    began = time.monotonic()
    waiting = threading.Event()
    assert isinstance(_refusal(printing(code, seconds_max=2.0).keys), Unavailable)
    assert time.monotonic() - began < 20
    while Path(f"/proc/{left.read_text()}/cmdline").exists() and _runs(int(left.read_text())):
        assert time.monotonic() - began < 30
        waiting.wait(0.02)


def _runs(process_id: int) -> bool:
    """Return whether a process still runs; one that nobody has waited for yet does not."""
    try:
        state = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_the_previous_key_is_there_beside_that_of_any_source() -> None:
    """What is drawn is the source's; the previous key is only there to open with."""
    other = os.urandom(32)
    source: RootKeySource = WithPrevious(GivenRootKey(KEY, "here"), other)
    assert source.keys() == [KEY, other]
    assert source.draw() == KEY
    assert "here" in source.told()
    assert "root_key_previous" in source.told()
    with pytest.raises(RootKeyRefused):
        WithPrevious(GivenRootKey(KEY, "here"), bytes(32)).keys()


@pytest.mark.parametrize(
    "named",
    [
        {"root_key": KEY.hex(), "root_key_command": "pass"},
        {"root_key_kms": "alias/x", "root_key_command": "pass"},
        {"root_key_transit": "https://vault:8200/transit/x"},
        {"root_key_transit": "http://vault:8200/transit/x", "root_key_transit_token": "hvs"},
        {"root_key_command": "'"},
    ],
)
def test_settings_that_contradict_each_other_are_refused(tmp_path: Path, named: dict[str, str]) -> None:
    """Two sources, half of one, or one that would send a root key in clear: no start, and no value told."""
    with pytest.raises(ConfigurationError) as caught:
        source_of(settings_of(tmp_path, **named))
    assert KEY.hex() not in caught.value.public


# ── A house with each ───────────────────────────────────────────────────────────────────────────────────


def test_a_house_opens_with_the_key_of_every_source(
    tmp_path: Path, engine: TransitEngine, management: KeyManagement
) -> None:
    """Founded once, the folder opens again from the same source, and is sealed or refused with another."""
    command = f"{sys.executable} -c 'print(\"{KEY.hex()}\")'"
    sources: dict[str, dict[str, str]] = {
        "file": {},
        "setting": {"root_key": KEY.hex()},
        "command": {"root_key_command": command},
        "kms": {"root_key_kms": ARN},
        "transit": {"root_key_transit": engine.address, "root_key_transit_token": engine.token},
    }
    for name, named in sources.items():
        folder = tmp_path / name
        folder.mkdir()
        with House(settings_of(folder, **named)) as house:
            fingerprint, public_key = house.unsealed.fingerprint, house.unsealed.trail_public_key
            assert house.opened.root_key_made is (name in ("file", "kms", "transit"))
        with House(settings_of(folder, **named)) as house:
            assert house.unsealed.fingerprint == fingerprint
            assert house.unsealed.trail_public_key == public_key
        with pytest.raises(RootKeyRefused):
            House(settings_of(folder, root_key=os.urandom(32).hex()))


def test_an_outside_key_is_asked_once_a_start(tmp_path: Path, engine: TransitEngine) -> None:
    """What is opened at the start is enough until the next."""
    settings = settings_of(tmp_path, root_key_transit=engine.address, root_key_transit_token=engine.token)
    with House(settings):
        pass
    engine.asked.clear()
    with House(settings) as house:
        house.unsealed.fresh_tenant_keys  # noqa: B018 the vault is there
    assert engine.asked == ["/v1/secrets/transit/decrypt/customary"]


def test_a_house_does_not_open_while_its_outside_key_is_away(tmp_path: Path, engine: TransitEngine) -> None:
    """The start is refused as one that may succeed later; nothing is made or changed."""
    settings = settings_of(tmp_path, root_key_transit=engine.address, root_key_transit_token=engine.token)
    with House(settings):
        pass
    engine.refusing = 503
    with pytest.raises(Unavailable):
        House(settings)
    engine.refusing = 0
    with House(settings) as house:
        assert house.vault is not None


def _refusal(deed: Callable[[], object]) -> CustomaryError:
    with pytest.raises(CustomaryError) as caught:
        deed()
    return caught.value
