"""The file of used nonces: one use each, over restarts, torn records and a full disk."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from customary.domain.errors import Unavailable
from customary.storage.sqlite import NonceStore
from customary.storage.sqlite.nonces import RECORD_BYTES, SLICE_SECONDS, STRETCH_BYTES

NOW = 1_700_000_000


class _Clock:
    """The time, which a test moves."""

    def __init__(self) -> None:
        self.now = float(NOW)

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> _Clock:
    """A clock that stands."""
    return _Clock()


@pytest.fixture
def nonces(tmp_path: Path, clock: _Clock) -> Iterator[NonceStore]:
    """An empty store of nonces."""
    opened = NonceStore(tmp_path, clock=clock)
    yield opened
    opened.close()


def _claimed(nonces: NonceStore, key_id: str, ts: int, nonce: str, expires_at: float) -> bool:
    """Claim a nonce; the file answers at once, so the coroutine ends without waiting for anything."""
    with pytest.raises(StopIteration) as ended:
        nonces.claim("a tenant", key_id, ts, nonce, expires_at).send(None)
    return bool(ended.value.value)


def _files(folder: Path) -> list[Path]:
    return sorted((folder / "nonces").iterdir())


def test_a_nonce_is_used_once(nonces: NonceStore) -> None:
    """The same key, second and nonce are refused; each of the three makes another claim."""
    assert _claimed(nonces, "key", NOW, "n", NOW + 60)
    assert not _claimed(nonces, "key", NOW, "n", NOW + 60)
    assert _claimed(nonces, "yek", NOW, "n", NOW + 60)
    assert _claimed(nonces, "key", NOW + 1, "n", NOW + 61)
    assert _claimed(nonces, "key", NOW, "m", NOW + 60)
    assert _claimed(nonces, "key 1", NOW, "n", NOW + 60)
    assert _claimed(nonces, "key", NOW, "1 n", NOW + 60)
    assert _claimed(nonces, "", NOW, "\udc80\0", NOW + 60)


def test_another_expiry_is_no_way_around(nonces: NonceStore) -> None:
    """A claim is known whatever expiry it is presented with."""
    assert _claimed(nonces, "key", NOW, "n", NOW + 60)
    for seconds in (0, 30, 61, 3600):
        assert not _claimed(nonces, "key", NOW, "n", NOW + seconds)


def test_claims_survive_the_process(tmp_path: Path, clock: _Clock, nonces: NonceStore) -> None:
    """A store opened on the folder of one that was never closed knows all its claims."""
    names = [str(number) for number in range(500)]
    assert all(_claimed(nonces, "key", NOW, name, NOW + number % 120) for number, name in enumerate(names))
    reopened = NonceStore(tmp_path, clock=clock)
    assert not any(_claimed(reopened, "key", NOW, name, NOW + 60) for name in names)
    assert _claimed(reopened, "key", NOW, "fresh", NOW + 60)
    reopened.close()


@pytest.mark.parametrize("torn", range(1, RECORD_BYTES))
def test_a_torn_record_harms_no_other(tmp_path: Path, clock: _Clock, torn: int) -> None:
    """Half a record at the end is forgotten; those before it and those claimed after it are kept."""
    first = NonceStore(tmp_path, clock=clock)
    assert _claimed(first, "key", NOW, "before", NOW + 60)
    first.close()
    (file,) = _files(tmp_path)
    with file.open("ab") as appended:
        appended.write(bytes(torn))
    second = NonceStore(tmp_path, clock=clock)
    assert not _claimed(second, "key", NOW, "before", NOW + 60)
    assert _claimed(second, "key", NOW, "after", NOW + 60)
    second.close()
    third = NonceStore(tmp_path, clock=clock)
    assert not _claimed(third, "key", NOW, "before", NOW + 60)
    assert not _claimed(third, "key", NOW, "after", NOW + 60)
    third.close()


def test_expired_claims_are_forgotten(tmp_path: Path, clock: _Clock, nonces: NonceStore) -> None:
    """Files of expired claims are deleted, by a running store and at start; live ones stay."""
    for step in range(20):
        clock.now = NOW + step * SLICE_SECONDS
        assert _claimed(nonces, "key", int(clock.now), "n", clock.now + 60)
        nonces.forget_expired()
        assert len(_files(tmp_path)) <= 4
    assert not _claimed(nonces, "key", int(clock.now), "n", clock.now + 60)
    clock.now += 60 + SLICE_SECONDS
    reopened = NonceStore(tmp_path, clock=clock)
    assert _files(tmp_path) == []
    reopened.close()


@pytest.mark.parametrize("written", [None, 0, 7])
def test_a_claim_that_cannot_be_written_is_refused(
    tmp_path: Path, clock: _Clock, nonces: NonceStore, monkeypatch: pytest.MonkeyPatch, written: int | None
) -> None:
    """On a full disk nobody is let in; when there is space, the same request is a first use."""
    assert _claimed(nonces, "key", NOW, "before", NOW + 60)
    write = os.write

    def full(file: int, content: bytes) -> int:
        if written is None:
            raise OSError(28, "No space left on device")
        return write(file, content[:written])

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        assert _claimed(nonces, "key", NOW, "there is room", NOW + 60)
        for _ in range(2):
            with pytest.raises(Unavailable):
                _claimed(nonces, "key", NOW, "n", NOW + 60 + SLICE_SECONDS)
    assert _claimed(nonces, "key", NOW, "n", NOW + 60 + SLICE_SECONDS)
    reopened = NonceStore(tmp_path, clock=clock)
    assert not _claimed(reopened, "key", NOW, "before", NOW + 60)
    assert not _claimed(reopened, "key", NOW, "n", NOW + 60)
    reopened.close()


def test_a_stretch_that_is_full_is_followed_by_another(
    tmp_path: Path, nonces: NonceStore, clock: _Clock
) -> None:
    """More nonces than one stretch of the file has room for are all kept, by the next process too."""
    names = [str(number) for number in range(2 * STRETCH_BYTES // RECORD_BYTES + 3)]
    assert all(_claimed(nonces, "key", NOW, name, NOW + 60) for name in names)
    (file,) = _files(tmp_path)
    assert file.stat().st_size == 3 * STRETCH_BYTES
    reopened = NonceStore(tmp_path, clock=clock)
    assert not any(_claimed(reopened, "key", NOW, name, NOW + 60) for name in names)
    reopened.close()


def test_the_file_tells_nothing(tmp_path: Path, nonces: NonceStore) -> None:
    """Neither key id nor nonce is in the file, which only its owner may read."""
    assert _claimed(nonces, "AKEYIDTHATSHOWS", NOW, "ANONCETHATSHOWS", NOW + 60)
    (file,) = _files(tmp_path)
    assert file.stat().st_mode & 0o777 == 0o600
    assert len(file.read_bytes().rstrip(b"\0")) <= RECORD_BYTES
    assert b"SHOWS" not in file.read_bytes()


def test_the_journal_is_flushed_while_nonces_are_claimed(tmp_path: Path) -> None:
    """Flushing runs on another thread, and a claim that begins a new slice meanwhile disturbs it not."""
    nonces = NonceStore(tmp_path, clock=lambda: 0.0)
    done = threading.Event()
    failures: list[BaseException] = []

    def flush() -> None:
        try:
            while not done.is_set():
                nonces.sync()
        except BaseException as error:
            failures.append(error)

    flushing = threading.Thread(target=flush)
    flushing.start()
    for slice_no in range(600):
        assert _claimed(nonces, "key", slice_no, "n", slice_no * 30.0)
    done.set()
    flushing.join()
    nonces.close()
    assert not failures
