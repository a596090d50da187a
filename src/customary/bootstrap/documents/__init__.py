"""The OpenAPI documents of both dialects and of our own API, and the page that shows them.

They are made from what is served: the rooms' tables of operations, the wire structs, the limits and the
refusals as the rooms render them. It must never know a customer, a credential or the store.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
from starlette.routing import BaseRoute

from customary.bootstrap.documents.native import native_document
from customary.bootstrap.documents.page import Shown, page_routes
from customary.bootstrap.documents.trustist import trustist_document
from customary.bootstrap.documents.trustly import trustly_document

__all__ = [
    "DOCUMENTS",
    "native_document",
    "regenerate",
    "rendered",
    "routes",
    "trustist_document",
    "trustly_document",
]

DOCUMENTS: Mapping[str, Callable[[], dict[str, Any]]] = {
    "trustly.json": trustly_document,
    "trustist.json": trustist_document,
    "native.json": native_document,
}
"""Every document, by the name of its file and of its address under ``/openapi``."""


def rendered(document: Mapping[str, Any]) -> bytes:
    """Return a document as indented JSON; the same document always gives the same bytes."""
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def regenerate(folder: Path) -> None:
    """Write every document into ``folder``, where they are kept under version control."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, document in DOCUMENTS.items():
        (folder / name).write_bytes(rendered(document()))


def routes() -> list[BaseRoute]:
    """Return the routes of the documents and of the page that shows them."""
    return page_routes(
        (
            Shown(
                "trustly",
                "Trustly: Customers API",
                "Customers of a merchant, under /api/v1 with Basic credentials.",
                lambda: rendered(trustly_document()),
            ),
            Shown(
                "trustist",
                "Trustist: Customer Management API",
                "Customers of a tenant, under /v1 with signed requests.",
                lambda: rendered(trustist_document()),
            ),
            Shown(
                "native",
                "customary: native API",
                "The whole record with both ids, under /native/v1 with signed requests.",
                lambda: rendered(native_document()),
            ),
        )
    )
