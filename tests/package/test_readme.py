"""Every block of the README runs as pasted, in order, on the local Bedrock."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

import pytest
from support.clients import ENVIRONMENT
from support.documents import NOT_RUN, Block, Session, blocks

from bedrock_bearer.facts import FALLBACK_VARIABLE
from bedrock_bearer.local import LocalBedrock
from bedrock_bearer.local.replies import tool_use_reply
from bedrock_bearer.local.server import LocalServer

README = Path(__file__).resolve().parents[2] / "README.md"


def variables_for(server: LocalServer, bedrock: LocalBedrock, folder: Path) -> dict[str, str]:
    """What a reader has set, with the local Bedrock in AWS's place."""
    kept = {name: value for name, value in os.environ.items() if name not in ENVIRONMENT}
    kept.pop(FALLBACK_VARIABLE, None)
    access_key_id, secret = bedrock.create_access_key("administrator")
    return kept | {
        "AWS_ENDPOINT_URL": server.url,
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": access_key_id,
        "AWS_SECRET_ACCESS_KEY": secret,
        "XDG_STATE_HOME": str(folder / "state"),
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


def make_environment(folder: Path) -> None:
    """Stand in for the environment that the README's first command makes: the tests' own."""
    binaries = folder / ".venv/bin"
    binaries.mkdir(parents=True)
    (binaries / "bedrock-bearer").symlink_to(Path(sys.executable).with_name("bedrock-bearer"))
    (binaries / "activate").write_text(f'export PATH="{binaries}:$PATH"\n')
    for store in ("aws", "kubectl", "vault", "pip"):
        # They take what they are given, and say so.
        (binaries / store).write_text(f'#!/bin/sh\necho "$@" >> {folder}/{store}.calls\ncat\n')
        (binaries / store).chmod(0o755)


def scheduled(path: Path) -> list[str]:
    """Return the scripts of the jobs that the YAML blocks describe."""
    scripts = []
    for block in blocks(path):
        if block.language != "yaml":
            continue
        # The package has no type hints.
        document = importlib.import_module("yaml").safe_load(block.text)
        if document.get("kind") == "CronJob":
            pod = document["spec"]["jobTemplate"]["spec"]["template"]["spec"]
            scripts += [container["args"][0] for container in pod["containers"]]
        else:
            steps = [step for job in document["jobs"].values() for step in job["steps"]]
            scripts += [step["run"] for step in steps if "run" in step]
    return scripts


def test_every_block_runs_in_order(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    make_environment(tmp_path)
    bedrock = LocalBedrock()
    bedrock.answer(
        "Do I need an umbrella in Bonn?", tool_use_reply("get_weather", {"city": "Bonn"})
    )
    ran: list[Block] = []
    with (
        LocalServer(bedrock) as server,
        Session(
            tmp_path, variables_for(server, bedrock, tmp_path), bedrock.mint_key("LONG_TERM")
        ) as session,
    ):
        for block in blocks(README):
            if block.runs:
                session.run(block, README)
                ran.append(block)

        for script in scheduled(README):
            session.run(Block("sh", script, 1, ""), README)

    assert len(ran) >= 15
    assert len((tmp_path / "aws.calls").read_text().splitlines()) == 2
    assert len((tmp_path / "kubectl.calls").read_text().splitlines()) == 2
    output = capfd.readouterr().out
    assert "Certainty: inferred" in output
    assert "The tool answered: 12 degrees in Bonn, light rain" in output
    assert "LONG_TERM" in output
    assert "Certainty: confirmed, AWS itself named the statement." in output
    assert output.count("<ServiceCredentialSecret>") == 2
    assert output.count("<Code>AccessDenied</Code>") == 1


def test_only_the_two_installations_are_left_to_others() -> None:
    left = [block for block in blocks(README) if block.above.startswith(NOT_RUN)]

    assert len(left) == 2
    assert all("python3 -m venv .venv && .venv/bin/pip install" in block.text for block in left)


def test_the_other_blocks_are_json_or_yaml() -> None:
    languages = {block.language for block in blocks(README) if not block.runs}

    assert languages <= {"sh", "json", "yaml"}
