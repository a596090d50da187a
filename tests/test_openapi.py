"""The OpenAPI documents: checked in as generated, valid, complete, and true to what is served."""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import validate
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from customary.app.customers import Disclosure
from customary.bootstrap import documents
from customary.bootstrap.documents.answers import Speech
from customary.bootstrap.documents.native_speech import SPEECH as NATIVE_SPEECH
from customary.bootstrap.documents.native_speech import refusals as native_refusals
from customary.bootstrap.documents.operations import operation_id
from customary.bootstrap.documents.page import ASSETS
from customary.bootstrap.documents.trustist import SPEECH as TRUSTIST_SPEECH
from customary.bootstrap.documents.trustist_refusals import refusals as trustist_refusals
from customary.bootstrap.documents.trustly import SPEECH as TRUSTLY_SPEECH
from customary.bootstrap.documents.trustly_refusals import refusals as trustly_refusals
from customary.domain import errors as domain_errors
from customary.domain.errors import CustomaryError, Invalid
from customary.http.exchange import NoSuchMethod, NoSuchRoute
from customary.http.shell import RESPONSE_HEADERS
from customary.native import routes as native_routes
from customary.native import wire as native_wire
from customary.trustist import routes as trustist_routes
from customary.trustist import wire as trustist_wire
from customary.trustly import routes as trustly_routes
from customary.trustly import wire as trustly_wire

ROOT = Path(__file__).resolve().parent.parent
STATIC = ROOT / "src" / "customary" / "bootstrap" / "static"
Document = dict[str, Any]

TRUSTLY: Document = documents.trustly_document()
TRUSTIST: Document = documents.trustist_document()
NATIVE: Document = documents.native_document()
EVERY = pytest.mark.parametrize(
    "document", [TRUSTLY, TRUSTIST, NATIVE], ids=["trustly", "trustist", "native"]
)
ROOMS = [
    pytest.param(TRUSTLY, trustly_routes, id="trustly"),
    pytest.param(TRUSTIST, trustist_routes, id="trustist"),
    pytest.param(NATIVE, native_routes, id="native"),
]
SPEECHES = [
    pytest.param(TRUSTLY, TRUSTLY_SPEECH, trustly_refusals(), id="trustly"),
    pytest.param(TRUSTIST, TRUSTIST_SPEECH, trustist_refusals(), id="trustist"),
    pytest.param(NATIVE, NATIVE_SPEECH, native_refusals(), id="native"),
]


