"""JSON Schemas of the rooms' wire structs, and what has to be said beyond what ``msgspec`` can express.

It must never know a vendor: which structs there are, and under which names, is each document's own matter.
"""

from collections.abc import Iterable, Mapping
from copy import deepcopy
from functools import reduce
from operator import or_
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec
from msgspec import UnsetType

Schema = dict[str, Any]

REF = "#/components/schemas/"


def schemas_of(structs: Mapping[str, type[msgspec.Struct]]) -> dict[str, Schema]:
    """Return one schema a struct, each under the name given here and titled with it.

    A struct that another one uses must be given too: every schema has a name that we chose. An enumeration
    that one uses comes under its own.
    """
    clones: dict[type, type] = {}
    named = {
        name: _clone(struct, clones, {known: other for other, known in structs.items()})
        for name, struct in structs.items()
    }
    _, components = msgspec.json.schema_components(list(named.values()), ref_template=REF + "{name}")
    others = {name: schema for name, schema in components.items() if name not in structs}
    unnamed = sorted(name for name, schema in others.items() if "enum" not in schema)
    if unnamed:
        raise LookupError(f"structs without a name: {unnamed}")
    return {name: _tidied(components[name]) | {"title": name} for name in (*structs, *others)}


def _clone(struct: Any, clones: dict[type, type], names: Mapping[type, str]) -> Any:
    """Return the struct with annotations that msgspec can describe, under its name in the document.

    msgspec takes a length only on a bare ``str``, and no ``object``. The wire structs, which are written and
    never read, put lengths on ``str | None``; here they move inside the union. And where a struct leaves out
    members that have their default, a None is never written, so null is no type of theirs.
    """
    if struct not in clones:
        fields: list[Any] = []
        for field in msgspec.structs.fields(struct):
            kind = _inward(field.type, clones, names)
            if struct.__struct_config__.omit_defaults and field.default is None:
                kind = reduce(or_, (one for one in get_args(kind) if one is not type(None)))
            fields.append((field.name, kind) if field.required else (field.name, kind, msgspec.UNSET))
        clones[struct] = msgspec.defstruct(
            names.get(struct, struct.__name__),
            fields,
            namespace={"__doc__": struct.__doc__},
            kw_only=True,
            rename={one.name: one.encode_name for one in msgspec.structs.fields(struct)},
        )
    return clones[struct]


def _inward(annotation: Any, clones: dict[type, type], names: Mapping[type, str]) -> Any:
    if annotation is object:
        return Any  # what msgspec calls any value
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        inner, *notes = arguments
        if get_origin(inner) not in (Union, UnionType):
            return Annotated[(_inward(inner, clones, names), *notes)]
        values = [one for one in get_args(inner) if one not in (UnsetType, type(None))]
        absent = [one for one in get_args(inner) if one in (UnsetType, type(None))]
        described = [Annotated[(_inward(value, clones, names), *notes)] for value in values]
        return Union[(*described, *absent)]
    if origin in (Union, UnionType):
        return Union[tuple(_inward(one, clones, names) for one in arguments)]  # noqa: UP007 -- the members are only known here
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return _clone(annotation, clones, names)
    if origin is not None:
        return origin[tuple(_inward(one, clones, names) for one in arguments)]
    return annotation


def _tidied(schema: Schema) -> Schema:
    """Return the schema with ``type: [x, null]`` for ``anyOf`` x and null, which tools show better."""
    properties = {name: _flattened(one) for name, one in schema.get("properties", {}).items()}
    tidy = {**schema, "properties": properties}
    if not tidy.get("required"):
        tidy.pop("required", None)
    return tidy


def _flattened(schema: Schema) -> Schema:
    choices = schema.get("anyOf", [])
    values = [one for one in choices if one != {"type": "null"}]
    if len(values) == 1 and len(choices) == 2 and "type" in values[0]:
        rest = {name: value for name, value in schema.items() if name not in ("anyOf", "default")}
        return {**values[0], **rest, "type": [values[0]["type"], "null"]}
    return {name: value for name, value in schema.items() if name != "default"}


def ref(name: str) -> Schema:
    """Return a reference to a schema of the document."""
    return {"$ref": REF + name}


def amended(schema: Schema, changes: Mapping[str, Mapping[str, Any]]) -> Schema:
    """Return the schema with keywords added to its properties; a property that is not there is an error."""
    after = deepcopy(schema)
    for name, keywords in changes.items():
        after["properties"][name] = {**after["properties"][name], **keywords}
    return after


def swapped(schema: Schema, references: Mapping[str, str]) -> Schema:
    """Return the schema with properties that refer to other schemas; what is said of them stays."""
    after = deepcopy(schema)
    for name, target in references.items():
        said = {key: one for key, one in after["properties"][name].items() if key == "description"}
        after["properties"][name] = {**ref(target), **said}
    return after


def nullable(schema: Schema, *, but: Iterable[str] = ()) -> Schema:
    """Return the schema with nothing required, and null allowed for every property ``but`` some."""
    after = deepcopy(schema)
    after.pop("required", None)
    for name, one in after["properties"].items():
        if name in but:
            continue
        if "$ref" in one:
            said = {key: text for key, text in one.items() if key != "$ref"}
            after["properties"][name] = {"anyOf": [{"$ref": one["$ref"]}, {"type": "null"}], **said}
        else:
            types = one["type"] if isinstance(one["type"], list) else [one["type"]]
            one["type"] = [*types, "null"]
    return after


def unbounded(schema: Schema) -> Schema:
    """Return the schema without lengths: what was sent through another dialect is under other bounds."""
    after = deepcopy(schema)
    for one in after["properties"].values():
        one.pop("minLength", None)
        one.pop("maxLength", None)
    return after
