"""Drives other people's SDKs and frameworks, unmodified, against `local serve --tls`.

    python tests/peers/run_all.py [NAME]...

Each gets an environment of its own, made by this command. It prints what each did: text, a stream,
a tool, structured output, and a denied key.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from peers.environments import HERE, javascript_environment, python_environment

PACKAGES = {
    "boto3": "boto3",
    "aws_cli": "awscli",
    "aws_sdk": "@aws-sdk/client-bedrock-runtime",
    "ai_sdk": "@ai-sdk/amazon-bedrock",
    "openai": "openai",
    "anthropic": "anthropic",
    "aiobotocore": "aiobotocore",
    "langchain": "langchain-aws",
    "pydantic_ai": "pydantic-ai-slim",
    "litellm": "litellm",
    "strands": "strands-agents",
}
"""Every peer, and the package that it is about."""

LIGHT = ("boto3", "aws_cli", "aws_sdk", "ai_sdk", "openai", "anthropic")
"""Those that CI runs."""

JAVASCRIPT = ("aws_sdk", "ai_sdk")
FEATURES = ("text", "stream", "tool", "structured", "denied")
TEXT = "Hello! How can I help you today?"
SECONDS = 120


@contextmanager
def serving() -> Iterator[dict[str, str]]:
    """Run `local serve --tls`, which denies short-term keys; yield the variables it prints."""
    arguments = ["--tls", "--deny", "SHORT_TERM", "--script", str(HERE / "script.json")]
    command = [sys.executable, "-m", "bedrock_bearer", "local", "serve", *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        variables: dict[str, str] = {}
        for line in server.stdout or ():
            name, _, value = line.removeprefix("export ").strip().partition("=")
            variables[name] = value
            if name == "AWS_BEARER_TOKEN_BEDROCK":
                break
        try:
            yield variables
        finally:
            server.terminate()


def drive(name: str, variables: dict[str, str]) -> dict[str, Any]:
    """Run a peer's program and return what it read; a `version` is added."""
    if name in JAVASCRIPT:
        folder = javascript_environment()
        program = folder / f"{name}_program.mjs"
        shutil.copy(HERE / "programs" / program.name, program)
        command = ["node", str(program)]
        package = json.loads(
            (folder / "node_modules" / PACKAGES[name] / "package.json").read_text()
        )
        version = package["version"]
    else:
        python = str(python_environment(name) / "python")
        command = [python, str(HERE / "programs" / f"{name}_program.py")]
        question = f"import importlib.metadata as m; print(m.version({PACKAGES[name]!r}))"
        version = subprocess.check_output([python, "-c", question], text=True).strip()
    environment = {n: v for n, v in os.environ.items() if n not in ("PYTHONPATH", "AWS_PROFILE")}
    done = subprocess.run(
        command, env=environment | variables, capture_output=True, text=True, timeout=SECONDS
    )
    if done.returncode:
        raise RuntimeError(f"{name}: {done.stderr[-2000:]}")
    read: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return read | {"version": version}


def judge(name: str, read: dict[str, Any]) -> dict[str, str]:
    """Return `yes`, `no`, or `-` for what the peer cannot do, by feature."""
    good = {
        "text": read["text"] == TEXT,
        "stream": read["stream"] == TEXT,
        "tool": read["tool"]["name"] == "weather" and "city" in read["tool"]["input"],
        "structured": set(read["structured"]) == {"city"},
        "denied": "bedrock:CallWithBearerToken" in read["denied"],
    }
    verdict = {feature: "yes" if good[feature] else "no" for feature in FEATURES}
    # The AWS CLI has no command for ConverseStream.
    return verdict | {"stream": "-"} if name == "aws_cli" else verdict


def main(names: list[str]) -> int:
    """Drive the peers named, or all, and print a table."""
    failed = 0
    print("| package | version |", " | ".join(FEATURES), "|")
    print("|---" * (len(FEATURES) + 2) + "|")
    with serving() as variables:
        for name in names or PACKAGES:
            try:
                read = drive(name, variables)
                verdict = judge(name, read)
            except (RuntimeError, subprocess.SubprocessError) as error:
                print(f"| {PACKAGES[name]} | failed: {error} |")
                failed += 1
                continue
            failed += "no" in verdict.values()
            print(f"| {PACKAGES[name]} | {read['version']} |", " | ".join(verdict.values()), "|")
            sys.stdout.flush()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
