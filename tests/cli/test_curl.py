"""The command that signs a request and sends it: real processes, real HTTP."""

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from customary.bootstrap import demo
from processes import PROGRAM, SECONDS_MAX, Started, ended, printed, run, serving


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    """One demo server for the tests that only ask it."""
    with serving(tmp_path_factory.mktemp("demo"), "--demo") as started:
        yield started


@pytest.mark.parametrize(
    ("arguments", "stdin", "code", "expected"),
    [
        (("/v1/customers?pageSize=1",), "", 0, '[{"id":"'),
        (("/v1/customers/nobody",), "", 1, "customer_not_found"),
        (("-i", "/v1/merchants"), "", 0, "HTTP/1.1 200 OK"),
        (("-d", "-", "/v1/customers"), '{"firstName": "Piped"}', 0, '"firstName":"Piped"'),
        (("-d", "@body.json", "/v1/customers"), "", 0, '"firstName":"Filed"'),
        (("-d", '{"firstName": "Zoë"}', "/v1/customers"), "", 0, '"firstName":"Zoë"'),
        (("-d", "{", "/v1/customers"), "", 1, "invalid_request"),
        (("-X", "DELETE", "/v1/customers"), "", 1, "method_not_allowed"),
        (("/v1/customers?orgId=ü&emailAddress=a b",), "", 0, "[]"),
        (("/api/v1/customers",), "", 1, "375"),
        (("--key", "demo-merchant", "/v1/customers"), "", 2, ""),
        (("--key", "nobody's", "/v1/customers"), "", 1, ""),
    ],
)
def test_curl_signs_sends_and_exits_by_the_answer(
    server: Started, arguments: tuple[str, ...], stdin: str, code: int, expected: str
) -> None:
    """Bodies come from the command line, a file or stdin; a refusal of the server is exit code 1."""
    (server.folder / "body.json").write_text('{"firstName": "Filed"}')
    done = ended("curl", "--url", server.url, *arguments, folder=server.folder, stdin=stdin)
    assert done.returncode == code, done.stderr
    assert expected in done.stdout
    assert "Traceback" not in done.stderr


def test_curl_sends_headers(server: Started) -> None:
    """Those that say why, on which condition and as what; not those that are signed, nor what is none."""
    made = ended("curl", "--url", server.url, "-d", "{}", "/native/v1/customers", folder=server.folder)
    path = f"/native/v1/customers/{json.loads(made.stdout)['id']}"
    for headers, code in (
        (('If-Match: "1"', "x-reason: moved", "Content-Type: application/merge-patch+json"), 0),
        (('If-Match: "1"',), 1),
        (("X-Reason: " + "x" * 501,), 1),
        (("host: elsewhere",), 2),
        (("X-Reason: a", "x-reason: b"), 2),
        (("X-Reason",), 2),
        (("X-Reason: a\r\nX-Other: b",), 2),
    ):
        given = [part for header in headers for part in ("-H", header)]
        done = ended(
            "curl", "--url", server.url, "-X", "PATCH", "-d", '{"phone": "+1650"}', *given, path,
            folder=server.folder,
        )  # fmt: skip
        assert done.returncode == code, (headers, done.stdout, done.stderr)


def test_curl_without_a_server_is_unavailable(server: Started) -> None:
    """Where nobody listens, the exit code is 3, the address is named, and the reason is in words."""
    done = ended("curl", "--url", "http://127.0.0.1:9", "/v1/customers", folder=server.folder)
    assert done.returncode == 3
    assert "http://127.0.0.1:9" in done.stderr
    assert "Detail: connection refused" in done.stderr
    assert "--url" in done.stderr
    assert "doctor" not in done.stderr


def test_curl_tells_a_server_that_speaks_something_else_in_words(server: Started) -> None:
    """An answer that is no HTTP is told without a word of it: nobody knows what it holds."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            with listener.accept()[0] as connection:
                connection.recv(65_536)
                connection.sendall(b"220 canary\r\n")

        other = threading.Thread(target=answer)
        other.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        done = ended("curl", "--url", url, "/v1/customers", folder=server.folder)
        other.join(SECONDS_MAX)
    assert done.returncode == 3
    assert "does not speak HTTP" in done.stderr
    assert "canary" not in done.stderr


def test_a_body_over_the_limit_is_refused_and_never_cut(server: Started) -> None:
    """A body is sent whole or not at all, from wherever it comes."""
    body = '{"firstName": "' + "x" * (1 << 20) + '"}'
    (server.folder / "long.json").write_text(body)
    for given, stdin in (("@long.json", ""), ("-", body)):
        done = ended(
            "curl", "--url", server.url, "-d", given, "/v1/customers", folder=server.folder, stdin=stdin
        )
        assert done.returncode == 2
        assert "larger than 1048576 bytes" in done.stderr


def test_curl_says_which_key_has_signed_where_there_are_several(tmp_path: Path) -> None:
    """The demo's key signs silently while it is the only one; beside another it is named."""
    with serving(tmp_path, "--demo") as started:
        alone = ended("curl", "--url", started.url, "/v1/merchants", folder=tmp_path)
        tenant_id = printed(tmp_path, "tenant", "create", "Acme")["tenantId"]
        printed(tmp_path, "key", "create", "--tenant", tenant_id, "--scheme", "hmac")
        beside = ended("curl", "--url", started.url, "/v1/merchants", folder=tmp_path)
    assert (alone.returncode, alone.stderr) == (0, "")
    assert beside.returncode == 0
    assert f"Signed with the demo's key {demo.HMAC_KEY_ID}" in beside.stderr
    assert "key list" in beside.stderr


def test_curl_signs_for_the_public_url(tmp_path: Path) -> None:
    """A server that verifies against its public URL is reached at its own address all the same."""
    with serving(tmp_path, "--demo", CUSTOMARY_PUBLIC_URL="https://api.example.com") as started:
        port = started.url.rpartition(":")[2]
        answer = run(
            str(PROGRAM), "curl", "/v1/merchants", folder=tmp_path,
            CUSTOMARY_PUBLIC_URL="https://api.example.com", CUSTOMARY_PORT=port,
        )  # fmt: skip
        assert json.loads(answer)["name"] == "Demo Shop"
        for command in started.pasted:
            run("bash", "-c", command.replace("curl -u", "curl -sS --fail -u"), folder=tmp_path)
