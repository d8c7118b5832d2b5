"""Public policies that govern keys: what they decide, and what is wrong with them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.shared import SHARED, needs_shared

from bedrock_bearer.access.linting import lint
from bedrock_bearer.access.policy_set import PolicySet
from bedrock_bearer.access.questions import Question, ask, creation_of_key, use_of_key

FOLDER = SHARED / "data" / "policies"
EXPECTED: dict[str, Any] = (
    json.loads((FOLDER / "expected.json").read_text())["documents"] if FOLDER.exists() else {}
)
LAYERS = {
    "identity": ("identity-based policy", "identity"),
    "scp": ("service control policy", "service_control"),
    "vpc-endpoint": ("VPC endpoint policy", "vpc_endpoint"),
}
ALLOW_ALL = {"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}


def question(text: str) -> Question:
    if text.startswith("create"):
        return creation_of_key(None if "never" in text else int(text.split()[1]))
    service, token_type = text.split()
    return use_of_key(token_type, mantle=service == "mantle")


CASES = [
    (name, mode, asked)
    for name, row in EXPECTED.items()
    for mode in ("files", "complete")
    for asked in row[mode]
]


@needs_shared
@pytest.mark.parametrize(("name", "mode", "asked"), CASES)
def test_a_public_policy_decides_as_a_reader_does(name: str, mode: str, asked: str) -> None:
    row = EXPECTED[name]
    layers: dict[str, Any] = {LAYERS[row["type"]][1]: [(FOLDER / name).read_text()]}
    if mode == "complete" and row["type"] != "identity":
        layers["identity"] = [ALLOW_ALL]

    answer = ask(PolicySet(**layers), question(asked), complete=mode == "complete")

    expected = row[mode][asked]
    assert answer.outcome in (expected if isinstance(expected, list) else [expected])
    if answer.outcome == "undecided" and asked in row.get("depends_on", {}):
        assert list(answer.decision.depends_on) == row["depends_on"][asked]


@needs_shared
@pytest.mark.parametrize("name", list(EXPECTED))
def test_all_that_is_wrong_with_a_public_policy_is_found_and_no_more(name: str) -> None:
    row = EXPECTED[name]

    found = {
        one.id: one.statement for one in lint((FOLDER / name).read_text(), LAYERS[row["type"]][0])
    }

    assert set(row["must"]) <= set(found) <= {*row["must"], *row["may"]}
    assert all(at in (None, found[kind]) for kind, at in row["must"].items())
