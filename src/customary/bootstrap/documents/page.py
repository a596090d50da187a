"""Serves the OpenAPI documents, and the page that shows them with Swagger UI out of this package.

The page asks no other host for anything, and its Content-Security-Policy forbids it to. It must never know
what the documents say.
"""

import hashlib
from collections.abc import Callable, Mapping
from functools import cache
from html import escape
from importlib.resources import files

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",  # Swagger UI's style sheet has its icons inside
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}

ASSETS: Mapping[str, tuple[str, str]] = {
    "swagger-ui-bundle.js": ("swagger-ui", "text/javascript; charset=utf-8"),
    "swagger-ui.css": ("swagger-ui", "text/css; charset=utf-8"),
    "favicon-32x32.png": ("swagger-ui", "image/png"),
    "docs.js": ("docs", "text/javascript; charset=utf-8"),
    "docs.css": ("docs", "text/css; charset=utf-8"),
}
"""The files that the pages use: folder and type. A machine's own list of types may be wrong."""


class Shown(msgspec.Struct, frozen=True):
    """A document on the page: its name in addresses, its title and prose, and how its bytes are made."""

    name: str
    title: str
    prose: str
    make: Callable[[], bytes]


def page_routes(shown: tuple[Shown, ...]) -> list[BaseRoute]:
    """Return the routes of documents, pages and their files; each body is made once, when first asked for."""
    routes: list[BaseRoute] = [
        Route("/docs", _answering(lambda: _index(shown), "text/html; charset=utf-8"), name="docs"),
        *(_asset_route(name) for name in ASSETS),
    ]
    for document in shown:
        routes += (
            Route(f"/openapi/{document.name}.json", _answering(document.make, "application/json")),
            Route(
                f"/docs/{document.name}", _answering(_page_of(document, shown), "text/html; charset=utf-8")
            ),
        )
    return routes


def _asset_route(name: str) -> BaseRoute:
    folder, content_type = ASSETS[name]
    source = files("customary.bootstrap") / "static" / folder / name
    return Route(f"/docs/assets/{name}", _answering(source.read_bytes, content_type))


def _answering(make: Callable[[], bytes], content_type: str) -> Callable[[Request], Response]:
    """Return an endpoint that answers these bytes, or 304 to who has them already.

    It is a plain function, so Starlette runs it, and the first making of the bytes, on a thread.
    """

    @cache
    def body() -> tuple[bytes, str]:
        made = make()
        return made, f'"{hashlib.sha256(made).hexdigest()[:32]}"'

    def endpoint(request: Request) -> Response:
        made, tag = body()
        headers = {**_HEADERS, "ETag": tag}
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(made, headers=headers, media_type=content_type)

    return endpoint


def _page_of(document: Shown, shown: tuple[Shown, ...]) -> Callable[[], bytes]:
    return lambda: _html(
        title=f"{document.title} · customary",
        head='<link rel="stylesheet" href="/docs/assets/swagger-ui.css">',
        body_attributes=f' data-document="/openapi/{document.name}.json"',
        body=(
            f"{_navigation(shown, document.name)}"
            '<main id="swagger-ui"></main>'
            "<noscript><p>This page needs JavaScript; the document is at "
            f'<a href="/openapi/{document.name}.json">/openapi/{document.name}.json</a>.</p></noscript>'
            '<script src="/docs/assets/swagger-ui-bundle.js"></script>'
            '<script src="/docs/assets/docs.js"></script>'
        ),
    )


def _index(shown: tuple[Shown, ...]) -> bytes:
    items = "".join(
        f'<li><h2><a href="/docs/{one.name}">{escape(one.title)}</a></h2><p>{escape(one.prose)}</p>'
        f'<p>OpenAPI 3.1: <a href="/openapi/{one.name}.json">'
        f"<code>/openapi/{one.name}.json</code></a></p></li>"
        for one in shown
    )
    return _html(
        title="API documents · customary",
        body=(
            f"{_navigation(shown, '')}"
            '<main class="index"><h1>API documents</h1>'
            "<p>One customer record, two faces, and our own. Each is documented as this server serves it.</p>"
            f"<ul>{items}</ul></main>"
        ),
    )


def _navigation(shown: tuple[Shown, ...], current: str) -> str:
    links = "".join(
        f'<a href="/docs/{one.name}"{" aria-current=page" if one.name == current else ""}>'
        f"{escape(one.name.capitalize())}</a>"
        for one in shown
    )
    return f'<header><nav aria-label="Documents"><a href="/docs">customary</a>{links}</nav></header>'


def _html(*, title: str, body: str, head: str = "", body_attributes: str = "") -> bytes:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title>{head}"
        '<link rel="stylesheet" href="/docs/assets/docs.css">'
        '<link rel="icon" href="/docs/assets/favicon-32x32.png" type="image/png">'
        f"</head><body{body_attributes}>{body}</body></html>\n"
    ).encode()
