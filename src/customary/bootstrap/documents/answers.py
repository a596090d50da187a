"""What a room answers, as an OpenAPI document says it.

A refusal is documented by letting the room itself render it, so that status, headers, codes and examples in a
document are those of the program. It must never know a vendor.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from customary.bootstrap.documents.shapes import Schema, ref
from customary.domain.errors import CustomaryError
from customary.http.exchange import Exchange, Reply
from customary.http.shell import Errors

EXAMPLE_REQUEST_ID = "7d9f4c1e-2b60-4a35-9c1d-5e8f0a3b6c72"
JSON = "application/json"


TEXT: Schema = {"type": "string"}
COMMON_HEADERS: Mapping[str, tuple[str, Schema]] = {
    "retry-after": (
        "Retry-After",
        {
            "description": "Seconds to wait before trying again",
            "schema": {"type": "integer", "minimum": 1},
        },
    ),
    "allow": ("Allow", {"description": "The methods that there are", "schema": TEXT}),
    "connection": ("Connection", {"description": "close: the rest of the body was not read", "schema": TEXT}),
}
"""The headers of refusals that every dialect has, by their lower-case names."""


class Refusal(msgspec.Struct, frozen=True):
    """One way in which a room says no: when it does, and the error it renders (None: the program failed)."""

    when: str
    error: CustomaryError | None


class Speech(msgspec.Struct, frozen=True):
    """How a room speaks: its errors, the schema of their body, and its headers by their lower-case names.

    ``problem_type`` is the media type of the errors' bodies.
    """

    errors: Errors
    schema: str
    request_id_header: str
    headers: Mapping[str, tuple[str, Schema]]
    problem_type: str = JSON

    def header_components(self) -> dict[str, Schema]:
        """Return the headers of all answers, described once."""
        return dict(self.headers.values())

    def header_references(self, lower_names: Sequence[str]) -> dict[str, Schema]:
        """Return references to headers, the request's id among them, which every answer carries."""
        names = [self.headers[name][0] for name in (self.request_id_header, *lower_names)]
        return {name: {"$ref": f"#/components/headers/{name}"} for name in names}

    def reply_to(self, refusal: Refusal) -> Reply:
        """Return what the room answers."""
        exchange = Exchange("GET", b"/", b"/", request_id=EXAMPLE_REQUEST_ID)
        if refusal.error is None:
            return self.errors.internal(exchange)
        return self.errors.rendered(refusal.error, exchange)

    def refused(self, refusals: Mapping[str, Refusal]) -> tuple[str, Schema]:
        """Return status and OpenAPI response of refusals that have one status; each is an example."""
        replies = {name: self.reply_to(refusal) for name, refusal in refusals.items()}
        statuses = {reply.status for reply in replies.values()}
        if len(statuses) != 1:
            raise ValueError(f"{sorted(refusals)} are answered with {sorted(statuses)}")
        sent = {name.decode(): None for reply in replies.values() for name, _ in reply.headers}
        examples = {
            name: {"summary": refusals[name].when, "value": msgspec.json.decode(reply.body)}
            for name, reply in replies.items()
        }
        response = {
            "description": "; ".join(refusal.when for refusal in refusals.values()),
            "headers": self.header_references(list(sent)),
            "content": {self.problem_type: {"schema": ref(self.schema), "examples": examples}},
        }
        return str(statuses.pop()), response

    def granted(
        self, description: str, schema: Schema, examples: Mapping[str, Any], headers: Sequence[str] = ()
    ) -> Schema:
        """Return the OpenAPI response of a success; ``examples`` are its bodies by name."""
        return {
            "description": description,
            "headers": self.header_references(headers),
            "content": {
                JSON: {"schema": schema, "examples": {name: {"value": one} for name, one in examples.items()}}
            },
        }

    def bare(self, description: str, headers: Sequence[str] = ()) -> Schema:
        """Return the OpenAPI response of an answer that has no body."""
        return {"description": description, "headers": self.header_references(headers)}
