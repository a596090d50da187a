"""The command that signs a request with a key of the data folder, sends it, and prints the answer.

It must never print or pass on a secret: it is opened here, in this process, and only signs.
"""

import re
import secrets
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import SplitResult, quote, urlsplit

import msgspec
from cyclopts import Parameter

from customary.cli.frame import Data, open_house, settings_for
from customary.cli.refusals import DONE, REFUSED, Advised, WrongUsage
from customary.cli.started import data_option, program
from customary.domain.access import Credential, Scheme
from customary.domain.errors import NotFound, Unavailable

if TYPE_CHECKING:
    from http.client import HTTPConnection, HTTPResponse

    from customary.bootstrap.house import House
    from customary.config import Settings
    from customary.http.schemes import SignedRequest

BODY_BYTES_MAX = 1 << 20
ANSWER_SECONDS_MAX = 60.0
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)
_OURS = ("Authorization", "Host", "Content-Length", "Transfer-Encoding")
_PORTS = {"http": 80, "https": 443}
# What may stand in a request target as it is (RFC 3986), and the percent sign of what is escaped already.
_TARGET_SAFE = "/?#[]@!$&'()*+,;=:%-._~"


class _Request(msgspec.Struct, frozen=True):
    """One request to send, and where the client says it sends it."""

    method: str
    target: str
    body: bytes
    url: SplitResult
    host: str
    port: int
    host_header: str


HeaderOption = Annotated[
    list[str] | None,
    Parameter(name=("--header", "-H"), help="A header, such as 'If-Match: \"2\"'; may be repeated."),
]


def curl(
    path: Annotated[str, Parameter(name="PATH", help="Path and query, such as '/v1/customers?page=2'.")],
    /,
    *,
    key: Annotated[
        str | None,
        Parameter(help="Id of the HMAC key; the demo's, or the only usable one, if not given."),
    ] = None,
    method: Annotated[
        str | None, Parameter(name=("--request", "-X"), help="Method; GET, or POST with a body.")
    ] = None,
    body: Annotated[
        str | None,
        Parameter(
            name=("--body", "-d"), allow_leading_hyphen=True, help="Body: a text, @FILE, or - for stdin."
        ),
    ] = None,
    header: HeaderOption = None,
    scheme: Annotated[Literal["hawk", "hmac-sha256"], Parameter(help="How to sign.")] = "hawk",
    url: Annotated[
        str | None, Parameter(help="Where the server is; the settings' host and port if not given.")
    ] = None,
    public_url: Annotated[
        str | None, Parameter(help="What clients call the server, to be signed; the setting if not given.")
    ] = None,
    include: Annotated[
        bool,
        Parameter(name=("--include", "-i"), show_default=False, help="Print status line and headers, too."),
    ] = False,
    data: Data = None,
) -> int:
    """Sign a request with a key of the data folder, send it, print the answer.

    For the Trustist API and the native one, which take signed requests only. Exits 1
    if the answer is a refusal (4xx or 5xx), 3 if the server cannot be reached.

    Example: customary curl '/v1/customers?orgId=branch-london&pageSize=2'
    Example: customary curl -d '{"firstName": "Grace"}' /v1/customers
    Example: customary curl '/native/v1/customers?email=ada@example.com'
    Example: customary curl -H 'X-Reason: moved' -d '{}' /v1/customers
    """
    given = _headers(header or [])
    content = _body(body)
    request = _request(settings_for(data, public_url=public_url), path, method, content, url)
    with open_house(data) as house:
        key_id, secret = _key(house, key)
    content_type = given.pop("Content-Type", "application/json" if content is not None else "")
    to_sign = _to_sign(request, content_type)
    headers = {"Host": request.host_header, "Accept": "application/json"}
    headers |= given | _SIGNERS[scheme](key_id, secret, to_sign)
    if content_type:
        headers["Content-Type"] = content_type
    return _sent(request, headers, include=include)


# ── The request ─────────────────────────────────────────────────────────────────────────────────────────


