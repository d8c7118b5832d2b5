"""A first call builds and imports only what it uses."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from bedrock_bearer import converse

LOADED = """
import json, sys
prefix = "bedrock_bearer.converse."
modules = sorted(name.removeprefix(prefix) for name in sys.modules if name.startswith(prefix))
"""
CALL = """
from bedrock_bearer.converse import ConverseRequest, ConverseResponse
ConverseRequest.build("model", "Hi", max_tokens=5).to_wire()
reply = ConverseResponse.model_validate({
    "output": {"message": {"role": "assistant", "content": [{"text": "Hi"}]}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 1},
})
reply.text
"""
BUILT = """
from bedrock_bearer.converse import ImageBlock, ToolUseBlock
built = [model.__name__ for model in (ImageBlock, ToolUseBlock) if model.__pydantic_complete__]
print(json.dumps({"modules": modules, "built": built}))
"""


def after_a_first_call() -> Any:
    run = subprocess.run(
        [sys.executable, "-c", CALL + LOADED + BUILT], capture_output=True, text=True, check=True
    )
    return json.loads(run.stdout)


def test_a_first_call_imports_and_builds_only_what_it_uses() -> None:
    assert after_a_first_call() == {
        "modules": ["base", "content", "inference", "message", "options", "request", "response"],
        "built": [],
    }


@pytest.mark.parametrize(
    ("name", "modules"),
    [
        ("WireModel", ["base"]),
        ("Message", ["base", "content", "message"]),
    ],
)
def test_a_name_that_most_calls_use_imports_little(name: str, modules: list[str]) -> None:
    script = f"from bedrock_bearer.converse import {name}\n{LOADED}\nprint(json.dumps(modules))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert json.loads(run.stdout) == modules


def test_many_threads_may_use_a_model_for_the_first_time_at_once() -> None:
    run = subprocess.run(
        [sys.executable, "-c", THREADS.format(body=json.dumps(CALL))],
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == "[]"


THREADS = """
import sys, threading
sys.setswitchinterval(1e-6)
barrier, problems = threading.Barrier(16), []
def work():
    barrier.wait()
    try:
        exec({body}, {{}})
    except BaseException as error:
        problems.append(repr(error))
threads = [threading.Thread(target=work) for _ in range(16)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(problems)
"""


def test_every_public_name_exists_and_is_listed_in_order() -> None:
    names: list[str] = getattr(converse, "__all__")  # noqa: B009
    assert len(names) > 200
    assert names == sorted(set(names))
    assert all(getattr(converse, name) is not None for name in names)
    assert set(names) <= set(dir(converse))


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Hologram'"):
        getattr(converse, "Hologram")  # noqa: B009