def operations_of(document: Document) -> Iterator[tuple[str, str, Document]]:
    """Yield method, path and operation of everything in a document."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield method.upper(), path, operation


def resolved(document: Document, node: Document) -> Document:
    """Return what a node refers to, or the node."""
    while "$ref" in node:
        target: Any = document
        for step in node["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        node = target
    return node


def faults(document: Document, schema: Document, instance: object) -> list[str]:
    """Return how an instance breaks a schema of a document."""
    resource = Resource.from_contents(document, default_specification=DRAFT202012)
    registry = Registry().with_resource("urn:document", resource)
    absolute = msgspec.json.decode(msgspec.json.encode(schema).replace(b'"#/', b'"urn:document#/'))
    return [error.message for error in OAS31Validator(absolute, registry=registry).iter_errors(instance)]


# ── generated, checked in, valid ──


@pytest.mark.parametrize("name", sorted(documents.DOCUMENTS))
def test_the_documents_in_the_repository_are_those_the_program_makes(name: str) -> None:
    """What is checked in is what is served, byte for byte."""
    kept = ROOT / "docs" / "openapi" / name
    made = documents.rendered(documents.DOCUMENTS[name]())
    assert kept.read_bytes() == made, (
        f"docs/openapi/{name} is out of date; run: "
        "uv run python -m customary.bootstrap.documents docs/openapi"
    )


def test_regenerating_writes_every_document(tmp_path: Path) -> None:
    """The command that the test above names makes all of them, the same each time."""
    documents.regenerate(tmp_path / "openapi")
    first = {path.name: path.read_bytes() for path in (tmp_path / "openapi").iterdir()}
    documents.regenerate(tmp_path / "openapi")
    assert first == {path.name: path.read_bytes() for path in (tmp_path / "openapi").iterdir()}
    assert first.keys() == documents.DOCUMENTS.keys()


@EVERY
def test_each_document_is_valid_openapi_3_1(document: Document) -> None:
    """A document that a tool cannot read is none."""
    assert document["openapi"].startswith("3.1.")
    validate(document)


# ── true to what is served ──


@pytest.mark.parametrize(("document", "routes"), ROOMS)
def test_every_route_is_documented_with_its_permission_and_nothing_else_is(
    document: Document, routes: ModuleType
) -> None:
    """The table of operations and the document name the same routes, permissions and ids."""
    served = {
        (one.method, one.path): (operation_id(one), sorted(one.permissions or ()), one.tenant_only)
        for one in routes.OPERATIONS
    }
    documented = {
        (method, path): (one["operationId"], one["x-permission"], one.get("x-tenant-key-only", False))
        for method, path, one in operations_of(document)
    }
    assert documented == served
    assert document["servers"] == [{"url": routes.PREFIX, "description": "This server"}]


@pytest.mark.parametrize(("document", "routes"), ROOMS)
def test_every_query_parameter_that_a_handler_reads_is_documented(
    document: Document, routes: ModuleType
) -> None:
    """The names given to ``exchange.query`` or ``list_query`` are the documented query parameters."""
    for operation in routes.OPERATIONS:
        source = textwrap.dedent(inspect.getsource(getattr(routes.Routes, operation.handler)))
        read = {
            argument.value
            for call in ast.walk(ast.parse(source))
            if isinstance(call, ast.Call) and ast.unparse(call.func) in ("exchange.query", "list_query")
            for argument in call.args
            if isinstance(argument, ast.Constant)
        }
        described = document["paths"][operation.path][operation.method.lower()]
        names = {one["name"] for one in described.get("parameters", []) if one["in"] == "query"}
        assert names == read, operation


@pytest.mark.parametrize(("document", "routes"), ROOMS)
def test_every_operation_that_changes_something_takes_an_idempotency_key(
    document: Document, routes: ModuleType
) -> None:
    """Idempotency-Key is documented where it is honoured, and nowhere else."""
    for operation in routes.OPERATIONS:
        described = document["paths"][operation.path][operation.method.lower()]
        names = {one["name"] for one in described.get("parameters", []) if one["in"] == "header"}
        assert ("Idempotency-Key" in names) == operation.mutates, operation


@pytest.mark.parametrize(("document", "routes"), ROOMS)
def test_no_contract_number_is_left_in_the_prose(document: Document, routes: ModuleType) -> None:
    """Readers of the documents do not have the contract."""
    for _, _, operation in operations_of(document):
        text = operation["summary"] + operation["description"]
        assert not any(f"({letter}" in text for letter in "TSCM"), text
        assert operation["summary"]


@pytest.mark.parametrize(("document", "speech", "refusals"), SPEECHES)
def test_every_refusal_that_the_program_knows_is_documented(
    document: Document, speech: Speech, refusals: dict[str, dict[str, Any]]
) -> None:
    """Each leaf of the errors is among the responses, and the room's own failure too."""
    leaves = {
        kind
        for kind in vars(domain_errors).values()
        if isinstance(kind, type) and issubclass(kind, CustomaryError) and kind is not CustomaryError
    } | {NoSuchRoute, NoSuchMethod}
    if document is not NATIVE:
        leaves.remove(domain_errors.Gone)  # nobody is told but there
    shown = {type(one.error) for group in refusals.values() for one in group.values()}
    assert leaves - shown == set()
    assert type(None) in shown
    assert document["components"]["responses"].keys() == refusals.keys()


@pytest.mark.parametrize(("document", "speech", "refusals"), SPEECHES)
def test_refusals_are_documented_under_the_status_with_which_they_are_rendered(
    document: Document, speech: Speech, refusals: dict[str, dict[str, Any]]
) -> None:
    """A response that an operation refers to has the status, headers and body that the room gives it."""
    for _, _, operation in operations_of(document):
        for status, response in operation["responses"].items():
            if "$ref" not in response:
                continue
            name = response["$ref"].rpartition("/")[2]
            described = resolved(document, response)
            for refusal in refusals[name].values():
                reply = speech.reply_to(refusal)
                assert str(reply.status) == status
                headers = {header.lower() for header in described["headers"]}
                assert {header.decode() for header, _ in reply.headers} <= headers


@pytest.mark.parametrize(("document", "speech", "refusals"), SPEECHES)
def test_every_operation_says_how_it_refuses_strangers_and_how_the_server_fails(
    document: Document, speech: Speech, refusals: dict[str, dict[str, Any]]
) -> None:
    """401, 400, 500 and 503 can come from everywhere."""
    for _, path, operation in operations_of(document):
        assert {"400", "401", "500", "503"} <= operation["responses"].keys()
        assert {"200", "201"} & operation["responses"].keys()
        assert ("404" in operation["responses"]) == ("{" in path)
        assert ("413" in operation["responses"]) == ("requestBody" in operation)


@pytest.mark.parametrize(("document", "speech", "refusals"), SPEECHES)
def test_documented_headers_are_headers_that_may_be_sent(
    document: Document, speech: Speech, refusals: dict[str, dict[str, Any]]
) -> None:
    """No header is promised that is not on the rooms' list; the vendor's and ours are described."""
    described = {name.lower().encode() for name in document["components"]["headers"]}
    assert described <= RESPONSE_HEADERS
    assert {b"retry-after", b"www-authenticate", speech.request_id_header.encode()} <= described


@EVERY
def test_every_example_fits_its_schema(document: Document) -> None:
    """Examples of requests, answers and refusals are what the schemas describe."""
    checked = 0
    for _, _, operation in operations_of(document):
        bodies = [operation.get("requestBody", {"content": {}}), *operation["responses"].values()]
        for body in bodies:
            for content in resolved(document, body).get("content", {}).values():
                for name, example in content["examples"].items():
                    assert faults(document, content["schema"], example["value"]) == [], name
                    checked += 1
    assert checked > 30


