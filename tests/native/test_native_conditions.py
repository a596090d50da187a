"""Versions as entity tags, and requests that may be repeated: If-None-Match, If-Match, Idempotency-Key."""

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from uuid import uuid4

import pytest

from dialects.signing import Hawk, Sent
from native.client import CUSTOMERS, SARAH, Json, Native, faults, problem
from serving import Answer

# ── entity tags ──


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (['"1"'], 304),
        (['W/"1"'], 304),
        (["*"], 304),
        (['"7", W/"1" ,"x"'], 304),
        (['"7"', '"1"'], 304),
        (['"2"'], 200),
        (['"11"'], 200),
        (['"1'], 400),
        (["1"], 400),
        (['"1" "2"'], 400),
        (['*, "1"'], 400),
        ([""], 400),
        (['w/"1"'], 400),
    ],
)
def test_if_none_match_answers_304_to_who_has_the_version(
    api: Native, sarah: Json, sent: list[str], status: int
) -> None:
    """It compares weakly, over all headers of the name; what is no list of entity tags is malformed."""
    headers = [("If-None-Match", one) for one in sent]
    for path in (f"/customers/{sarah['id']}", f"/customers/{sarah['id']}/versions/1"):
        answer = api.call("GET", path, headers=headers)
        assert answer.status == status
        if status != 400:
            assert answer.header("ETag") == '"1"'
        if status == 304:
            assert answer.body == b""
            assert answer.header("Content-Length") is None


def test_after_a_304_the_connection_goes_on(api: Native, sarah: Json) -> None:
    """An answer without a body ends where its head does, so the next one is read where it begins."""
    signer = api.signer
    with signer.server.connect() as connection:
        for _ in range(3):
            for headers, status in (([("If-None-Match", '"1"')], 304), ([], 200)):
                sent = Sent("GET", f"{CUSTOMERS}/{sarah['id']}")
                signed = signer.hawk(sent, Hawk())
                answer = connection.send("GET", sent.target, [*signed.items(), *headers])
                assert answer.status == status
                assert bool(answer.body) is (status == 200)


IF_MATCH: list[tuple[list[str], int]] = [
    (['"2"'], 200),
    (["*"], 200),
    (['"1", "2"'], 200),
    (['"1"', '"2"'], 200),
    ([' , "2",'], 200),
    (['"1"'], 412),
    (['"3"'], 412),
    (['W/"2"'], 412),
    (['"02"'], 412),
    (['"two"'], 412),
    (['""'], 412),
    ([f'"{"9" * 400}"'], 412),
    (["2"], 400),
    ([""], 400),
    (['"2'], 400),
    (['"2" "3"'], 400),
    (["*, *"], 400),
]


@pytest.mark.parametrize("deed", ["patch", "restore"])
@pytest.mark.parametrize(("sent", "status"), IF_MATCH)
def test_if_match_makes_a_change_depend_on_the_version(
    api: Native, sarah: Json, sent: list[str], status: int, deed: str
) -> None:
    """It compares strongly, over all headers of the name; outdated is 412 and changes nothing."""
    before = api.patch(sarah["id"], {"vip": "before"}).json
    headers = [("If-Match", one) for one in sent]
    if deed == "patch":
        answer = api.patch(sarah["id"], {"vip": "after"}, headers)
    else:
        answer = api.restore(sarah["id"], 1, headers)
    assert answer.status == status
    if status == 200:
        assert answer.json["version"] == 3
    else:
        assert problem(answer)[1] == {412: "outdated", 400: "malformed"}[status]
        assert api.get(sarah["id"]).json == before


def test_an_outdated_version_is_told_before_faults_of_the_members(api: Native, sarah: Json) -> None:
    """An echoed mask of a value that was changed since is no fault of who sent it: the version is."""
    api.patch(sarah["id"], {"taxId": "555666777"})
    answer = api.patch(sarah["id"], {"taxId": sarah["taxId"]}, [("If-Match", '"1"')])
    assert problem(answer) == (412, "outdated")
    assert faults(api.patch(sarah["id"], {"taxId": sarah["taxId"]})) == {"taxId": "mask"}


def test_if_match_of_an_unknown_customer_is_not_found(api: Native) -> None:
    """Nobody learns from 412 that there is a customer."""
    answer = api.patch("3kTp9j2mN5xR", {"vip": "1"}, [("If-Match", '"1"')])
    assert problem(answer) == (404, "not-found")


# ── Idempotency-Key ──


