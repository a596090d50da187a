"""Puts a dialect's document together: what the two have in common, so that each says only its own.

It must never know a vendor.
"""

from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

import msgspec

from customary.bootstrap.documents.answers import Refusal, Speech
from customary.bootstrap.documents.limits import LIMITS, PROSE
from customary.bootstrap.documents.operations import Addition, paths
from customary.bootstrap.documents.shapes import Schema


class Dialect(msgspec.Struct, frozen=True, kw_only=True):
    """What a dialect's document says of its own.

    ``routes`` is the room's module with ``OPERATIONS``, ``Routes`` and ``PREFIX``. ``more_tags`` are those of
    operations whose additions name another tag than ``tag``. ``schemas`` is given the
    bodies of all refusals, because what may stand in them is what the room renders. Each of
    ``security_schemes`` is enough alone.
    """

    title: str
    summary: str
    description: str
    tag: Mapping[str, str]
    speech: Speech
    routes: ModuleType
    additions: Mapping[str, Addition]
    refusals: Mapping[str, Mapping[str, Refusal]]
    schemas: Callable[[Sequence[Any]], dict[str, Schema]]
    security_schemes: Mapping[str, Schema]
    more_tags: Sequence[Mapping[str, str]] = ()


def assembled(dialect: Dialect) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of a dialect."""
    refused = {name: dialect.speech.refused(group) for name, group in dialect.refusals.items()}
    bodies = [
        example["value"]
        for _, response in refused.values()
        for example in response["content"][dialect.speech.problem_type]["examples"].values()
    ]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": dialect.title,
            "version": "1.0.0",
            "summary": dialect.summary,
            "description": f"{dialect.description}\n\n{PROSE}",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "x-limits": LIMITS,
        },
        "servers": [{"url": dialect.routes.PREFIX, "description": "This server"}],
        "security": [{name: []} for name in dialect.security_schemes],
        "tags": [dict(tag) for tag in (dialect.tag, *dialect.more_tags)],
        "paths": paths(
            dialect.routes.OPERATIONS,
            dialect.routes.Routes,
            dialect.additions,
            {name: status for name, (status, _) in refused.items()},
            dialect.tag["name"],
        ),
        "components": {
            "schemas": dialect.schemas(bodies),
            "responses": {name: response for name, (_, response) in refused.items()},
            "headers": dialect.speech.header_components(),
            "securitySchemes": dict(dialect.security_schemes),
        },
    }
