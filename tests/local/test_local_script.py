"""Scripts of replies in a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.local import Caller

from bedrock_bearer.local import LocalBedrock
from bedrock_bearer.local.script import load_script


def scripted(tmp_path: Path, items: Any) -> Caller:
    path = tmp_path / "script.json"
    path.write_text(json.dumps(items))
    bedrock = LocalBedrock()
    load_script(path, bedrock)
    return Caller(bedrock, bedrock.mint_key())


def content(caller: Caller, prompt: str = "x") -> Any:
    return caller.converse(prompt).json()["output"]["message"]["content"]


def test_items_are_answered_in_turn(tmp_path: Path) -> None:
    use = {"name": "weather", "input": {"city": "Bonn"}, "toolUseId": "t1"}
    caller = scripted(tmp_path, [{"toolUse": use}, {"reasoning": "Hm.", "text": "Sunny."}])

    first, second = caller.converse().json(), content(caller)

    assert first["stopReason"] == "tool_use"
    assert first["output"]["message"]["content"] == [{"toolUse": use}]
    assert [list(block) for block in second] == [["reasoningContent"], ["text"]]


def test_a_prompt_is_answered_every_time(tmp_path: Path) -> None:
    usage = {"inputTokens": 8, "outputTokens": 21, "totalTokens": 29}
    caller = scripted(tmp_path, [{"prompt": "Hello", "text": "Hi!", "usage": usage}])

    replies = [caller.converse("Hello").json() for _ in range(2)]

    assert [reply["usage"] for reply in replies] == [usage, usage]


def test_content_is_taken_as_it_is(tmp_path: Path) -> None:
    caller = scripted(tmp_path, [{"content": [{"text": "a"}, {"text": "b"}]}])

    assert content(caller) == [{"text": "a"}, {"text": "b"}]


def test_errors_and_faults_are_items_too(tmp_path: Path) -> None:
    caller = scripted(tmp_path, [{"error": "ThrottlingException"}, {"fault": "gateway-page"}])

    assert [caller.converse().status_code for _ in range(3)] == [429, 502, 200]


@pytest.mark.parametrize(
    ("items", "problem"),
    [
        ({"text": "Hi"}, "a script is a JSON list"),
        (["Hi"], "item 1: not a JSON object"),
        ([{"text": "Hi"}, {"txet": "Hi"}], "item 2: unknown members txet"),
        ([{"fault": "none"}], "item 1: needs one of text, toolUse, content, error or fault"),
        ([{}], "item 1: needs one of"),
    ],
)
def test_a_wrong_item_is_named(tmp_path: Path, items: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        scripted(tmp_path, items)
