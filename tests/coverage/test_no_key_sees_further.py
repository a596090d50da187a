"""A key of named fields, asked for everything that there is: no answer holds anything of the others.

Every operation of every room is walked, so that a new one that forgets the limit is found.
"""

import json
import re

import pytest

from coverage.needles import Canaries, Searcher
from coverage.planted import trustly_person
from coverage.walked import (
    ALL_PERMISSIONS,
    REQUEST_IDS,
    ROOMS,
    WALKED,
    Json,
    Speaker,
    Voices,
    Walked,
    filled,
    route_name,
)
from serving import Answer

FIELDS = "vip,taxId:last4"
SEEN = ("vip",)
HIDDEN = {"native GET /customers/{id}/diff": "?from=1&to=2"}
"""For each operation that needs another query than the walk's to have something to show: that one."""


def _planted(voices: Voices) -> tuple[Canaries, Json]:
    """Return a customer of whom everything is known, all of it canaries, and changed once since."""
    canaries = Canaries(4711)
    usual = voices.usual("trustly")
    body = trustly_person(canaries, "first")
    made = usual.call("POST", "/api/v1/customers", body).json["customer"]
    again = trustly_person(canaries, "second")
    path = f"/api/v1/customers/{made['customerId']}"
    assert usual.call("POST", path, again).status == 200
    show = ("customers", "show", made["customerId"], "--tenant", voices.tenancy.tenant_id)
    ids: Json = voices.tenancy.server.printed(*show)
    for name in SEEN:
        for where in ("first", "second"):
            del canaries.planted[f"{where} trustly {name}"]
    return canaries, ids


@pytest.fixture(scope="module")
def planted(voices: Voices) -> tuple[Canaries, Json]:
    """The same customer for all walks; none of them can change what it cannot see."""
    return _planted(voices)


def _asked(speaker: Speaker, walked: Walked, ids: Json) -> Answer:
    """Return the answer to an operation on that customer."""
    number = ids["customerNumber"] if walked.room.name == "trustly" else ids["id"]
    path = filled(walked.operation.path, lambda name: "1" if name == "version" else number)
    query = HIDDEN.get(walked.name, walked.query)
    return speaker.call(walked.operation.method, f"{walked.room.prefix}{path}{query}", walked.body)


@pytest.mark.parametrize("walked", WALKED, ids=route_name)
def test_no_answer_holds_what_is_out_of_reach(
    voices: Voices, planted: tuple[Canaries, Json], walked: Walked
) -> None:
    """With every permission there is: neither a value nor the name of a field that changed."""
    canaries, ids = planted
    speaker = voices.speaker(walked.room.name, ALL_PERMISSIONS, fields=FIELDS)
    answer = _asked(speaker, walked, ids)
    assert answer.status < 500
    told = json.dumps(answer.headers).encode() + answer.body
    request_id = answer.header(REQUEST_IDS[walked.room.name])
    assert request_id
    found = list(Searcher(canaries.planted).search(walked.name, told.replace(request_id.encode(), b"")))
    assert not found, found
    if answer.status < 400 and "/audit" not in walked.operation.path:
        assert not re.search(rb'"(nationalId|national_id|phone)"\s*[],]', answer.body), "a field's name"


def test_the_walk_would_find_it(voices: Voices, planted: tuple[Canaries, Json]) -> None:
    """The control: an unlimited key is shown canaries by each room, in most of the same requests."""
    canaries, ids = planted
    searcher = Searcher(canaries.planted)
    for room in ROOMS:
        speaker = voices.usual(room)
        reads = [one for one in WALKED if one.room.name == room and "{" in one.operation.path]
        shown = [
            one.name
            for one in reads
            if not one.operation.mutates and list(searcher.search("", _asked(speaker, one, ids).body))
        ]
        assert shown, room