def test_a_schema_refuses_what_it_should() -> None:
    """The check above can fail: null is nowhere in Trustly's answers, and a status is a number."""
    shown = {"$ref": "#/components/schemas/CustomerShown"}
    assert faults(TRUSTLY, shown, {"name": None})
    assert faults(TRUSTLY, shown, {"createdAt": "1555696836548"})
    assert faults(TRUSTLY, {"$ref": "#/components/schemas/Customer"}, {"name": "Joe User"})
    assert faults(TRUSTIST, {"$ref": "#/components/schemas/Customer"}, {"id": "3kTp9j2mN5xR"})


def test_a_sparse_record_fits_the_schema_of_answers() -> None:
    """A customer made through the other dialect may lack anything, and its postal code may be short."""
    shown = {"$ref": "#/components/schemas/CustomerShown"}
    sparse = {"createdAt": 0, "updatedAt": 0, "customerId": "1002580963", "address": {"zip": "M1"}}
    assert faults(TRUSTLY, shown, sparse) == []


# ── lengths are those of the gate ──


def _trustly_takes(body: dict[str, Any]) -> bool:
    masking = trustly_wire.Masking(frozenset({"taxId"}))
    return _takes(lambda: trustly_wire.revision(body, masking, Disclosure())(None))


def _trustist_takes(body: dict[str, Any]) -> bool:
    return _takes(lambda: trustist_wire.revision(body, date(2025, 1, 21))(None))


def _native_takes(body: dict[str, Any]) -> bool:
    return _takes(lambda: native_wire.revision(body, now=datetime(2026, 1, 21, tzinfo=UTC))(None))


def _takes(patch: Any) -> bool:
    try:
        patch()
    except Invalid:
        return False
    return True


_WHOLE = {"name": "A", "address": {"country": "US"}, "phone": "1", "email": "a"}
_IGNORED = {"createdAt", "updatedAt", "merchantId", "customerId"}


def test_documented_lengths_of_trustly_are_those_of_the_gate() -> None:
    """A text of the longest or shortest documented length is taken, one character past it is refused."""
    schemas = TRUSTLY["components"]["schemas"]
    checked = 0
    for name, member in schemas["Customer"]["properties"].items():
        if name not in _IGNORED and member.get("type") == "string":
            checked += _check_lengths(member, lambda text, name=name: _trustly_takes({**_WHOLE, name: text}))
    for name, member in schemas["Address"]["properties"].items():
        checked += _check_lengths(
            member,
            lambda text, name=name: _trustly_takes({**_WHOLE, "address": {"country": "US", name: text}}),
        )
    assert checked == 19


def test_documented_lengths_of_trustist_are_those_of_the_gate() -> None:
    """A text of the longest documented length is taken, one character past it is refused."""
    schemas = TRUSTIST["components"]["schemas"]
    special = {"dateOfBirth", "emailAddress", "country", "address"}  # not every text is one
    checked = 0
    for name, member in schemas["CustomerSent"]["properties"].items():
        if name not in special:
            checked += _check_lengths(member, lambda text, name=name: _trustist_takes({name: text}))
    for name, member in schemas["AddressSent"]["properties"].items():
        if name not in special:
            checked += _check_lengths(
                member, lambda text, name=name: _trustist_takes({"address": {name: text}})
            )
    assert checked == 7


def test_documented_lengths_of_our_own_are_those_of_the_gate() -> None:
    """A text of the longest or shortest documented length is taken, one character past it is refused."""
    schemas = NATIVE["components"]["schemas"]
    checked = 0
    for name, member in schemas["CustomerSent"]["properties"].items():
        if "maxLength" in member:
            checked += _check_lengths(member, lambda text, name=name: _native_takes({name: text}))
    for name, member in schemas["AddressSent"]["properties"].items():
        checked += _check_lengths(member, lambda text, name=name: _native_takes({"address": {name: text}}))
    assert checked == 24


def _check_lengths(member: dict[str, Any], takes: Any) -> int:
    most = member["maxLength"]
    assert takes("x" * most)
    assert not takes("x" * (most + 1))
    if least := member.get("minLength", 0):
        assert takes("x" * least)
        assert not takes("x" * (least - 1))
    return 1


# ── what the page is made of ──


def test_swagger_uis_files_are_those_that_were_taken() -> None:
    """Each carried file has the digest that was written down with its version."""
    folder = STATIC / "swagger-ui"
    split = (line.partition("  ") for line in (folder / "VERSION").read_text().splitlines())
    stated = {name: digest for digest, _, name in split if len(digest) == 64}
    files = (path for path in folder.iterdir() if path.name != "VERSION")
    carried = {path.name: sha256(path.read_bytes()).hexdigest() for path in files}
    assert stated == carried
    assert {"LICENSE", "NOTICE"} <= carried.keys()


def test_every_file_of_the_page_is_there() -> None:
    """A file that a page names is in the package."""
    assert [name for name, (folder, _) in ASSETS.items() if not (STATIC / folder / name).is_file()] == []
