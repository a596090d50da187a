"""The contract's vectors, held by our client and, over HTTP, by a server whose clock stands on their day.

A Hawk MAC does not cover the id, so each vector gets a key of its own with the vector's secret: they all
share one nonce. The two vectors published with Hawk name a path that this server does not have; the client
holds them here, the server's verification in ``tests/http``.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dialects.signing import (
    DAY,
    Hawk,
    Sent,
    Signer,
    attributes_of,
    body_hash,
    hawk_text,
    hmac_signature,
    payload_hash,
    timestamp_mac,
    values,
)
from serving import Server, serving

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "vectors" / "hawk-vectors.json").read_text("utf-8")
)
HAWK = [pytest.param(vector, id=vector["name"]) for vector in VECTORS["hawk"]]
OURS = {
    f"vector-{number}": vector
    for number, vector in enumerate(VECTORS["hawk"])
    if vector["target"].startswith("/v1/")
}
HMAC = [pytest.param(vector, id=vector["method"]) for vector in VECTORS["hmac_sha256"]]
HOST = [("Host", "api.trustistecommerce.com")]
PORT = [("Host", "api.trustistecommerce.com:443")]
UNKNOWN = "/v1/customers/3kTp9j2mN5xR"


def sent_of(vector: dict[str, Any]) -> Sent:
    body = vector.get("body", "").encode()
    content_type = vector.get("content_type", "application/json" if body else "")
    return Sent(vector["method"], vector["target"], body, content_type)


def hawk_of(vector: dict[str, Any]) -> Hawk:
    return Hawk(ts=vector["ts"], nonce=vector["nonce"], hashed="hash" in vector, ext=vector.get("ext"))


# ── the client ──


@pytest.mark.statement("S4")
@pytest.mark.parametrize("vector", HAWK)
def test_the_client_makes_the_hawk_vectors(vector: dict[str, Any]) -> None:
    """S4: hash and MAC of each vector; only so are the other tests' requests worth anything."""
    attributes = hawk_of(vector).attributes(
        "id", vector["key"], sent_of(vector), vector["host"], vector["port"]
    )
    assert attributes["mac"] == vector["mac"]
    assert attributes.get("hash") == vector.get("hash")


@pytest.mark.statement("S4")
def test_the_client_makes_the_vectors_of_times_and_answers() -> None:
    """S4: tsm, and hash and MAC of Server-Authorization."""
    for vector in VECTORS["tsm"]:
        assert timestamp_mac(vector["key"], vector["ts"]) == vector["tsm"]
    for vector in VECTORS["server_authorization"]:
        expected = payload_hash(vector["response_type"], vector["response_body"].encode())
        assert expected == vector["hash"]
        hawk = Hawk(ts=vector["ts"], nonce=vector["nonce"])
        where = (vector["host"], vector["port"])
        assert hawk.mac("response", vector["key"], sent_of(vector), *where, expected, "") == vector["mac"]


@pytest.mark.statement("S4")
@pytest.mark.parametrize("vector", HMAC)
def test_the_client_makes_the_hmac_vectors(vector: dict[str, Any]) -> None:
    """S4: body hash and signature of each vector."""
    assert body_hash(vector["body"].encode()) == vector["content_sha256"]
    signed = (vector["date"], vector["host"], vector["content_sha256"])
    assert hmac_signature(vector["key"], sent_of(vector), signed) == vector["signature"]


# ── the server ──


@pytest.fixture(scope="module")
def that_day(command_of_that_day: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server on which it is the second of the vectors, with a key for each that is about customers."""
    with serving(command_of_that_day, tmp_path_factory.mktemp("vectors")) as server:
        tenant_id = server.printed("tenant", "create", "Vectors")["tenantId"]
        keyed = OURS | {"vector": VECTORS["hmac_sha256"][0]}
        pairs = [text for key_id, vector in keyed.items() for text in (key_id, vector["key"])]
        done = server.run("store-keys", tenant_id, *pairs)
        assert done.returncode == 0, done.stderr
        yield server


@pytest.mark.statement("S4")
@pytest.mark.parametrize("key_id", OURS)
def test_the_server_takes_the_hawk_vectors(that_day: Server, key_id: str) -> None:
    """S4: each vector's header as it stands passes, is answered under its secret, and passes once only."""
    names = ("ts", "nonce", "hash", "ext", "mac")
    vector = OURS[key_id]
    attributes = {"id": key_id} | {name: vector[name] for name in names if name in vector}
    sent = sent_of(vector)
    one = Signer(that_day, key_id, vector["key"])
    changed = attributes | {"mac": vector["mac"][::-1]}
    assert one.send(sent, {"Authorization": hawk_text(changed)}, PORT).status == 401
    answer = one.send(sent, {"Authorization": hawk_text(attributes)}, PORT)
    assert answer.status == (404 if vector["target"] == UNKNOWN else 200)
    found = attributes_of(answer.header("Server-Authorization"))
    expected = payload_hash(answer.header("Content-Type") or "", answer.body)
    where = (vector["host"], vector["port"])
    assert found == {
        "mac": hawk_of(vector).mac("response", vector["key"], sent, *where, expected, ""),
        "hash": expected,
    }
    assert one.send(sent, {"Authorization": hawk_text(attributes)}, PORT).status == 401


@pytest.mark.statement("S4", "S9")
@pytest.mark.parametrize("separator", ["&", ", "])
@pytest.mark.parametrize("vector", HMAC)
def test_the_server_takes_the_hmac_vectors(that_day: Server, vector: dict[str, Any], separator: str) -> None:
    """S4, S9: each vector's signature passes on its day, in both forms of the line."""
    one = Signer(that_day, "vector", vector["key"])
    names = "x-tr-date;host;x-tr-content-sha256"
    parts = ["Credential=vector", f"SignedHeaders={names}", f"Signature={vector['signature']}"]
    signed = {
        "Authorization": "HMAC-SHA256 " + separator.join(parts),
        "x-tr-date": vector["date"],
        "x-tr-content-sha256": vector["content_sha256"],
    }
    answer = one.send(sent_of(vector), signed, HOST)
    assert answer.status == (404 if vector["target"] == UNKNOWN else 200)
    assert one.send(sent_of(vector), signed | {"x-tr-content-sha256": body_hash(b"x")}, HOST).status == 401


@pytest.mark.statement("S4", "S5")
def test_the_server_makes_the_tsm_vector(that_day: Server) -> None:
    """S4, S5: at that second a stale request is told that second, under the vector's secret."""
    vector = VECTORS["tsm"][0]
    one = Signer(that_day, "vector-0", vector["key"])
    answer = one.call("GET", UNKNOWN, hawk=Hawk(ts=DAY - 61))
    assert values(answer, "WWW-Authenticate") == [
        f'Hawk ts="{vector["ts"]}", tsm="{vector["tsm"]}", error="Stale timestamp"'
    ]
    for within in (DAY - 60, DAY + 60):
        assert one.call("GET", UNKNOWN, hawk=Hawk(ts=within)).status == 404
    assert one.call("GET", UNKNOWN, hawk=Hawk(ts=DAY + 61)).status == 401
