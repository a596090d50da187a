"""A room's table of operations as the paths of an OpenAPI document.

Method, path, permission and prose come from the table and the handlers' docstrings, so that a route cannot be
served and not be documented. It must never know a vendor.
"""

import inspect
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from customary.bootstrap.documents.answers import JSON
from customary.bootstrap.documents.shapes import Schema
from customary.http.shell import Operation

_CONTRACT_REFERENCE = re.compile(r"\s*\((?:[A-Z]\d+)(?:[^()]*)\)")
_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


class Addition(msgspec.Struct, frozen=True):
    """What a document says of an operation beyond its table and docstring.

    ``refusals`` names responses of the document, at most one a status. ``beside`` are answers by their status
    that are neither the success nor a refusal. ``tag`` is the operation's, where it is not the document's.
    """

    prose: str
    parameters: Sequence[Schema]
    granted: Schema
    refusals: Sequence[str]
    body: Schema | None = None
    beside: Mapping[str, Schema] = {}
    tag: str = ""


def query_parameter(name: str, description: str, schema: Schema) -> Schema:
    """Return a parameter of the query; none is required."""
    return {"name": name, "in": "query", "required": False, "description": description, "schema": schema}


def request_body(
    description: str, schema: Schema, examples: Mapping[str, tuple[str, Any]], media_type: str = JSON
) -> Schema:
    """Return a body that an operation must be sent; ``examples`` are summary and value by name."""
    shown = {name: {"summary": summary, "value": value} for name, (summary, value) in examples.items()}
    return {
        "required": True,
        "description": description,
        "content": {media_type: {"schema": schema, "examples": shown}},
    }


def operation_id(operation: Operation) -> str:
    """Return the id of an operation, in the form that the vendors' own documents have.

    >>> operation_id(Operation("POST", "/customers/{customerId}", None, "update"))
    'post-customers-customer-id'
    """
    words = [operation.method, *re.findall(r"[A-Za-z0-9]+", operation.path)]
    return "-".join(_CAPITAL.sub("-", word) for word in words).lower()


def paths(
    operations: Sequence[Operation],
    routes: type,
    additions: Mapping[str, Addition],
    statuses: Mapping[str, str],
    tag: str,
) -> dict[str, Any]:
    """Return the ``paths`` of a document; an operation that has no addition is an error.

    ``statuses`` gives the status of each response that the additions name.
    """
    items: dict[str, Any] = {}
    for operation in operations:
        addition = additions[operation_id(operation)]
        items.setdefault(operation.path, {})[operation.method.lower()] = _described(
            operation,
            getattr(routes, operation.handler),
            addition,
            _references(addition.refusals, statuses),
            addition.tag or tag,
        )
    return items


def _references(names: Sequence[str], statuses: Mapping[str, str]) -> dict[str, Schema]:
    """Return references to responses by their status; two of one status would hide each other."""
    by_status = {statuses[name]: {"$ref": f"#/components/responses/{name}"} for name in sorted(names)}
    if len(by_status) != len(names):
        raise ValueError(f"two of {sorted(names)} have one status")
    return dict(sorted(by_status.items()))


def _described(
    operation: Operation, handler: object, addition: Addition, refused: Mapping[str, Schema], tag: str
) -> dict[str, Any]:
    summary, own_prose, source = _prose(handler)
    alternatives = sorted(operation.permissions or ())
    paragraphs = [own_prose, addition.prose, _permission_sentence(operation, alternatives)]
    described: dict[str, Any] = {
        "operationId": operation_id(operation),
        "summary": summary,
        "description": "\n\n".join(paragraph for paragraph in paragraphs if paragraph),
        "tags": [tag],
        "x-permission": alternatives,
    }
    if operation.tenant_only:
        described["x-tenant-key-only"] = True
    if source:
        described["externalDocs"] = {"description": "The vendor's page", "url": source}
    if addition.parameters:
        described["parameters"] = list(addition.parameters)
    if addition.body is not None:
        described["requestBody"] = addition.body
    described["responses"] = {str(operation.status): addition.granted, **addition.beside, **refused}
    return described


def _prose(handler: object) -> tuple[str, str, str]:
    """Return summary, description and the vendor's page, from a docstring without its contract numbers."""
    text = _CONTRACT_REFERENCE.sub("", inspect.getdoc(handler) or "")
    summary, *rest = text.split("\n\n")
    prose = [one.replace("\n", " ") for one in rest if not one.startswith("https://")]
    source = next((one for one in rest if one.startswith("https://")), "")
    return summary.replace("\n", " ").rstrip("."), "\n\n".join(prose), source


def _permission_sentence(operation: Operation, alternatives: Sequence[str]) -> str:
    whose = "A tenant's key with the permission" if operation.tenant_only else "Permission"
    if not alternatives:
        return "Any credential may use it."
    return f"{whose} " + " or ".join(f"`{one}`" for one in alternatives) + " is needed."