def _body(given: str | None) -> bytes | None:
    """Return the body, read from where ``given`` says; one over the limit is refused, never cut."""
    if given is None:
        return None
    if given == "-":
        content = sys.stdin.buffer.read(BODY_BYTES_MAX + 1)
    elif given.startswith("@"):
        try:
            with Path(given[1:]).open("rb") as file:
                content = file.read(BODY_BYTES_MAX + 1)
        except OSError as error:
            raise WrongUsage(f"The file of the body cannot be read: {error.strerror}") from None
    else:
        content = given.encode("utf-8", "surrogateescape")
    if len(content) > BODY_BYTES_MAX:
        raise WrongUsage(f"The body is larger than {BODY_BYTES_MAX} bytes, which no server of ours takes")
    return content


def _headers(given: list[str]) -> dict[str, str]:
    """Return the headers to send beside our own; WrongUsage for what is none, or is the signature's."""
    headers: dict[str, str] = {}
    for line in given:
        name, colon, value = line.partition(":")
        name, value = name.strip().title(), value.strip()
        if not colon or _TOKEN.fullmatch(name) is None or not (value.isascii() and value.isprintable()):
            raise WrongUsage("A header is NAME: VALUE in ASCII, such as 'X-Reason: moved'")
        if name in _OURS or name in headers:
            raise WrongUsage(f"Headers stand once, and these are the command's own: {', '.join(_OURS)}")
        headers[name] = value
    return headers


def _request(
    settings: "Settings", path: str, method: str | None, body: bytes | None, url: str | None
) -> _Request:
    """Return the request, addressed as the server sees it: it verifies against its public URL."""
    if not path.startswith("/"):
        raise WrongUsage("PATH begins with a slash, such as /v1/customers")
    given = urlsplit(url or _own_url(settings))
    seen = urlsplit(settings.public_url) if settings.public_url else given
    for address in (given, seen):
        if address.scheme not in _PORTS or not address.hostname or address.path.strip("/"):
            raise WrongUsage("--url is http:// or https://, a host, and perhaps a port")
    method = (method or ("GET" if body is None else "POST")).upper()
    if not (method.isascii() and method.isalpha()):
        raise WrongUsage("A method is letters only, such as PUT")
    return _Request(
        method=method,
        target=quote(path, safe=_TARGET_SAFE),
        body=body or b"",
        url=given,
        host=seen.hostname or "",
        port=seen.port or _PORTS[seen.scheme],
        host_header=seen.netloc.rpartition("@")[2],
    )


def _to_sign(request: _Request, content_type: str) -> "SignedRequest":
    from customary.http.schemes import SignedRequest

    return SignedRequest(
        request.method,
        request.target.encode("ascii"),
        request.host,
        request.port,
        request.body,
        content_type,
        {"host": request.host_header}.get,
    )


