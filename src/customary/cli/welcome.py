"""The words with which the server greets: where everything is, and requests to paste that succeed.

They are the result of ``serve`` and go to stdout. It must never know how the server works.
"""

import shlex
import sys
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from customary.cli.frame import DEFAULT_URL, print_lines
from customary.cli.started import data_option, program

if TYPE_CHECKING:
    from customary.bootstrap.demo import Demo, DemoKey
    from customary.bootstrap.house import House

_EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 it is replaced, not listened on
_TRUSTLY_CUSTOMER = (
    '{"name": "Ada Lovelace", "phone": "+442079460123", "email": "ada@example.com",'
    ' "address": {"country": "GB", "city": "London", "zip": "W1J 8NE"}, "externalId": "ada-1"}'
)
_TRUSTIST_CUSTOMER = (
    '{"firstName": "Grace", "lastName": "Hopper", "emailAddress": "grace@example.com",'
    ' "orgId": "branch-london"}'
)


def welcome(house: "House", address: str, demo: "Demo | None", *, root_key_made: bool) -> None:
    """Print the greeting of a server that takes requests at ``address``."""
    url = _reachable(address)
    facts = {
        "data": str(house.settings.data),
        "Trustly API": f"{url}/api/v1/customers",
        "Trustist API": f"{url}/v1/customers",
        "native API": f"{url}/native/v1/customers",
        "API page": f"{url}/docs",
    }
    if root_key_made:
        facts["root key"] = f"{house.settings.root_key_file} (new; without it the data are lost)"
    if demo is not None:
        facts["demo"] = "200 customers, made just now" if demo.made else "as it was"
    _print_card(f"customary serves {url}", facts)
    print_lines(_demo_lines(house, url, demo) if demo is not None else _first_steps(house))
    sys.stdout.flush()


def _demo_lines(house: "House", url: str, demo: "Demo") -> list[str]:
    base = shlex.quote(f"{url}/api/v1/customers")
    user = f"curl -u '{_user(demo.basic)}'"
    public_url = house.settings.public_url
    seen = f" --public-url {shlex.quote(public_url)}" if public_url else ""
    sign = f"{program()} curl{_url_option(url)}{seen}{data_option(house.settings)}"
    lines = [
        "",
        "Paste into another terminal. Through the Trustly API, two customers, and one made or changed:",
        "",
        f"  {user} {shlex.quote(f'{url}/api/v1/customers?count=2')}",
        f"  {user} -H 'Content-Type: application/json' -d {shlex.quote(_TRUSTLY_CUSTOMER)} {base}",
        "",
        "Through the Trustist API, whose requests are signed, the customers of a branch, and a new one:",
        "",
        f"  {sign} {shlex.quote('/v1/customers?orgId=branch-london&pageSize=2')}",
        f"  {sign} -d {shlex.quote(_TRUSTIST_CUSTOMER)} /v1/customers",
    ]
    if demo.basic.secret is None:
        lines += [
            "",
            f"The secret of {demo.basic.key_id} was rotated or revoked: put its new secret for SECRET.",
        ]
    if demo.signing.secret is not None:
        lines += ["", f"Trustist key: id {demo.signing.key_id}, secret {demo.signing.secret}"]
    return lines


def _user(key: "DemoKey") -> str:
    return f"{key.key_id}:{key.secret or 'SECRET'}"


def _first_steps(house: "House") -> list[str]:
    """Return what to do first, as long as there is nobody to serve."""
    from customary.app import credentials

    option = data_option(house.settings)
    if house.vault is None:
        return [
            "",
            "The data folder is sealed: its root key is not here, and every request is answered with 503.",
            f"Put it at {house.settings.root_key_file}, or into CUSTOMARY_ROOT_KEY, and start again.",
        ]
    if house.engine.read_now(credentials.list_tenants):
        return []
    return [
        "",
        "There is no tenant yet. In another terminal:",
        "",
        f"  {program()} tenant create 'Acme Group'{option}",
        "",
        "It says what comes next. A look around without any of this: serve --demo in another folder.",
    ]


def _reachable(address: str) -> str:
    """Return an address that a client on this machine can use, where the server listens on all of them."""
    parts = urlsplit(address)
    here = _EVERY_ADDRESS.get(parts.hostname or "")
    return address if here is None else f"{parts.scheme}://{here}:{parts.port}"


def _url_option(url: str) -> str:
    return "" if url == DEFAULT_URL else f" --url {shlex.quote(url)}"


def _print_card(title: str, facts: dict[str, str]) -> None:
    width = max(map(len, facts))
    lines = [f"{name.ljust(width)}  {value}" for name, value in facts.items()]
    if not sys.stdout.isatty():
        print_lines([title, *(f"  {line}" for line in lines)])
        return
    from rich.console import Console
    from rich.panel import Panel
    from rich.text import Text

    # A long path would be broken by a narrow frame; then the lines stand without one.
    console = Console()
    if max(map(len, lines)) + 4 > console.width:
        print_lines([title, *(f"  {line}" for line in lines)])
    else:
        console.print(Panel(Text("\n".join(lines)), title=title, title_align="left", expand=False))
