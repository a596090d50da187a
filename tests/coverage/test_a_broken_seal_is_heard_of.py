"""A stored record that was altered: the caller gets the room's failure, and the operator hears of it."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from coverage.walked import FAILED, ROOMS, Speaker, Voices, refusal
from serving import Server, make_tenancy, serving

NAME = "Nobody Shall Read This"


@pytest.fixture(scope="module")
def altered(
    command: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Voices, dict[str, str]]]:
    """A server in whose file one byte of each sealed record was changed; the customers' ids by room."""
    with serving(command, tmp_path_factory.mktemp("altered"), log_level="info") as server:
        voices = Voices(make_tenancy(server))
        ids = {
            "trustly": str(voices.usual("trustly").create(name=NAME)["customerId"]),
            "trustist": str(voices.usual("trustist").create(lastName=NAME)["id"]),
            "native": str(voices.usual("native").create(fullName=NAME)["id"]),
        }
        server.stop()
        with closing(sqlite3.connect(server.folder / "store" / "customary.db")) as file, file:
            for row_no, sealed in file.execute("SELECT row_no, sealed FROM customers").fetchall():
                broken = sealed[:-1] + bytes([sealed[-1] ^ 1])
                file.execute("UPDATE customers SET sealed = ? WHERE row_no = ?", (broken, row_no))
        server.start()
        yield voices, ids


@pytest.mark.parametrize("room", ROOMS)
def test_an_altered_record_is_a_failure_in_the_rooms_shape(
    altered: tuple[Voices, dict[str, str]], room: str
) -> None:
    """Reading, changing and listing it is answered with 500, in the room's shape, and says nothing of why."""
    voices, ids = altered
    speaker = voices.usual(room)
    customers = f"{ROOMS[room].prefix}/customers"
    update = {
        "trustly": ("POST", {"vip": "2"}),
        "trustist": ("PUT", {"orgId": "b"}),
        "native": ("PATCH", {"orgId": "b"}),
    }[room]
    for method, target, body in (
        ("GET", f"{customers}/{ids[room]}", None),
        ("GET", customers, None),
        (update[0], f"{customers}/{ids[room]}", update[1]),
    ):
        answer = speaker.call(method, target, body)
        assert refusal(room, answer) == FAILED[room]
        assert NAME.encode() not in answer.body
        _check_told(voices.tenancy.server, speaker)


def _check_told(server: Server, speaker: Speaker) -> None:
    lines = [json.loads(line) for line in server.log.splitlines() if line.startswith("{")]
    told = [line for line in lines if line["level"] == "error"]
    assert told, "at the usual level of the log the operator hears of it"
    assert told[-1]["error"].endswith("SealBroken")
    assert told[-1]["detail"], "the place is named"
    assert speaker.key.secret not in server.log
    assert NAME not in server.log
