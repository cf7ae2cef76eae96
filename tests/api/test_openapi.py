"""The document is OpenAPI 3.1, covers every route, and does not lie: real answers are held against its schemas."""

import re
from typing import Any
from urllib.parse import urlsplit

from apiflask import APIFlask
from flask.testing import FlaskClient

from tests.api.conftest import Bot, cycle
from webapp.api.errors import CODES
from webapp.queries.timeline import LISTINGS

METHODS = {"get", "post", "put"}


def references(node: Any) -> list[str]:
    """Every `$ref` in the document."""
    if isinstance(node, dict):
        own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return own + [found for value in node.values() for found in references(value)]
    return [found for value in node for found in references(value)] if isinstance(node, list) else []


def resolve(document: dict[str, Any], reference: str) -> Any:
    place: Any = document
    for part in reference.removeprefix("#/").split("/"):
        place = place[part]
    return place


def fits(document: dict[str, Any], schema: dict[str, Any], value: Any) -> bool:
    """As much of JSON Schema as the document uses."""
    if "$ref" in schema:
        return fits(document, resolve(document, schema["$ref"]), value)
    if "anyOf" in schema:
        return any(fits(document, option, value) for option in schema["anyOf"])
    if "const" in schema:
        return bool(value == schema["const"])
    if "enum" in schema:
        return value in schema["enum"]
    kinds = {
        "object": dict,
        "array": list,
        "string": str,
        "integer": int,
        "number": (int, float),
        "boolean": bool,
        "null": type(None),
    }
    allowed = schema.get("type", [])
    names = allowed if isinstance(allowed, list) else [allowed]
    if names and not any(isinstance(value, kinds[name]) for name in names):
        return False
    if isinstance(value, str) and "pattern" in schema and not re.search(schema["pattern"], value):
        return False
    if isinstance(value, list):
        return all(fits(document, schema.get("items", {}), item) for item in value)
    if isinstance(value, dict):
        return set(schema.get("required", [])) <= set(value) and all(
            fits(document, part, value[name]) for name, part in schema.get("properties", {}).items() if name in value
        )
    return True


def test_the_document_has_the_shape_of_openapi_3_1(client: FlaskClient) -> None:
    answer = client.get("/v1/openapi.json")
    document = answer.json
    assert answer.mimetype == "application/json"
    assert document["openapi"] == "3.1.0"
    assert set(document) == {"openapi", "info", "servers", "tags", "paths", "components"}
    assert {"title", "version"} <= set(document["info"])
    for reference in references(document):
        assert resolve(document, reference), reference
    names = [operation["operationId"] for path in document["paths"].values() for operation in path.values()]
    assert len(names) == len(set(names))
    tags = {tag["name"] for tag in document["tags"]}
    for path, operations in document["paths"].items():
        assert set(operations) <= METHODS
        for operation in operations.values():
            assert set(operation["tags"]) <= tags
            inside = {found["name"] for found in operation.get("parameters", []) if found["in"] == "path"}
            assert inside == set(re.findall(r"{(\w+)}", path))
            for status, response in operation["responses"].items():
                assert re.fullmatch(r"[2-5]\d\d", status)
                assert response["description"]
                assert {"X-Request-Id", "X-Paperdesk-Mode", "X-As-Of"} <= set(response["headers"])


