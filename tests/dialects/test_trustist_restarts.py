"""What a restart must not make forget, and what it may find: another day, or no root key (S6, S7)."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from dialects.signing import DAY, PERSON, Hawk, Signer, indistinct, new_signer
from serving import Server, make_tenancy, serving


@pytest.fixture(scope="module")
def mortal(command: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that tests of this file may end and start again."""
    with serving(command, tmp_path_factory.mktemp("mortal")) as server:
        yield server


@pytest.fixture(scope="module")
def one(mortal: Server) -> Signer:
    """A key of that server; it signs for one public address, because a restart takes another port."""
    return new_signer(make_tenancy(mortal)).but(seen_as=("api.example.com", 443))


HOST = [("Host", "api.example.com:443")]


@pytest.mark.statement("S6")
@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL], ids=["SIGTERM", "kill -9"])
def test_a_nonce_stays_used_after_a_restart(mortal: Server, one: Signer, ending: signal.Signals) -> None:
    """S6: a captured request is 401 after a graceful stop and after kill -9; a fresh one passes."""
    used = [Hawk(), Hawk(hashed=True)]
    created = one.call("POST", "/v1/customers", PERSON, hawk=used[0], headers=HOST)
    listed = one.call("GET", "/v1/customers", hawk=used[1], headers=HOST)
    assert (created.status, listed.status) == (200, 200)
    code = mortal.stop(ending)
    assert code == (0 if ending is signal.SIGTERM else -signal.SIGKILL)
    mortal.start()
    again = one.call("POST", "/v1/customers", PERSON, hawk=used[0], headers=HOST)
    assert again.status == 401
    assert one.call("GET", "/v1/customers", hawk=used[1], headers=HOST).status == 401
    assert one.call("GET", f"/v1/customers/{created.json['id']}", headers=HOST).body == created.body
    wrong = one.but(secret="wrong").call("GET", "/v1/customers", headers=HOST)
    assert indistinct(again) == indistinct(wrong)


@pytest.mark.statement("S6")
def test_what_was_acknowledged_before_a_kill_is_there_afterwards(mortal: Server, one: Signer) -> None:
    """An answer with 200 is a promise: kill -9 after it loses neither customer nor replay."""
    once = [*HOST, ("Idempotency-Key", "before-the-kill")]
    created = one.call("POST", "/v1/customers", PERSON, headers=once)
    assert created.status == 200
    mortal.stop(signal.SIGKILL)
    mortal.start()
    assert one.call("POST", "/v1/customers", PERSON, headers=once).body == created.body
    total = one.call("GET", f"/v1/customers?emailAddress={PERSON['emailAddress']}", headers=HOST)
    assert created.json in total.json


@pytest.mark.statement("S7")
def test_an_expired_key_is_like_an_unknown_one(
    command: Path, command_of_that_day: Path, tmp_path: Path
) -> None:
    """A key made for a day passes on that day; a server started later answers it like any stranger."""
    with serving(command_of_that_day, tmp_path) as server:
        tenancy = make_tenancy(server)
        arguments = ("key", "create", "--tenant", tenancy.tenant_id, "--scheme", "hmac")
        made = server.printed(*arguments, "--expires-on", "2025-10-22")
        then = Signer(server, made["keyId"], made["secret"])
        assert then.call("GET", "/v1/merchants", hawk=Hawk(ts=DAY)).status == 200
    with serving(command, tmp_path) as server:
        now = then.but(server=server)
        answer = now.call("GET", "/v1/merchants")
        assert answer.status == 401
        assert indistinct(answer) == indistinct(now.but(key_id="nobody").call("GET", "/v1/merchants"))


@pytest.mark.statement("S23")
def test_without_its_root_key_the_server_says_try_again(mortal: Server, one: Signer) -> None:
    """Errors: 503 unavailable with Retry-After, for whoever asks, until the key is back."""
    mortal.stop()
    root_key = mortal.folder / "store" / "root.key"
    away = root_key.rename(root_key.with_suffix(".away"))
    mortal.start()
    for signer in (one, one.but(key_id="nobody")):
        answer = signer.call("GET", "/v1/customers", headers=HOST)
        assert (answer.status, answer.json["code"]) == (503, "unavailable")
        assert int(answer.header("Retry-After") or "0") > 0
    mortal.stop()
    away.rename(root_key)
    mortal.start()
    assert one.call("GET", "/v1/customers", headers=HOST).status == 200
