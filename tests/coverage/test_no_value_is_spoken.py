"""A value that a caller sent turns up nowhere but in the record's own answers: no log, error, metric or file.

Canaries are planted wherever a caller can put something, through a real server that logs all it can, and are
looked for in everything that it wrote, while it runs and after it has stopped.
"""

import json
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import pytest

from coverage import planted
from coverage.needles import Canaries, Found, Searcher, forms
from coverage.walked import ALL_PERMISSIONS, ROOMS, Json, Speaker, Voices
from dialects.signing import Hawk, Sent, Signer
from serving import HOST, Answer, Server, make_tenancy, serving

SEED = int.from_bytes(os.urandom(4), "big")
GOOD = {
    "trustly": planted.trustly_person,
    "trustist": planted.trustist_person,
    "native": planted.native_person,
}
UPDATES = {"trustly": "POST", "trustist": "PUT", "native": "PATCH"}


@dataclass
class Crime:
    """What was planted, and where it may have got to; the answers of 200 are its allowed place."""

    server: Server
    canaries: Canaries
    shown: bytes = b""
    refusals: list[Answer] = field(default_factory=list)
    printed: bytes = b""
    files_running: dict[str, bytes] = field(default_factory=dict)
    files_stopped: dict[str, bytes] = field(default_factory=dict)
    metrics: bytes = b""

    def note(self, answer: Answer) -> Answer:
        """Sort an answer: the body of one with 200 may hold what it is asked for, and nothing else may.

        So may its Link header, which repeats the filters of the list for the next page.
        """
        if answer.status in (200, 201):
            self.shown += answer.body
            headers = [(name, value) for name, value in answer.headers if name.lower() != "link"]
            answer = Answer(answer.status, headers, b"")
        self.refusals.append(answer)
        return answer