def _own_url(settings: "Settings") -> str:
    """Return where a server with these settings is found from this machine."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104 replaced
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"


# ── The key ─────────────────────────────────────────────────────────────────────────────────────────────


def _key(house: "House", key_id: str | None) -> tuple[str, bytes]:
    """Return the id and the newest live secret of the key to sign with."""
    from customary.app import credentials

    chosen = key_id or _only_key(house)
    known = house.engine.read_now(partial(credentials.find_key, house.unsealed, chosen))
    if known is None:
        raise NotFound("There is no such key", kind="key")
    if known.credential.scheme is not Scheme.HMAC:
        raise WrongUsage("That is a Basic key, which does not sign: use it with curl -u KEYID:SECRET")
    live = known.secrets_at(house.dice.now())
    if not live:
        raise NotFound("That key was revoked or has expired", kind="key")
    return chosen, live[0]


def _only_key(house: "House") -> str:
    from customary.app import credentials
    from customary.bootstrap.demo import HMAC_KEY_ID

    now = house.dice.now()
    usable: list[Credential] = [
        one
        for one in house.engine.read_now(credentials.list_keys)
        if one.scheme is Scheme.HMAC and one.usable_at(now)
    ]
    ids = [one.key_id for one in usable]
    option = data_option(house.settings)
    if not ids:
        raise Advised(
            NotFound("There is no HMAC key to sign with"),
            f"make one: {program()} key create --tenant ID --scheme hmac{option}",
        )
    if len(ids) == 1:
        return ids[0]
    listing = f"`{program()} key list{option}` shows them"
    if HMAC_KEY_ID not in ids:
        raise Advised(WrongUsage("There are several usable HMAC keys; name one with --key"), f"{listing}.")
    print(
        f"Signed with the demo's key {HMAC_KEY_ID}; another is named with --key, and {listing}.",
        file=sys.stderr,
    )
    return HMAC_KEY_ID


def _hawk(key_id: str, secret: bytes, request: "SignedRequest") -> dict[str, str]:
    from customary.http.schemes import hawk

    nonce = secrets.token_urlsafe(9)
    return {
        "Authorization": hawk.signed(
            key_id, secret, request, int(time.time()), nonce, hashed=bool(request.body)
        )
    }


def _hmac_sha256(key_id: str, secret: bytes, request: "SignedRequest") -> dict[str, str]:
    from customary.http.schemes import hmac_sha256

    return hmac_sha256.signed(key_id, secret, request, time.time())


_SIGNERS: dict[str, Callable[[str, bytes, Any], dict[str, str]]] = {
    "hawk": _hawk,
    "hmac-sha256": _hmac_sha256,
}


# ── The answer ──────────────────────────────────────────────────────────────────────────────────────────


def _sent(request: _Request, headers: dict[str, str], *, include: bool) -> int:
    """Send the request, print the answer and return the exit code."""
    from http.client import HTTPConnection, HTTPException, HTTPSConnection

    kind: type[HTTPConnection] = HTTPSConnection if request.url.scheme == "https" else HTTPConnection
    connection = kind(request.url.hostname or "", request.url.port, timeout=ANSWER_SECONDS_MAX)
    try:
        answer = _exchanged(connection, request, headers)
        content = answer.read()
    except (OSError, HTTPException) as error:
        raise Advised(
            Unavailable(
                f"The server at {request.url.scheme}://{request.url.netloc} cannot be reached",
                detail=_reason(error),
            ),
            "is the server running? At which address? Name it with --url.",
        ) from None
    finally:
        connection.close()
    if include:
        print(f"HTTP/1.1 {answer.status} {answer.reason}")
        for name, value in answer.getheaders():
            print(f"{name}: {value}")
        print()
    sys.stdout.flush()
    if content:
        _print_content(content)
    if answer.status < 400:
        return DONE
    print(f"The answer is {answer.status} {answer.reason}.", file=sys.stderr)
    if answer.status == 401 and request.target.startswith("/api/"):
        print("Next: the Trustly API takes Basic credentials: curl -u KEYID:SECRET", file=sys.stderr)
    return REFUSED


def _reason(error: Exception) -> str:
    """Return in words why no answer came; the texts of some errors quote what was received."""
    if isinstance(error, TimeoutError):
        return f"no answer within {ANSWER_SECONDS_MAX:.0f} seconds"
    if isinstance(error, OSError):
        return (error.strerror or "the connection failed").lower()
    return "what answers there does not speak HTTP, or broke off"


def _exchanged(connection: "HTTPConnection", request: _Request, headers: dict[str, str]) -> "HTTPResponse":
    # By hand, so that the target goes out byte for byte as it was signed, with the Host that was signed.
    connection.putrequest(request.method, request.target, skip_host=True, skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name, value)
    if request.body or request.method in ("POST", "PUT", "PATCH"):
        connection.putheader("Content-Length", str(len(request.body)))
    connection.endheaders(request.body or None)
    return connection.getresponse()


def _print_content(content: bytes) -> None:
    """Print the body: for people in colour and indented, for programs byte for byte."""
    if sys.stdout.isatty():
        try:
            text = msgspec.json.format(content, indent=2).decode()
        except msgspec.DecodeError:
            text = content.decode("utf-8", "replace")
        else:
            from rich.console import Console

            Console().print_json(text, ensure_ascii=True)
            return
        print(text)
        return
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()