def test_every_route_below_v1_is_described_and_nothing_else(app: APIFlask, client: FlaskClient) -> None:
    described = {
        (method.upper(), path)
        for path, methods in client.get("/v1/openapi.json").json["paths"].items()
        for method in methods
    }
    routed = {
        (method, re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/v1")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert described == routed


def test_scopes_bodies_and_errors_are_told(client: FlaskClient) -> None:
    paths = client.get("/v1/openapi.json").json["paths"]
    post = paths["/v1/trade/cycle"]["post"]
    assert post["security"] == [{"token": ["trade"]}]
    assert post["requestBody"]["required"] is True
    assert set(post["responses"]) == {*("202", "400", "401", "403", "406", "409", "413", "415", "423", "429", "503")}
    assert "Idempotent-Replayed" in post["responses"]["202"]["headers"]
    assert "WWW-Authenticate" in post["responses"]["401"]["headers"]
    told = " ".join(
        response["description"]
        for path in paths.values()
        for call in path.values()
        for response in call["responses"].values()
    )
    for code in set(CODES) - {"INTERNAL_ERROR"}:
        assert code in told
    assert paths["/v1/docs"]["get"]["security"] == []


def test_header_that_a_call_looks_at_is_told_with_the_answer_it_may_get(client: FlaskClient) -> None:
    put = client.get("/v1/openapi.json").json["paths"]["/v1/risk/policy"]["put"]
    (header,) = [found for found in put["parameters"] if found["name"] == "If-Match"]
    assert (header["in"], header["required"]) == ("header", False)
    assert "409" in put["responses"]
    assert "<code>If-Match</code>" in client.get("/v1/docs").get_data(as_text=True)


def test_every_list_tells_its_filters_and_columns(client: FlaskClient) -> None:
    document = client.get("/v1/openapi.json").json
    parameters = {found["name"] for found in document["paths"]["/v1/orders"]["get"]["parameters"]}
    assert parameters == {*LISTINGS["orders"].filters, "limit", "cursor", "X-Request-Id"}
    assert list(document["components"]["schemas"]["OrderRow"]["properties"]) == list(LISTINGS["orders"].kinds())


def test_real_answers_fit_the_schemas_they_are_described_by(bot: Bot, client: FlaskClient) -> None:
    document = client.get("/v1/openapi.json").json
    bot.quote()
    traded, blocked = cycle(), cycle(qty="50")
    made = bot.post("/trade/cycle", traded).json
    resting = bot.trade(side="sell", limit_price="104").json
    bodies = {
        "post /v1/trade/cycle": cycle(symbol="SOL-USDC") | {"symbol": "ADA"},
        "post /v1/risk/check": traded,
        "post /v1/market/ticks": {"ticks": []},
        "put /v1/risk/policy": bot.get("/risk/policy").json,
        "post /v1/kill-switch": {"enabled": True},
    }
    bot.post("/trade/cycle", blocked)
    seen = set()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if path in ("/v1/docs", "/v1/devnet/smoke-runs") and method != "get":
                continue
            order = resting["order"]["order_id"] if "cancellation" in path else made["order"]["order_id"]
            address = path.format(order_id=order, cycle_id=made["cycle_id"]).removeprefix("/v1")
            answer = bot.ask(method.upper(), address, bodies.get(f"{method} {path}"))
            content = operation["responses"][str(answer.status_code)]["content"]
            assert answer.mimetype in content
            if answer.is_json:
                assert fits(document, content["application/json"]["schema"], answer.json), (method, path, answer.json)
            seen.add(answer.status_code)
    assert seen >= {200, 400, 409}


def test_the_reference_page_needs_no_login_no_script_and_no_other_host(client: FlaskClient) -> None:
    answer = client.get("/v1/docs")
    page = answer.get_data(as_text=True)
    assert answer.status_code == 200
    for path in client.get("/v1/openapi.json").json["paths"]:
        assert f"<code>{path}</code>" in page
    assert not re.search(r"<script(?![^>]*\bsrc=)[^>]*>", page)
    assert not re.search(r"\son\w+\s*=|\sstyle\s*=", page)
    for address in re.findall(r'(?:src|href)="([^"]+)"', page):
        assert not urlsplit(address).netloc, address


def test_the_document_is_the_same_whatever_host_it_was_asked_from(client: FlaskClient) -> None:
    first = client.get("/v1/openapi.json", headers={"Host": "[::1]:81"}).data
    assert first == client.get("/v1/openapi.json").data
    assert b"::1" not in first