def _files(folder: Path) -> dict[str, bytes]:
    """Return every byte of every file of a folder, and the names of the files as one more."""
    files = {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    return files | {"the names of the files": "\n".join(files).encode()}


def _send_raw(server: Server, request: bytes) -> Answer:
    """Return everything that a connection gives back to these bytes, as the body of an answer."""
    received = b""
    with socket.create_connection((HOST, server.port), timeout=10) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        try:
            while chunk := connection.recv(65536):
                received += chunk
        except ConnectionResetError:
            pass
    return Answer(0, [], received)


def _plant_in_room(crime: Crime, speaker: Speaker, server: Server) -> None:
    """Create, change, list and be refused, with a canary in every place."""
    room, prefix, canaries = speaker.room, ROOMS[speaker.room].prefix, crime.canaries
    call = speaker.call
    created = call(
        "POST",
        f"{prefix}/customers",
        GOOD[room](canaries, "create") | planted.strangers(canaries, f"{room} create"),
        planted.headers(canaries, f"{room} create"),
    )
    assert crime.note(created).status in (200, 201), created.body
    number = created.json["customer"]["customerId"] if room == "trustly" else created.json["id"]
    target = f"{prefix}/customers/{number}"
    changes = GOOD[room](canaries, "update") | planted.strangers(canaries, f"{room} update")
    updated = call(UPDATES[room], target, changes, planted.headers(canaries, f"{room} update"))
    assert crime.note(updated).status == 200, updated.body
    for path in (target, f"{prefix}/customers"):
        why = [("X-Reason", quote(canaries.text(f"{room} X-Reason of {path[:24]}")))]
        assert crime.note(call("GET", path, None, why)).status == 200
    for unfit in planted.unfit_reasons(canaries, room):
        assert crime.note(call(UPDATES[room], target, {}, [("X-Reason", unfit)])).status == 400
    for place in planted.targets(canaries, room, prefix):
        crime.note(call("GET", place))
        crime.note(
            call("POST", place, {"customerId": canaries.digits(f"{room} customerId {place[-30:]}", 15)})
        )
    for authorization in planted.authorizations(canaries, room):
        crime.note(server.send("GET", target, [("Authorization", authorization)]))
    for content_type in ("Content-Type", "Content-Encoding", "Expect"):
        sent = canaries.token(f"{room} {content_type}")
        crime.note(call("POST", f"{prefix}/customers", {"a": sent}, [(content_type, sent)]))


def _plant_in_revelations(crime: Crime, speaker: Speaker) -> None:
    """Reveal what was planted, for a reason that is a canary; and be refused, with others."""
    canaries, prefix = crime.canaries, ROOMS["native"].prefix
    person = GOOD["native"](canaries, "revealed")
    made = speaker.call("POST", f"{prefix}/customers", person)
    crime.note(made)
    target = f"{prefix}/customers/{made.json['id']}/reveal"
    fields = [name for name in person if name in ("taxId", "nationalId", "personId", "licenseNumber")]
    assert len(fields) == 4
    body: Json = {"fields": fields, "reason": canaries.text("the reason of a revelation")}
    answer = crime.note(speaker.call("POST", target, body))
    assert answer.status == 200, answer.body
    for wrong in (
        {"fields": [canaries.text("a field to reveal")]},
        {"fields": canaries.text("a field to reveal that is no list")},
        {"fields": fields, "reason": canaries.text("a reason of two lines") + "\n"},
        {"fields": fields, "reason": [canaries.text("a reason in a list")]},
    ):
        assert crime.note(speaker.call("POST", target, wrong)).status == 422


def _plant_bad_bodies(crime: Crime, voices: Voices) -> None:
    """Send what must be refused, signed or with Basic, to create and to update."""
    server, canaries = crime.server, crime.canaries
    key = voices.usual("trustly").key
    signer = Signer(server, voices.usual("trustist").key.key_id, voices.usual("trustist").key.secret)
    for body in planted.refused_bodies(canaries, "trustly refused", GOOD["trustly"](Canaries(1), "")):
        answer = server.send("POST", "/api/v1/customers", [("Authorization", key.authorization)], body)
        assert crime.note(answer).status == 400, (answer.status, body)
    for body in planted.refused_bodies(canaries, "trustist refused", GOOD["trustist"](Canaries(1), "")):
        crime.note(signer.call("POST", "/v1/customers", body=body))
    for body in planted.refused_bodies(canaries, "native refused", GOOD["native"](Canaries(1), "")):
        crime.note(signer.call("POST", "/native/v1/customers", body=body))
    hawk = Hawk(
        nonce=canaries.token("a good Hawk nonce"),
        ext=canaries.token("a good Hawk ext"),
        app=canaries.token("a good Hawk app"),
        dlg=canaries.token("a good Hawk dlg"),
    )
    sent = Sent("GET", "/v1/customers?pageSize=1")
    for _ in range(2):  # the second is refused, because the nonce was used
        crime.note(signer.send(sent, signer.hawk(sent, hawk)))
    crime.note(signer.send(sent, signer.hmac(sent), [("x-tr-clientid", canaries.token("x-tr-clientid"))]))
    crime.note(signer.send(sent, signer.hmac(sent, date=canaries.token("x-tr-date"))))
    for request in planted.raw_requests(canaries):
        crime.note(_send_raw(server, request))


def _plant_by_commands(crime: Crime, voices: Voices) -> None:
    """Import lines that are taken and lines that are refused; export; look at the trail."""
    server, canaries, tenant = crime.server, crime.canaries, voices.tenancy.tenant_id
    lines = [
        GOOD[room](canaries, "import") | planted.strangers(canaries, f"strange import {room}")
        for room in ROOMS
    ]
    bodies = [json.dumps(line).encode() for line in lines]
    bodies += [
        body
        for room in ROOMS
        for body in planted.refused_bodies(canaries, f"refused import {room}", lines[0])
    ]
    # Not in the data folder: the file is the operator's own.
    source = server.folder / "lines.ndjson"
    source.write_bytes(b"\n".join(body.replace(b"\n", b" ") for body in bodies) + b"\n")
    for options in ((), ("--json",)):
        why = canaries.text(f"--reason of an import {options}")
        done = server.run("customers", "import", str(source), "--tenant", tenant, "--reason", why, *options)
        assert done.returncode == 1, done.stderr
        crime.printed += f"{done.stdout}{done.stderr}".encode()
    for face in ROOMS:  # each shows what the other has no member for
        out = server.folder / f"out.{face}.ndjson"
        why = canaries.text(f"export {face} --reason")
        form = "own" if face == "native" else face
        how = ("--tenant", tenant, "--unmasked", "--face", form, "--out", str(out), "--reason", why)
        done = server.run("customers", "export", *how)
        assert done.returncode == 0, done.stderr
        crime.printed += f"{done.stdout}{done.stderr}".encode()
        crime.shown += out.read_bytes()
    for command in (("audit", "list"), ("audit", "verify"), ("key", "list"), ("doctor",)):
        done = server.run(*command)
        crime.printed += f"{done.stdout}{done.stderr}".encode()


@pytest.fixture(scope="module")
def crime(command: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crime]:
    """Everything planted once: the server is asked all of it, and its files are read running and stopped."""
    print(f"the canaries' seed is {SEED}")  # noqa: T201 a failure shows it, and it can be run again
    folder = tmp_path_factory.mktemp("canaries")
    with serving(command, folder, log_level="debug") as server:
        voices = Voices(make_tenancy(server))
        crime = Crime(server, Canaries(SEED))
        for room in ROOMS:
            _plant_in_room(crime, voices.speaker(room, ALL_PERMISSIONS), server)
        _plant_in_revelations(crime, voices.speaker("native", ALL_PERMISSIONS))
        _plant_bad_bodies(crime, voices)
        _plant_by_commands(crime, voices)
        for room in ROOMS:
            crime.canaries.planted[f"the secret of a key of {room}"] = voices.usual(room).key.secret
        crime.metrics = server.send("GET", "/metrics").body
        crime.files_running = _files(folder / "store")
        server.stop()
        crime.files_stopped = _files(folder / "store")
        yield crime


def _told(found: Iterator[Found]) -> str:
    return "\n".join(f"{one.canary} as {one.form} in {one.place}: {one.around!r}" for one in found)


def _hits(crime: Crime, places: dict[str, bytes]) -> str:
    searcher = Searcher(crime.canaries.planted)
    return "\n".join(filter(None, (_told(searcher.search(place, hay)) for place, hay in places.items())))


def test_the_canaries_were_taken(crime: Crime) -> None:
    """What was sent in good bodies was stored and is shown: a canary that was refused proves nothing."""
    shown = crime.shown.decode()
    for name, canary in crime.canaries.planted.items():
        if name.split()[0] in ("create", "update", "import") and name.split()[1] in ROOMS:
            assert canary in shown or json.dumps(canary)[1:-1] in shown, f"{name} was not taken"
    assert sum(answer.status >= 400 for answer in crime.refusals) > 100
    assert {400, 401, 404, 405, 415} <= {answer.status for answer in crime.refusals}


def test_no_log_speaks_a_value(crime: Crime) -> None:
    """The log, at its most talkative, names fields and routes, and no value and no id that was sent."""
    log = (crime.server.folder / "stderr").read_bytes() + (crime.server.folder / "stdout").read_bytes()
    assert log.count(b'"level":"debug"') > 20
    assert log.count(b'"event":"request"') > 200
    assert not _hits(crime, {"log": log})


def test_no_refusal_speaks_a_value(crime: Crime) -> None:
    """Neither body nor headers of a refusal, nor the headers of any answer, repeat what was sent."""
    told = {
        f"answer {n} ({a.status})": repr(a.headers).encode() + a.body for n, a in enumerate(crime.refusals)
    }
    assert not _hits(crime, told)


def test_no_metric_speaks_a_value(crime: Crime) -> None:
    """Metrics count routes and refusals by their templates and kinds."""
    assert b"customary_request_seconds_bucket" in crime.metrics
    assert not _hits(crime, {"metrics": crime.metrics})


def test_no_command_speaks_a_value(crime: Crime) -> None:
    """Import tells of lines, fields and rules; export to a file, the trail and the doctor tell no value."""
    assert b"refused" in crime.printed
    assert not _hits(crime, {"command line": crime.printed})


def test_no_file_holds_a_value_while_the_server_runs(crime: Crime) -> None:
    """Neither the database nor its WAL, nor keys or nonces, hold a personal datum or a secret in any form."""
    names = set(crime.files_running)
    assert {"customary.db", "customary.db-wal", "keys.db", "root.key"} <= names
    assert len(crime.files_running["customary.db-wal"]) > 100_000, "what was written is in the WAL"
    assert not _hits(crime, crime.files_running)


def test_no_file_holds_a_value_after_the_server_has_stopped(crime: Crime) -> None:
    """The checkpoint of the stop has brought nothing to light."""
    assert len(crime.files_stopped["customary.db"]) > 50_000
    assert not _hits(crime, crime.files_stopped)


def test_no_page_speaks_a_value(server: Server) -> None:
    """The pages beside the rooms repeat neither host nor path nor query, not even to send somebody on."""
    canaries = Canaries(SEED)
    for path in ("/", "/docs/", "/nowhere/", "/healthz/"):
        host, query = canaries.token(f"{path} host", "{}.example"), canaries.token(f"{path} query")
        answer = server.send("GET", f"{path}?{query}", [("Host", host)])
        told = repr(answer.headers).encode() + answer.body
        assert not _told(Searcher(canaries.planted).search(path, told))


# ── the searcher itself ──


def test_a_canary_is_found_in_each_form() -> None:
    """The control: planted in any form at any place between other bytes, each canary is found."""
    canaries = Canaries(SEED)
    canaries.text("text")
    canaries.token("token")
    canaries.digits("digits")
    canaries.date("date")
    for name, canary in canaries.planted.items():
        for form, needle in forms(canary).items():
            hay = os.urandom(501) + needle + os.urandom(501)
            assert [one.canary for one in Searcher({name: canary}).search("hay", hay)], (name, form)
            assert not list(Searcher({name: canary}).search("hay", hay.replace(needle, b""))), (name, form)


@pytest.mark.parametrize("before", range(6))
@pytest.mark.parametrize("after", range(4))
def test_a_canary_is_found_inside_any_base64(before: int, after: int) -> None:
    """Whatever stands before and behind it, a canary in a longer base64 text is found."""
    import base64

    canary = Canaries(SEED).text("text")
    hay = base64.b64encode(os.urandom(before) + canary.encode() + os.urandom(after))
    assert list(Searcher({"text": canary}).search("hay", hay))


def test_a_stored_clear_text_would_be_found(crime: Crime) -> None:
    """The control over the whole way: a value that one file holds in clear is a hit."""
    name, canary = next(iter(crime.canaries.planted.items()))
    files = dict(crime.files_stopped)
    files["customary.db"] += json.dumps({"email": canary}).encode()
    assert name in _hits(crime, files)
    assert not _hits(crime, {"nothing": b""})
