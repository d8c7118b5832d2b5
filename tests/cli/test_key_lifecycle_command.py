"""`bedrock-bearer key create|list|rotate|retire|orphans`, with boto3, on the local Bedrock."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from support.local import statement

from bedrock_bearer import ApiKey
from bedrock_bearer.cli import cli
from bedrock_bearer.local import LocalBedrock
from bedrock_bearer.local.server import LocalServer

Run = Callable[..., Result]


@pytest.fixture
def bedrock() -> LocalBedrock:
    return LocalBedrock()


@pytest.fixture
def run(bedrock: LocalBedrock, tmp_path: Path) -> Iterator[Run]:
    """Runs `bedrock-bearer key` as somebody who may do what these policies say."""
    allow: dict[str, Any] = statement("Allow", "*")
    bedrock.mint_key("LONG_TERM", user_name="admin", policies=[allow])
    access_key_id, secret = bedrock.create_access_key("admin")
    with LocalServer(bedrock) as server:
        environment = {
            "AWS_ENDPOINT_URL": server.url,
            "AWS_ACCESS_KEY_ID": access_key_id,
            "AWS_SECRET_ACCESS_KEY": secret,
            "AWS_REGION": "us-east-1",
            "AWS_CONFIG_FILE": str(tmp_path / "none"),
            "AWS_MAX_ATTEMPTS": "1",
            "XDG_STATE_HOME": str(tmp_path / "state"),
        }

        def run(*arguments: object) -> Result:
            words = [str(argument) for argument in arguments]
            return CliRunner().invoke(cli, ["key", *words], env=environment)

        run.environment = environment  # type: ignore[attr-defined]
        yield run


@pytest.fixture
def old(bedrock: LocalBedrock) -> str:
    """The key of the user `app`."""
    return bedrock.mint_key("LONG_TERM", user_name="app")


def listed(run: Run, user: str) -> list[dict[str, Any]]:
    keys: list[dict[str, Any]] = json.loads(run("list", user, "--json").stdout)["keys"]
    return keys


def test_a_key_goes_into_a_file_and_is_not_shown(run: Run, old: str, tmp_path: Path) -> None:
    result = run("create", "app", "--days", 30, "--out", tmp_path / "key")
    assert result.exit_code == 0, result.output
    secret = (tmp_path / "key").read_text().strip()

    assert result.exit_code == 0, result.output
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    assert secret.startswith("ABSK")
    assert secret not in result.output
    assert "expires 20" in result.stderr


def test_a_key_is_printed_on_request_alone_on_standard_output(run: Run, old: str) -> None:
    result = run("create", "app", "--stdout")

    assert result.stdout.startswith("ABSK")
    assert len(result.stdout.splitlines()) == 1


def test_the_document_holds_the_secret_on_request_only(run: Run, old: str, tmp_path: Path) -> None:
    written = run("create", "app", "--out", tmp_path / "key", "--json")
    run("retire", "app", json.loads(written.stdout)["new"]["credential_id"])
    run("retire", "app", json.loads(written.stdout)["new"]["credential_id"], "--delete")
    printed = run("create", "app", "--stdout", "--json")

    assert "secret" not in json.loads(written.stdout)
    assert json.loads(printed.stdout)["secret"].startswith("ABSK")


@pytest.mark.parametrize("options", [[], ["--stdout", "--out", "key"]])
def test_a_key_without_one_place_to_go_is_not_made(run: Run, old: str, options: list[str]) -> None:
    result = run("create", "app", *options)

    assert result.exit_code == 2
    assert "--out FILE or --stdout" in result.stderr
    assert len(listed(run, "app")) == 1


def test_a_file_that_exists_is_found_before_a_key_is_made(
    run: Run, old: str, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text("mine")
    result = run("create", "app", "--out", tmp_path / "key")

    assert result.exit_code == 3
    assert len(listed(run, "app")) == 1


def test_a_new_user_is_made_with_its_key(run: Run) -> None:
    result = run("create", "--new-user", "--stdout", "--json")

    assert json.loads(result.stdout)["new"]["user_name"].startswith("BedrockAPIKey-")


def test_a_refused_creation_names_the_condition_and_exits_with_4(
    run: Run, bedrock: LocalBedrock, old: str
) -> None:
    bedrock.attach_policy("admin", statement("Deny", "iam:CreateServiceSpecificCredential"))
    result = run("create", "app", "--days", 365, "--stdout", "--json")
    document = json.loads(result.stdout)

    assert result.exit_code == document["exit_code"] == 4
    assert document["error"]["condition_key"] == "iam:ServiceSpecificCredentialAgeDays"
    assert document["error"]["condition_value"] == "365"


def test_a_third_key_is_refused_with_6(run: Run, old: str) -> None:
    run("create", "app", "--stdout")
    result = run("create", "app", "--stdout")

    assert result.exit_code == 6
    assert "two keys" in result.stderr


def test_the_list_tells_status_age_and_end(run: Run, bedrock: LocalBedrock, old: str) -> None:
    bedrock.mint_key("LONG_TERM", user_name="app", expires_in=timedelta(days=-1))
    text = run("list", "app").stdout
    lines = text.splitlines()

    assert len(lines) == 3
    assert lines[0].split()[:4] == ["USER", "ID", "FINGERPRINT", "STATUS"]
    assert "never expires" in text
    assert "expired" in text


def test_a_rotation_replaces_the_file_and_leaves_both_keys_active(
    run: Run, old: str, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text(old)
    (before,) = listed(run, "app")
    result = run("rotate", "app", "--out", tmp_path / "key")

    assert result.exit_code == 0, result.output
    assert (tmp_path / "key").read_text().strip() != old
    assert [key["status"] for key in listed(run, "app")] == ["Active", "Active"]
    assert f"bedrock-bearer key retire app {before['credential_id']}" in result.stderr


def test_a_rotation_retires_the_old_key_on_request(run: Run, old: str, tmp_path: Path) -> None:
    (before,) = listed(run, "app")
    result = run("rotate", "app", "--out", tmp_path / "key", "--retire-old", "--json")
    document = json.loads(result.stdout)

    assert result.exit_code == 0, result.output
    assert (document["old"]["credential_id"], document["old"]["status"]) == (
        before["credential_id"],
        "Inactive",
    )
    assert document["retired"] is True
    assert "--reactivate" in document["next"]["To undo this"]
    assert (
        document["new"]["fingerprint"] == ApiKey.parse((tmp_path / "key").read_text()).fingerprint
    )


def test_a_rotation_gives_the_key_to_a_command(run: Run, old: str, tmp_path: Path) -> None:
    result = run("rotate", "app", "--to-command", f"cat > {tmp_path / 'stored'}", "--json")

    secret = (tmp_path / "stored").read_text()
    assert json.loads(result.stdout)["key"]["fingerprint"] == ApiKey.parse(secret).fingerprint
    assert secret not in result.output


def test_a_rotation_prints_one_document_with_the_secret_on_request(run: Run, old: str) -> None:
    document = json.loads(run("rotate", "app", "--stdout", "--json").stdout)

    assert document["secret"].startswith("ABSK")


def test_a_command_that_fails_leaves_both_keys_and_says_how_to_go_on(run: Run, old: str) -> None:
    result = run("rotate", "app", "--to-command", "exit 1")

    assert result.exit_code == 6
    assert "Run the same command again" in result.stderr
    assert [key["status"] for key in listed(run, "app")] == ["Active", "Active"]


def test_the_last_active_key_is_retired_only_with_a_yes(run: Run, old: str) -> None:
    credential_id = listed(run, "app")[0]["credential_id"]
    unsure = run("retire", "app", credential_id)
    as_json = run("retire", "app", credential_id, "--json")
    status = listed(run, "app")[0]["status"]
    forced = run("retire", "app", credential_id, "--force")

    assert (unsure.exit_code, as_json.exit_code, status) == (4, 4, "Active")
    assert json.loads(as_json.stdout)["exit_code"] == 4
    assert "last active key" in unsure.stderr
    assert forced.exit_code == 0
    assert listed(run, "app")[0]["status"] == "Inactive"


def test_the_key_in_use_is_retired_only_with_a_yes_while_nobody_has_the_new_one(
    run: Run, old: str
) -> None:
    credential_id = listed(run, "app")[0]["credential_id"]
    run("rotate", "app", "--to-command", "exit 1")
    new = listed(run, "app")[1]["credential_id"]
    unsure = run("retire", "app", credential_id)

    assert unsure.exit_code == 4
    assert "end the rotation that was cut short" in unsure.stderr
    assert [key["status"] for key in listed(run, "app")] == ["Active", "Active"]
    assert run("retire", "app", new).exit_code == 0


def test_one_of_two_active_keys_is_retired_without_asking(run: Run, old: str) -> None:
    run("create", "app", "--stdout")

    assert run("retire", "app", listed(run, "app")[0]["credential_id"]).exit_code == 0


def test_the_list_tells_which_key_is_which(run: Run, old: str, tmp_path: Path) -> None:
    run("create", "app", "--out", tmp_path / "key")
    (tmp_path / "old").write_text(old)
    known = {key["fingerprint"] for key in listed(run, "app")}
    given = json.loads(run("list", "app", "--key", f"file:{tmp_path / 'old'}", "--json").stdout)

    made, first = (ApiKey.parse(text).fingerprint for text in ((tmp_path / "key").read_text(), old))
    assert known == {None, made}
    assert {key["fingerprint"] for key in given["keys"]} == {first, made}


def test_the_list_of_all_users_is_a_table_with_the_users_without_a_key(
    run: Run, bedrock: LocalBedrock, old: str
) -> None:
    bedrock.delete_key(bedrock.mint_key("LONG_TERM", user_name="BedrockAPIKey-left"))
    text = run("list").stdout

    assert text.splitlines()[0].split()[:3] == ["USER", "ID", "FINGERPRINT"]
    (orphan,) = [line for line in text.splitlines() if "BedrockAPIKey-left" in line]
    assert "user without a key" in orphan


@pytest.mark.parametrize(("days", "code"), [("0", 4), ("1", 0)])
def test_a_list_of_old_keys_exits_with_4_when_there_are_any(
    run: Run, old: str, days: str, code: int
) -> None:
    result = run("list", "--older-than", days, "--json")

    assert result.exit_code == json.loads(result.stdout)["exit_code"] == code
    assert bool(json.loads(result.stdout)["keys"]) is (code == 4)


def test_a_list_without_keys_says_so(run: Run, old: str) -> None:
    assert run("list", "admin", "--older-than", 0).stderr == ""
    assert run("list", "app", "--older-than", 1).stderr == "There are no such keys.\n"
    run("retire", "app", listed(run, "app")[0]["credential_id"], "--force")
    run("retire", "app", listed(run, "app")[0]["credential_id"], "--delete")
    assert run("list", "app", "--older-than", 0).stderr == "There are no such keys.\n"
    assert run("list", "app").stderr == "There are no keys.\n"


COMMANDS = {
    "create": ["create", "app", "--stdout"],
    "create --new-user": ["create", "--new-user", "--stdout"],
    "list": ["list"],
    "list USER": ["list", "app"],
    "rotate": ["rotate", "app", "--stdout"],
    "rotate --retire-old": ["rotate", "app", "--stdout", "--retire-old"],
    "retire": ["retire", "app", "ID", "--force"],
    "retire --delete": ["retire", "app", "INACTIVE", "--delete"],
    "orphans": ["orphans"],
    "orphans --delete": ["orphans", "--delete"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_printed_permissions_are_enough(
    name: str, run: Run, bedrock: LocalBedrock, old: str
) -> None:
    bedrock.delete_key(bedrock.mint_key("LONG_TERM", user_name="BedrockAPIKey-left"))
    if "INACTIVE" in COMMANDS[name]:
        bedrock.set_key_status(old, "Inactive")
    credential_id = listed(run, "app")[0]["credential_id"]
    document = json.loads(run("permissions", *name.split()).stdout)
    actions = [action for each in document["Statement"] for action in as_list(each["Action"])]
    denied = {"Effect": "Deny", "NotAction": actions, "Resource": "*"}
    bedrock.attach_policy("admin", {"Version": "2012-10-17", "Statement": denied})
    words = [credential_id if word in ("ID", "INACTIVE") else word for word in COMMANDS[name]]

    result = run(*words)

    assert result.exit_code == 0, result.output
    assert "not listed" not in result.stderr


def as_list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def test_the_permissions_of_all_commands_are_printed_without_one(run: Run) -> None:
    assert set(json.loads(run("permissions").stdout)) == set(COMMANDS)
    assert run("permissions", "nonsense").exit_code == 2


def test_a_refused_command_says_which_permission_it_lacks(
    run: Run, bedrock: LocalBedrock, old: str
) -> None:
    bedrock.attach_policy("admin", statement("Deny", "iam:ListServiceSpecificCredentials"))
    result = run("list", "app")

    assert result.exit_code == 6
    assert "needs the permission iam:ListServiceSpecificCredentials" in result.stderr


def test_a_rotation_whose_new_key_is_denied_changes_nothing(
    run: Run, bedrock: LocalBedrock, old: str, tmp_path: Path
) -> None:
    bedrock.attach_policy("app", statement("Deny", "bedrock:CallWithBearerToken"))
    before = listed(run, "app")
    result = run("rotate", "app", "--out", tmp_path / "key")

    assert result.exit_code == 4
    assert listed(run, "app") == before
    assert not (tmp_path / "key").exists()


def test_a_key_is_retired_brought_back_and_deleted(run: Run, old: str) -> None:
    credential_id = listed(run, "app")[0]["credential_id"]
    statuses = []
    for option in (["--force"], ["--reactivate"], ["--force"]):
        assert run("retire", "app", credential_id, *option).exit_code == 0
        statuses.append(listed(run, "app")[0]["status"])
    run("retire", "app", credential_id, "--delete")

    assert statuses == ["Inactive", "Active", "Inactive"]
    assert listed(run, "app") == []


def test_the_document_of_a_change_tells_the_new_status(run: Run, old: str) -> None:
    credential_id = listed(run, "app")[0]["credential_id"]
    told = [
        json.loads(run("retire", "app", credential_id, option, "--json").stdout)
        for option in ("--force", "--reactivate")
    ]

    assert [document["done"] for document in told] == ["deactivated", "reactivated"]
    assert [document["key"]["status"] for document in told] == ["Inactive", "Active"]


def test_a_key_is_not_deleted_and_brought_back_at_once(run: Run, old: str) -> None:
    credential_id = listed(run, "app")[0]["credential_id"]

    assert run("retire", "app", credential_id, "--delete", "--reactivate").exit_code == 2
    assert listed(run, "app")[0]["status"] == "Active"


def test_an_active_key_is_not_deleted(run: Run, old: str) -> None:
    credential_id = listed(run, "app")[0]["credential_id"]
    result = run("retire", "app", credential_id, "--delete")

    assert result.exit_code == 2
    assert "Deactivate it first" in result.stderr
    assert len(listed(run, "app")) == 1


def test_an_unknown_key_is_not_retired(run: Run, old: str) -> None:
    result = run("retire", "app", "ACCA0000000000000000")

    assert result.exit_code == 2
    assert listed(run, "app")[0]["credential_id"] in result.stderr


def test_orphans_are_listed_and_removed_on_request(run: Run) -> None:
    new = json.loads(run("create", "--new-user", "--stdout", "--json").stdout)["new"]
    run("retire", new["user_name"], new["credential_id"], "--force")
    run("retire", new["user_name"], new["credential_id"], "--delete")
    found = run("orphans", "--json")
    removed = run("orphans", "--delete")

    assert [user["user_name"] for user in json.loads(found.stdout)["orphans"]] == [new["user_name"]]
    assert f"removed  {new['user_name']}" in removed.stdout
    assert "no such users" in run("orphans").stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["create", "app", "--days", "30", "--stdout"], "would make a key for the user app"),
        (["create", "--new-user", "--stdout"], "would make a key for a new user"),
        (["rotate", "app", "--stdout", "--retire-old"], "would deactivate ACCA"),
        (["retire", "app", "ID"], "would deactivate ACCA"),
        (["list", "app"], "would list the keys of app"),
    ],
    ids=["create", "create with a user", "rotate", "retire", "list"],
)
def test_a_dry_run_says_what_would_be_done_and_changes_nothing(
    run: Run, old: str, arguments: list[str], said: str
) -> None:
    before = listed(run, "app")
    known = [before[0]["credential_id"] if word == "ID" else word for word in arguments]
    result = run(*known, "--dry-run")

    assert result.exit_code == 0, result.output
    assert said in result.stdout
    assert listed(run, "app") == before


def test_a_dry_run_lists_its_steps_in_a_document(run: Run, old: str) -> None:
    result = run("create", "app", "--stdout", "--dry-run", "--json")

    document = json.loads(result.stdout)
    assert (document["ok"], document["dry_run"]) == (True, True)
    assert document["steps"][0].startswith("make a key for the user app")


def test_a_dry_run_of_a_rotation_that_was_cut_short_says_that_it_goes_on(
    run: Run, old: str, tmp_path: Path
) -> None:
    old_id = listed(run, "app")[0]["credential_id"]
    run("rotate", "app", "--to-command", "exit 1")
    arguments = ["rotate", "app", "--to-command", f"cat > {tmp_path / 'stored'}", "--retire-old"]
    before = listed(run, "app")
    dry = run(*arguments, "--dry-run")
    after = listed(run, "app")
    done = run(*arguments)

    assert (dry.exit_code, done.exit_code) == (0, 0), dry.output
    assert f"would go on with the rotation of {old_id}" in dry.stdout
    assert f"would deactivate {old_id}" in dry.stdout
    assert after == before


def test_a_dry_run_of_the_removal_of_orphans_removes_none(run: Run, bedrock: LocalBedrock) -> None:
    key = bedrock.mint_key("LONG_TERM", user_name="BedrockAPIKey-left")
    bedrock.delete_key(key)
    result = run("orphans", "--delete", "--dry-run")

    assert "would be removed  BedrockAPIKey-left" in result.stdout
    assert "BedrockAPIKey-left" in run("orphans").stdout


def test_no_credentials_exit_with_3(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    environment = {
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    result = CliRunner().invoke(cli, ["key", "list"], env=environment)

    assert result.exit_code == 3
    assert "AWS_PROFILE" in result.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGHUP")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_rotation_that_is_told_to_end_says_what_it_leaves_behind(
    name: str, run: Run, old: str, tmp_path: Path
) -> None:
    taken = tmp_path / "taken"
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "bedrock_bearer", "key", "rotate", "app"),
            *("--to-command", f"cat > {taken}; sleep 60"),
        ],
        env={**os.environ, **run.environment},  # type: ignore[attr-defined]
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    give_up_at = time.monotonic() + 60
    while not (taken.exists() and taken.read_text()) and time.monotonic() < give_up_at:
        time.sleep(0.01)
    process.send_signal(getattr(signal, name))
    _, said = process.communicate(timeout=60)

    assert process.returncode == 130
    assert "The old key" in said
    assert "exists and is active" in said
    assert "Interrupted." in said
    assert [key["status"] for key in listed(run, "app")] == ["Active", "Active"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGHUP")
def test_nohup_lets_a_command_go_on() -> None:
    program = (
        "import os, signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "from bedrock_bearer.cli import cli, main\n"
        "cli.main = lambda: os.kill(os.getpid(), signal.SIGHUP)\n"
        "main()"
    )

    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
