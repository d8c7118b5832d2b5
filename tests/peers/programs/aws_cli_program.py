"""Calls Bedrock with the AWS CLI, which has no ConverseStream, and prints what it read, as JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

MODEL = "us.anthropic.claude-sonnet-4-6"
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
MESSAGES = [{"role": "user", "content": [{"text": "Hello"}]}]
TOOL = {"toolSpec": {"name": "weather", "inputSchema": {"json": SCHEMA}}}
TOOLS = {"tools": [TOOL], "toolChoice": {"any": {}}}
STRUCTURE = {"jsonSchema": {"name": "city", "schema": json.dumps(SCHEMA)}}
OUTPUT = {"textFormat": {"type": "json_schema", "structure": STRUCTURE}}
AWS = Path(sys.executable).with_name("aws")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(AWS), "bedrock-runtime", "converse", "--model-id", MODEL]
    command += ["--messages", json.dumps(MESSAGES), "--output", "json", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def block(*arguments: str) -> Any:
    done = run(*arguments)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout)["output"]["message"]["content"][0]


def main() -> dict[str, Any]:
    use = block("--tool-config", json.dumps(TOOLS))["toolUse"]
    structured = json.loads(block("--output-config", json.dumps(OUTPUT))["text"])
    text = block()["text"]
    os.environ["AWS_BEARER_TOKEN_BEDROCK"] = os.environ["SHORT_TERM_KEY"]
    return {
        "text": text,
        "stream": None,
        "tool": {"name": use["name"], "input": use["input"]},
        "structured": structured,
        "denied": run().stderr,
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main()))
