"""The OpenAPI document shaped for people: what the reference page prints, call by call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Document = Mapping[str, Any]


@dataclass(frozen=True)
class Item:
    """One field, parameter or header."""

    name: str
    type: str
    required: bool
    text: str


@dataclass(frozen=True)
class Operation:
    """One call."""

    method: str
    path: str
    anchor: str
    summary: str
    text: str
    parameters: list[Item]
    body: str | None
    answers: list[tuple[str, str, str]]
    """Status, what it means, and the name of the schema of its content (or nothing)."""


@dataclass(frozen=True)
class Group:
    """The calls of one tag."""

    name: str
    text: str
    operations: list[Operation]


@dataclass(frozen=True)
class Schema:
    """One object that is sent or answered."""

    name: str
    text: str
    fields: list[Item]


def groups(document: Document) -> list[Group]:
    """Every call, by tag."""
    found: dict[str, list[Operation]] = {tag["name"]: [] for tag in document["tags"]}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            found[operation["tags"][0]].append(_operation(method.upper(), path, operation))
    return [Group(tag["name"], tag["description"], found[tag["name"]]) for tag in document["tags"]]


def schemas(document: Document) -> list[Schema]:
    """Every object, by name."""
    found = document["components"]["schemas"]
    return [Schema(name, schema.get("description", ""), list(_fields(schema))) for name, schema in found.items()]


def _operation(method: str, path: str, operation: Document) -> Operation:
    body = operation.get("requestBody")
    return Operation(
        method=method,
        path=path,
        anchor=operation["operationId"],
        summary=operation["summary"],
        text=operation["description"],
        parameters=[
            Item(given["name"], _type(given["schema"]), given["required"], given.get("description", ""))
            for given in operation.get("parameters", ())
            if given["name"] != "X-Request-Id"
        ],
        body=_type(next(iter(body["content"].values()))["schema"]) if body else None,
        answers=[
            (status, response["description"], _content(response)) for status, response in operation["responses"].items()
        ],
    )


def _content(response: Document) -> str:
    content = next(iter(response.get("content", {}).values()), None)
    return _type(content["schema"]) if content else ""


def _fields(schema: Document) -> Iterator[Item]:
    required = schema.get("required", ())
    for name, field in schema.get("properties", {}).items():
        yield Item(name, _type(field), name in required, field.get("description", ""))


def _type(schema: Document) -> str:
    """A schema in a few words."""
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[-1]
    for key, joint in (("anyOf", " or "), ("enum", " | ")):
        if key in schema:
            return joint.join(
                dict.fromkeys(_type(option) if key == "anyOf" else f'"{option}"' for option in schema[key])
            )
    if "const" in schema:
        return f'"{schema["const"]}"'
    return _plain_type(schema)


def _plain_type(schema: Document) -> str:
    kind = schema.get("type", "any")
    if kind == "array":
        return f"list of {_type(schema.get('items', {}))}"
    if "items" in schema.get("properties", {}):
        return f"{{items: {_type(schema['properties']['items'])}, next_cursor}}"
    known = {"uuid": "UUID", "date-time": "time"}
    return " or ".join(kind) if isinstance(kind, list) else known.get(schema.get("format", ""), str(kind))