def test_a_creation_is_repeated_by_its_key_with_its_whole_answer(api: Native) -> None:
    """201, Location, ETag and body of the first time, whatever has become of the customer since."""
    key = [("Idempotency-Key", str(uuid4()))]
    first = api.call("POST", "/customers", SARAH, key)
    api.patch(first.json["id"], {"vip": "changed"})
    again = api.call("POST", "/customers", SARAH, key)
    assert (again.status, again.body) == (201, first.body)
    assert again.header("Location") == first.header("Location")
    assert again.header("ETag") == first.header("ETag") == '"1"'


def test_a_change_is_repeated_by_its_key_also_where_its_version_has_gone_by(api: Native, sarah: Json) -> None:
    """A client that lost the answer repeats the request as it was, If-Match too, and gets that answer."""
    key = [("Idempotency-Key", str(uuid4())), ("If-Match", '"1"')]
    first = api.patch(sarah["id"], {"vip": "7"}, key)
    assert first.status == 200
    again = api.patch(sarah["id"], {"vip": "7"}, key)
    assert (again.status, again.body, again.header("ETag")) == (200, first.body, '"2"')
    assert api.get(sarah["id"]).json["version"] == 2


def test_a_key_is_for_one_request(api: Native, sarah: Json) -> None:
    """Another body or path under the same key is refused, and a key that is none is malformed."""
    key = [("Idempotency-Key", str(uuid4()))]
    assert api.patch(sarah["id"], {"vip": "7"}, key).status == 200
    for answer in (
        api.patch(sarah["id"], {"vip": "8"}, key),
        api.call("POST", "/customers", {"vip": "7"}, key),
        api.restore(sarah["id"], 1, key),
    ):
        assert problem(answer) == (422, "idempotency-key-reused")
    for wrong in ("", "a b", "ä", "x" * 256):
        assert api.patch(sarah["id"], {"vip": "9"}, [("Idempotency-Key", wrong)]).status == 400


# ── many at once ──


def _at_once(deeds: Sequence[Callable[[], Answer]]) -> Counter[int]:
    with ThreadPoolExecutor(len(deeds)) as pool:
        return Counter(answer.status for answer in pool.map(lambda deed: deed(), deeds))


def test_of_many_changes_of_one_version_one_holds(api: Native, sarah: Json) -> None:
    """Whoever asks for version 1 when it is gone is refused, however close the requests come."""
    deeds = [
        partial(api.patch, sarah["id"], {"vip": str(number)}, [("If-Match", '"1"')]) for number in range(16)
    ]
    assert _at_once(deeds) == {200: 1, 412: 15}
    assert api.get(sarah["id"]).json["version"] == 2


def test_of_many_changes_without_a_condition_all_hold(api: Native, sarah: Json) -> None:
    """Each is made upon the one before, and none is lost: a version each, a member each."""
    names = [f"m{number}" for number in range(16)]
    deeds = [partial(api.patch, sarah["id"], {"customData": {name: 1}}) for name in names]
    assert _at_once(deeds) == {200: 16}
    after = api.get(sarah["id"]).json
    assert after["version"] == 17
    assert set(names) <= set(after["customData"])
    (page,) = api.listed(f"/customers/{sarah['id']}/versions", "versions", limit=200)
    assert [one["changedFields"] for one in page[:16]] == [["customData"]] * 16
    instants = [one["updatedAt"] for one in page]
    assert instants == sorted(set(instants), reverse=True), "each version has an instant of its own"


def test_of_many_restorations_with_one_key_one_is_done(api: Native, sarah: Json) -> None:
    """The others get its answer, and none makes a version more."""
    api.patch(sarah["id"], {"vip": "changed"})
    key = [("Idempotency-Key", str(uuid4()))]
    deeds = [partial(api.restore, sarah["id"], 1, key) for _ in range(12)]
    assert _at_once(deeds) == {200: 12}
    assert api.get(sarah["id"]).json["version"] == 3


def test_of_many_who_want_one_external_id_back_one_gets_it(api: Native) -> None:
    """Two customers that had it at different times cannot both have it again."""
    wanted = str(uuid4())
    had = []
    for _ in range(6):
        one = api.create(externalId=wanted)
        api.patch(one["id"], {"externalId": None})
        had.append(one["id"])
    assert _at_once([partial(api.restore, one, 1) for one in had]) == {200: 1, 409: 5}
    assert len(api.ids(externalId=wanted)) == 1
