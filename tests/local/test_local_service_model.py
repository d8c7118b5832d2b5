"""The local Bedrock refuses what AWS's service model forbids, and nothing that AWS answered."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import botocore
import pytest
from support.breaches import breaches, valid
from support.extract import FILE, extract
from support.local import NOVA, converse_request
from support.service_model import COMPARED_WITH
from support.shared import needs_shared
from support.traffic import Exchange, exchanges

from bedrock_bearer.local import Guardrail, LocalBedrock
from bedrock_bearer.local.constraints import checked
from bedrock_bearer.local.http import LocalRequest, LocalResponse
from bedrock_bearer.local.service_errors import ServiceError

VISION = "us.anthropic.claude-sonnet-4-6"
GUARDRAIL = {"guardrailIdentifier": "a", "guardrailVersion": "1"}

BEDROCK = LocalBedrock()
BEDROCK.add_guardrail(Guardrail("a", blocked_words=("secret",)))
HEADERS = {"authorization": f"Bearer {BEDROCK.mint_key()}"}


def post(path: str, body: Any) -> LocalResponse:
    request = LocalRequest("POST", path, "", "localhost", HEADERS, json.dumps(body).encode())
    return BEDROCK.handle(request)


def model_path(model: str, verb: str) -> str:
    return f"/model/{quote(model, safe='')}/{verb}"


def send(operation: str, document: dict[str, Any]) -> LocalResponse:
    """Send a document of an operation's request shape; some of its members stand in the path."""
    body = dict(document)
    if operation == "ApplyGuardrail":
        named = {name: quote(str(body.pop(name)), safe="") for name in GUARDRAIL}
        path = "/guardrail/{guardrailIdentifier}/version/{guardrailVersion}/apply"
        return post(path.format_map(named), body)
    model = body.pop("modelId")
    model = NOVA if model == valid("ConversationalModelId") else model
    verbs = {"Converse": "converse", "ConverseStream": "converse-stream"}
    return post(model_path(str(model), verbs.get(operation, "count-tokens")), body)


BASES: dict[str, dict[str, Any]] = {
    "Converse": {"modelId": NOVA, **converse_request("Hello")},
    "ConverseStream": {"modelId": NOVA, **converse_request("Hello")},
    "CountTokens": {},
    "ApplyGuardrail": {},
}
"""What a request needs beside the members that the model requires."""


@pytest.mark.skipif(
    botocore.__version__ != ".".join(map(str, COMPARED_WITH)),
    reason="another botocore; python tests/support/extract.py brings the extract up to date",
)
def test_the_models_extract_is_that_of_the_installed_botocore() -> None:
    assert json.loads(FILE.read_text()) == json.loads(extract())


@pytest.mark.parametrize("operation", BASES)
def test_the_smallest_document_of_each_request_fits_the_model(operation: str) -> None:
    shape = f"{operation}Request"

    assert checked(shape, valid(shape)) == valid(shape)
    assert send(operation, BASES[operation] | valid(shape)).status == 200


@pytest.mark.parametrize("operation", BASES)
def test_each_breach_of_the_model_is_refused(operation: str) -> None:
    accepted = []
    count = 0
    for what, document in breaches(f"{operation}Request"):
        if not isinstance(document, dict):
            continue
        # Other rules may refuse it too: the model's own check has to.
        with pytest.raises(ServiceError, match="ValidationException"):
            checked(f"{operation}Request", {"modelId": NOVA} | document)
        response = send(operation, BASES[operation] | document)
        count += 1
        code = response.headers.get("x-amzn-ErrorType", "").partition(":")[0]
        if (response.status, code) != (400, "ValidationException"):
            accepted.append((what, response.status, response.body[:200]))

    assert accepted == []
    assert count > 10


@pytest.mark.parametrize(
    ("members", "sentence"),
    [
        (
            {"inferenceConfig": {"temperature": 2}},
            "1 validation error detected: Value '2' at 'inferenceConfig.temperature' failed to"
            " satisfy constraint: Member must have value less than or equal to 1",
        ),
        (
            {"toolConfig": {"tools": [{"toolSpec": {"name": "", "inputSchema": {"json": {}}}}]}},
            "2 validation errors detected: Value '' at 'toolConfig.tools.1.member.toolSpec.name'"
            " failed to satisfy constraint: Member must satisfy regular expression pattern:"
            " [a-zA-Z0-9_-]+; Value '' at 'toolConfig.tools.1.member.toolSpec.name' failed to"
            " satisfy constraint: Member must have length greater than or equal to 1",
        ),
        (
            {"messages": [{"role": "robot", "content": [{"text": "Hi"}]}]},
            "1 validation error detected: Value 'robot' at 'messages.1.member.role' failed to"
            " satisfy constraint: Member must satisfy enum value set: [user, assistant, system]",
        ),
        (
            {"messages": [{"role": "user", "content": [{"text": 3}]}]},
            "Malformed input request: #/messages/0/content/0/text: expected type: String, found:"
            " Integer, please reformat your input and try again.",
        ),
    ],
)
def test_a_breach_is_told_in_the_words_of_aws(members: dict[str, Any], sentence: str) -> None:
    response = send("Converse", BASES["Converse"] | members)

    assert json.loads(response.body) == {"message": sentence}


@pytest.mark.parametrize(
    "members",
    [
        {"top_k": 3},
        {"messages": [{"role": "user", "content": [{"text": "Hi", "unheardOf": 1}], "x": 1}]},
        {"inferenceConfig": {"maxTokens": None, "topK": 3}},
    ],
    ids=["at the top", "in a block", "in a structure"],
)
def test_members_that_the_model_does_not_know_are_accepted(members: dict[str, Any]) -> None:
    assert send("Converse", BASES["Converse"] | members).status == 200


@pytest.mark.parametrize(
    "members",
    [
        {"additionalModelRequestFields": 3},
        {"toolConfig": {"tools": [{"toolSpec": {"name": "a", "inputSchema": {"json": "x"}}}]}},
    ],
    ids=["additional fields", "a tool's schema"],
)
def test_json_that_has_to_be_an_object_is_refused_where_it_is_counted_too(
    members: dict[str, Any],
) -> None:
    request = {"modelId": NOVA, "input": {"converse": converse_request("Hi") | members}}

    assert send("CountTokens", request).status == 400


def test_a_request_is_checked_before_its_guardrail_is_looked_for() -> None:
    response = post("/guardrail/none/version/1/apply", {"source": "x", "content": []})

    assert "'source'" in json.loads(response.body)["message"]


@needs_shared
@pytest.mark.parametrize(
    "exchange",
    [
        e
        for e in exchanges("converse", "converse-stream")
        if e.has_request and e.row["status"] == 200
    ],
    ids=lambda exchange: str(exchange.name),
)
def test_no_request_that_aws_answered_is_refused(exchange: Exchange) -> None:
    request = exchange.request()
    # The guardrails of the recordings do not exist here.
    request.pop("guardrailConfig", None)

    assert post(model_path(VISION, exchange.kind), request).status == 200
