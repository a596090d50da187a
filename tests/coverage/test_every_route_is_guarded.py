"""Every operation of every room is behind its door: no way in without credential, permission and key."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from coverage.walked import (
    ALL_PERMISSIONS,
    FORBIDDEN,
    REQUEST_IDS,
    ROOMS,
    SCHEMES,
    SEALED,
    SENDERS,
    UNAUTHENTICATED,
    WALKED,
    Voices,
    Walked,
    filled,
    refusal,
    route_name,
)
from customary.bootstrap.status import Watch
from customary.domain.access import Principal
from customary.domain.errors import Unauthenticated
from customary.http.exchange import Exchange
from customary.http.shell import Room, UndeclaredPermission
from customary.trustly.errors import TrustlyErrors
from serving import Server, make_tenancy, serving

every_operation = pytest.mark.parametrize("walked", WALKED, ids=route_name)
every_guarded = pytest.mark.parametrize(
    "walked", [one for one in WALKED if one.operation.permissions], ids=route_name
)


def test_the_walk_sees_all_rooms() -> None:
    """A walk over nothing would hold everything."""
    assert set(ROOMS) == {"trustly", "trustist", "native"}
    assert len([one for one in WALKED if one.room.name == "trustly"]) >= 4
    assert len([one for one in WALKED if one.room.name == "trustist"]) >= 5
    assert len([one for one in WALKED if one.room.name == "native"]) >= 4


@every_operation
def test_without_a_credential_it_is_refused(voices: Voices, walked: Walked) -> None:
    """Nobody gets past the door, and is told what may be presented."""
    target = walked.target(voices.usual(walked.room.name))
    answer = voices.tenancy.server.send(walked.operation.method, target)
    assert refusal(walked.room.name, answer) == UNAUTHENTICATED[walked.room.name]
    assert [name for name, _ in answer.headers if name.lower() == "www-authenticate"]


@every_operation
def test_with_the_permission_it_answers(voices: Voices, walked: Walked) -> None:
    """The walk's requests are good ones, so that a refusal in another test is that of the permission."""
    speaker = voices.speaker(walked.room.name, walked.suffices or ALL_PERMISSIONS)
    assert speaker.walk(walked).status == walked.operation.status


@every_guarded
def test_with_every_other_permission_it_is_refused(voices: Voices, walked: Walked) -> None:
    """No other permission, and no number of them, stands in for the one that the operation declares."""
    assert walked.operation.permissions
    speaker = voices.speaker(walked.room.name, ALL_PERMISSIONS - walked.operation.permissions)
    answer = speaker.walk(walked)
    assert refusal(walked.room.name, answer) == FORBIDDEN[walked.room.name]


@pytest.mark.parametrize("walked", [one for one in WALKED if one.operation.tenant_only], ids=route_name)
def test_a_merchants_key_is_refused_on_a_tenants_route(voices: Voices, walked: Walked) -> None:
    """What a merchant's key may do elsewhere does not help it on a route of the tenant (S12)."""
    speaker = voices.speaker(walked.room.name, ALL_PERMISSIONS, of_merchant=True)
    answer = speaker.walk(walked)
    assert refusal(walked.room.name, answer) == FORBIDDEN[walked.room.name]


@every_operation
def test_a_key_of_the_other_scheme_is_nobodys(voices: Voices, walked: Walked) -> None:
    """A key is of one scheme: its id and secret, presented in the other's way, open nothing."""
    room = walked.room.name
    other = next(one for one in ROOMS if SCHEMES[one] != SCHEMES[room])
    send = SENDERS[room](voices.tenancy.server, voices.usual(other).key)
    answer = send(walked.operation.method, walked.target(voices.usual(room)), walked.body, ())
    assert refusal(room, answer) == UNAUTHENTICATED[room]


async def _shut(_: Exchange) -> Principal:
    raise Unauthenticated


@every_operation
def test_a_room_does_not_start_while_a_route_declares_no_permission(walked: Walked) -> None:
    """To forget to say who may use a route is to have no server."""
    silent = msgspec.structs.replace(walked.operation, permissions=None)
    routes = type("Routes", (), {silent.handler: None})()
    with pytest.raises(UndeclaredPermission, match=walked.operation.method):
        Room(
            name="silent",
            prefix="/silent",
            operations=[silent],
            routes=routes,
            door=_shut,
            errors=TrustlyErrors(),
            observer=Watch(request_log=False),
            request_id_header=b"x-request-id",
            content_type="application/json",
        )


# ── a server without its root key ──


@pytest.fixture(scope="module")
def sealed(command: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Voices]:
    """Speakers with good credentials, to a server that was started again without its root key."""
    with serving(command, tmp_path_factory.mktemp("sealed")) as server:
        voices = Voices(make_tenancy(server))
        for room in ROOMS:
            voices.usual(room).create()
        server.stop()
        key = server.folder / "store" / "root.key"
        key.rename(server.folder / "kept.key")
        server.start()
        yield voices
        server.stop()
        (server.folder / "kept.key").rename(key)
        server.start()
        assert _ready(server) == (200, {"status": "ready", "durability": "local"}), (
            "with its key back it is as it was"
        )
        assert all(voices.usual(room).create() for room in ROOMS)


def _ready(server: Server) -> tuple[int, object]:
    answer = server.send("GET", "/readyz")
    return answer.status, answer.json


@every_operation
def test_a_sealed_server_answers_unavailable_in_the_rooms_own_shape(sealed: Voices, walked: Walked) -> None:
    """Without the root key nothing is read or written, and nobody is told that their key is wrong."""
    speaker = sealed.usual(walked.room.name)
    target = walked.room.prefix + filled(walked.operation.path, str) + walked.query
    for answer in (
        speaker.call(walked.operation.method, target, walked.body),
        sealed.tenancy.server.send(walked.operation.method, target),
    ):
        assert refusal(walked.room.name, answer) == SEALED[walked.room.name]
        assert int(answer.header("Retry-After") or 0) > 0
        assert answer.header(REQUEST_IDS[walked.room.name])


def test_a_sealed_server_says_so_and_lives(sealed: Voices) -> None:
    """Whoever looks after the server sees that it is up, that it is not ready, and why."""
    server = sealed.tenancy.server
    assert _ready(server) == (503, {"status": "sealed", "durability": "local"})
    healthy = server.send("GET", "/healthz")
    assert (healthy.status, healthy.json) == (200, {"status": "ok"})
    assert server.send("GET", "/metrics").status == 200
