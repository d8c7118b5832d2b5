"""`bedrock-bearer policy` in a shell."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bedrock_bearer.access import read_document
from bedrock_bearer.cli import cli

ALLOW_ALL = {"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
DENIED = (
    "User: arn:aws:iam::123456789012:user/dev is not authorized to perform: "
    "bedrock:CallWithBearerToken on resource: * with an explicit deny in an identity-based policy"
)


def run(*arguments: str, text: str | None = None) -> Result:
    return CliRunner().invoke(cli, ["policy", *arguments], input=text)


@pytest.fixture
def policies(tmp_path: Path) -> list[str]:
    """The arguments for two policy files: all is allowed, but SHORT_TERM keys."""
    allow = tmp_path / "allow.json"
    allow.write_text(json.dumps(ALLOW_ALL))
    deny = tmp_path / "deny.json"
    deny.write_text(run("deny", "SHORT_TERM").stdout)
    return ["--policy", str(allow), "--policy", str(deny)]


@pytest.mark.parametrize(
    "arguments",
    [
        ["deny", "SHORT_TERM"],
        ["deny", "LONG_TERM", "--mantle", "--scp"],
        ["deny", "long_term"],
        ["allow-only", "LONG_TERM"],
        ["allow-only", "LONG_TERM", "--scp"],
        ["max-age", "5"],
        ["deny-all", "--bedrock-only"],
        ["deny-all", "--mantle", "--json-min"],
        ["deny-creation", "--except", "arn:aws:iam::123456789012:role/admin"],
    ],
)
def test_a_policy_is_printed_ready_to_attach(arguments: list[str]) -> None:
    result = run(*arguments)

    assert result.exit_code == 0
    assert read_document(result.stdout).version == "2012-10-17"


@pytest.mark.parametrize(
    ("token_type", "code"), [("SHORT_TERM", 4), ("LONG_TERM", 0), ("short_term", 4)]
)
def test_the_exit_code_is_the_answer(token_type: str, code: int, policies: list[str]) -> None:
    assert run("explain", *policies, "--token-type", token_type).exit_code == code


def test_the_deciding_statement_is_named(policies: list[str]) -> None:
    result = run("explain", *policies, "--token-type", "SHORT_TERM")

    assert "DenyShortTermKeyUse" in result.stdout
    assert "deny.json" in result.stdout


@pytest.mark.parametrize(("days", "code"), [("5", 0), ("30", 4)])
def test_the_creation_of_a_key_can_be_asked_about(
    days: str, code: int, policies: list[str], tmp_path: Path
) -> None:
    limit = tmp_path / "limit.json"
    limit.write_text(run("max-age", "5").stdout)

    result = run("explain", *policies, "--policy", str(limit), "--age-days", days)

    assert result.exit_code == code


def test_a_pasted_denial_is_explained_and_located(policies: list[str]) -> None:
    result = run("explain", "--message", "-", "--token-type", "SHORT_TERM", *policies, text=DENIED)

    assert result.exit_code == 4
    assert "bedrock:bearerTokenType = SHORT_TERM" in result.stdout
    assert "DenyShortTermKeyUse" in result.stdout
    assert "Certainty: located" in result.stdout


def test_several_statements_that_may_have_denied_confirm_nothing(
    policies: list[str], tmp_path: Path
) -> None:
    other = tmp_path / "other.json"
    other.write_text(run("deny", "LONG_TERM").stdout)

    result = run("explain", "--message", "-", *policies, "--policy", str(other), text=DENIED)

    assert "DenyLongTermKeyUse" in result.stdout
    assert "confirmed" not in result.stdout


def test_a_pasted_denial_can_be_masked() -> None:
    result = run("explain", "--message", "-", "--redact", text=DENIED)

    assert result.exit_code == 4
    assert "123456789012" not in result.stdout


def test_a_masked_document_names_no_account(policies: list[str]) -> None:
    result = run("explain", *policies, "--message", "-", "--redact", "--json", text=DENIED)

    document = json.loads(result.stdout)
    assert "123456789012" not in result.stdout
    assert document["action"] == "bedrock:CallWithBearerToken"
    assert [one["sid"] for one in document["statements"]] == ["DenyShortTermKeyUse"]


def test_json_is_one_document(policies: list[str]) -> None:
    result = run("explain", *policies, "--token-type", "SHORT_TERM", "--json")

    document: dict[str, Any] = json.loads(result.stdout)
    assert [one["sid"] for one in document["statements"]] == ["DenyShortTermKeyUse"]
    assert document["exit_code"] == 4


def test_a_text_that_is_not_a_denial_is_a_usage_error() -> None:
    assert run("explain", "--message", "-", text="Hello").exit_code == 2


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("{", "line 1 column 2"),
        ('{"Statement":[{"Effect":"Deny","Action":"a:b","Condition":{"Foo":{}}}]}', "Statement[0]"),
    ],
)
def test_a_broken_file_is_one_line_with_the_place(
    content: str, problem: str, tmp_path: Path
) -> None:
    path = tmp_path / "broken.json"
    path.write_text(content)

    result = run("explain", "--policy", str(path), "--token-type", "SHORT_TERM")

    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith(f"{path}: {problem}")


def test_a_file_that_is_not_there_is_one_line() -> None:
    result = run("explain", "--policy", "/nowhere/x.json", "--token-type", "SHORT_TERM")

    assert result.exit_code == 2
    assert "No such file" in result.stderr


# ------------------------------------------------------------------- files for what they are


def written(tmp_path: Path, *arguments: str) -> str:
    """Return a file with a policy that the command line writes."""
    path = tmp_path / f"{arguments[0]}.json"
    path.write_text(run(*arguments).stdout)
    return str(path)


def answer(*arguments: str) -> tuple[str, int]:
    result = run("explain", *arguments, "--json")
    document = json.loads(result.stdout)
    assert document["exit_code"] == result.exit_code
    return document["outcome"], result.exit_code


@pytest.mark.parametrize("mantle", [[], ["--mantle"]])
def test_a_control_policy_denies_or_does_not_and_allows_nothing(
    tmp_path: Path, mantle: list[str]
) -> None:
    scp = written(tmp_path, "deny", "LONG_TERM", "--scp")

    assert answer("--scp", scp, "--token-type", "LONG_TERM", *mantle) == ("denied", 4)
    assert answer("--scp", scp, "--token-type", "SHORT_TERM", *mantle) == ("not denied", 0)


def test_complete_files_allow_or_deny(tmp_path: Path) -> None:
    scp = written(tmp_path, "deny", "LONG_TERM", "--scp")
    allow = tmp_path / "allow.json"
    allow.write_text(json.dumps(ALLOW_ALL))
    files = ["--scp", scp, "--policy", str(allow), "--complete"]

    assert answer(*files, "--token-type", "SHORT_TERM") == ("allowed", 0)
    assert answer("--scp", scp, "--complete", "--token-type", "SHORT_TERM") == ("denied", 4)
    result = run("explain", *files, "--token-type", "SHORT_TERM")
    assert "taken to stand beside FullAWSAccess" in result.stdout


def test_what_an_answer_depends_on_is_named_and_can_be_given(tmp_path: Path) -> None:
    role = "arn:aws:iam::123456789012:role/admin"
    scp = written(tmp_path, "deny-all", "--except", role)
    asked = ["--scp", scp, "--token-type", "SHORT_TERM"]

    undecided = run("explain", *asked)
    assert undecided.exit_code == 8
    assert "undecided: it depends on aws:PrincipalArn" in undecided.stdout
    assert answer(*asked, "--context", f"aws:PrincipalArn={role}") == ("not denied", 0)
    assert answer(*asked, "--context", "aws:PrincipalArn=arn:aws:iam::1:role/x") == ("denied", 4)
    # AWS compares the ARN of the role, never that of its session.
    session = role.replace(":iam:", ":sts:").replace(":role/", ":assumed-role/") + "/me"
    assert answer(*asked, "--context", f"aws:PrincipalArn={session}") == ("not denied", 0)


def test_a_condition_key_given_twice_has_both_values_and_one_without_a_value_is_absent(
    tmp_path: Path,
) -> None:
    all_of: dict[str, Any] = {"ForAllValues:StringEquals": {"aws:TagKeys": ["team", "cost"]}}
    path = tmp_path / "scp.json"

    def outcome(null: bool, *values: str) -> str:
        condition = {**all_of, "Null": {"aws:TagKeys": str(null).lower()}}
        statement = {"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": condition}
        path.write_text(json.dumps({"Version": "2012-10-17", "Statement": statement}))
        given = [word for value in values for word in ("--context", f"aws:TagKeys={value}")]
        return answer("--scp", str(path), "--token-type", "LONG_TERM", *given)[0]

    assert outcome(False, "team", "cost") == "denied"
    assert outcome(False, "team", "cost", "other") == "not denied"
    assert outcome(True, "") == "denied"


@pytest.mark.parametrize("kind", ["--boundary", "--vpc-endpoint"])
def test_what_the_only_policy_of_its_kind_does_not_allow_is_denied(
    tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "policy.json"
    path.write_text(json.dumps({"Statement": {**ALLOW_ALL["Statement"], "Action": "s3:*"}}))

    assert answer(kind, str(path), "--token-type", "LONG_TERM") == ("denied", 4)


def test_a_key_that_never_expires_slips_through_a_limit_on_the_age(tmp_path: Path) -> None:
    limit = json.loads(run("max-age", "5").stdout)
    del limit["Statement"][1]
    path = tmp_path / "limit.json"
    path.write_text(json.dumps(limit))

    assert answer("--scp", str(path), "--age-days", "30") == ("denied", 4)
    assert answer("--scp", str(path), "--age-days", "5") == ("not denied", 0)
    assert answer("--scp", str(path), "--never-expires") == ("not denied", 0)
    linted = run("lint", str(path), "--as", "scp", "--json")
    assert linted.exit_code == 4
    findings = {one["id"]: one["statement"] for one in json.loads(linted.stdout)["findings"]}
    assert findings == {"age-without-null": 0, "reset-open": 0}


def test_a_finding_is_printed_with_an_example_and_what_mends_it(tmp_path: Path) -> None:
    result = run("lint", written(tmp_path, "max-age", "5"))

    place, example, fix = result.stdout.splitlines()
    assert result.exit_code == 0
    assert place.startswith(f"{tmp_path / 'max-age.json'} Statement[0]: information reset-open: ")
    assert example.startswith("    For example: ")
    assert fix.startswith("    To mend it: ")


def test_the_lint_of_a_clean_policy_ends_with_zero(tmp_path: Path) -> None:
    result = run("lint", written(tmp_path, "deny-all"))

    assert (result.exit_code, result.stdout) == (0, "Nothing found.\n")


def test_a_limit_on_the_age_says_that_a_reset_is_not_covered() -> None:
    assert "--deny-reset" in run("max-age", "5").stderr
    covered = run("max-age", "5", "--deny-reset")
    assert covered.stderr == ""
    assert "iam:ResetServiceSpecificCredential" in covered.stdout


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--terraform"], 'resource "aws_iam_policy"'),
        (["--terraform", "--scp"], 'resource "aws_organizations_policy"'),
        (["--cloudformation"], '"AWS::IAM::ManagedPolicy"'),
        (["--cloudformation", "--scp"], '"AWS::Organizations::Policy"'),
    ],
)
def test_a_policy_can_be_printed_as_infrastructure(arguments: list[str], expected: str) -> None:
    assert expected in run("deny", "LONG_TERM", *arguments).stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["deny-all", "--except", "role/admin"],
        ["explain", "--scp", "x", "--token-type", "LONG_TERM", "--context", "aws:SourceIp"],
        ["explain", "--token-type", "LONG_TERM"],
        ["explain", "--message", DENIED],
        ["explain", "--message", "-", "--key", "-"],
    ],
)
def test_options_that_say_nothing_are_a_matter_of_usage(arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2


# --------------------------------------------------------------------------- preflight

HAIKU = "anthropic.claude-3-5-haiku-20241022-v1:0"


def preflight(tmp_path: Path, *arguments: str, **statement: Any) -> Any:
    file = tmp_path / "policy.json"
    allow = {"Effect": "Allow", "Resource": "*", **statement}
    file.write_text(json.dumps({"Version": "2012-10-17", "Statement": [allow]}))
    command = ["explain", "--policy", str(file), "--model", f"us.{HAIKU}", "--json", *arguments]
    return CliRunner().invoke(cli, ["policy", *command], env={"AWS_REGION": "us-east-1"})


def test_preflight_with_files_names_the_statement_to_add(tmp_path: Path) -> None:
    result = preflight(tmp_path, "--token-type", "SHORT_TERM", Action="bedrock:CallWithBearerToken")

    document = json.loads(result.stdout)
    assert (result.exit_code, document["outcome"]) == (4, "denied")
    (missing,) = document["statements_to_add"]
    assert missing["Action"] == "bedrock:InvokeModel"
    assert f"arn:aws:bedrock:*::foundation-model/{HAIKU}" in missing["Resource"]


def test_preflight_says_which_kind_of_policy_lacks_the_statement(tmp_path: Path) -> None:
    boundary = tmp_path / "boundary.json"
    use = {"Effect": "Allow", "Action": "bedrock:CallWithBearerToken", "Resource": "*"}
    boundary.write_text(json.dumps({"Version": "2012-10-17", "Statement": [use]}))

    result = preflight(tmp_path, "--boundary", str(boundary), Action="bedrock:*")

    explanation = json.loads(result.stdout)["explanation"]
    assert "Missing, to be added to the permissions boundary:" in explanation


def test_preflight_needs_no_type_of_key_where_policies_do_not_look_at_it(tmp_path: Path) -> None:
    result = preflight(tmp_path, Action="bedrock:*")

    document = json.loads(result.stdout)
    assert (result.exit_code, document["outcome"]) == (0, "not denied")


def test_preflight_of_a_stream_asks_for_its_own_action(tmp_path: Path) -> None:
    actions = ["bedrock:CallWithBearerToken", "bedrock:InvokeModel"]

    result = preflight(tmp_path, "--stream", Action=actions)

    (missing,) = json.loads(result.stdout)["statements_to_add"]
    assert missing["Action"] == "bedrock:InvokeModelWithResponseStream"


@pytest.mark.parametrize(
    "arguments",
    [["--model", "m", "--mantle"], ["--model", "m", "--age-days", "5"], ["--stream"]],
)
def test_a_model_goes_with_a_converse_call_alone(tmp_path: Path, arguments: list[str]) -> None:
    file = tmp_path / "policy.json"
    file.write_text('{"Statement": []}')

    result = CliRunner().invoke(cli, ["policy", "explain", "--policy", str(file), *arguments])

    assert result.exit_code == 2
    assert "--model" in result.stderr


def test_the_statement_that_refused_a_creation_is_looked_for_by_the_age(tmp_path: Path) -> None:
    limit = written(tmp_path, "max-age", "5")
    denied = (
        "User: arn:aws:iam::123456789012:user/dev is not authorized to perform: "
        "iam:CreateServiceSpecificCredential on resource: user dev with an explicit deny in a "
        "service control policy"
    )
    asked = ["--message", "-", "--scp", limit, "--json"]

    too_long = json.loads(run("explain", *asked, "--age-days", "30", text=denied).stdout)
    forever = json.loads(run("explain", *asked, "--never-expires", text=denied).stdout)

    assert [one["sid"] for one in too_long["statements"]] == ["DenyKeysThatLiveTooLong"]
    assert [one["sid"] for one in forever["statements"]] == ["DenyKeysThatNeverExpire"]


def test_a_resource_control_policy_is_said_not_to_reach_bedrock(tmp_path: Path) -> None:
    result = run("explain", "--rcp", written(tmp_path, "deny-all"), "--token-type", "LONG_TERM")

    assert "reach neither Bedrock nor IAM" in result.stdout


def test_an_answer_tells_that_control_policies_are_taken_to_be_of_one_level(
    tmp_path: Path,
) -> None:
    (tmp_path / "all.json").write_text(json.dumps(ALLOW_ALL))
    s3 = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    (tmp_path / "s3.json").write_text(json.dumps({"Version": "2012-10-17", "Statement": s3}))
    every, only_s3 = str(tmp_path / "all.json"), str(tmp_path / "s3.json")

    result = run(
        *("explain", "--policy", every, "--scp", every, "--scp", only_s3),
        *("--token-type", "SHORT_TERM", "--complete"),
    )

    assert "Taken for granted: the service control policies are all of one level" in result.stdout


def test_preflight_tells_that_the_files_are_taken_to_be_all_policies(tmp_path: Path) -> None:
    asked = ("--token-type", "SHORT_TERM")
    in_part = preflight(tmp_path, *asked, Action="bedrock:CallWithBearerToken")
    whole = preflight(tmp_path, *asked, "--complete", Action="bedrock:CallWithBearerToken")

    assert "another one may allow it" in json.loads(in_part.stdout)["explanation"]
    assert json.loads(whole.stdout)["assumptions"] == []


def test_a_creation_in_another_partition_is_asked_of_iam_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_REGION", "us-gov-east-1")
    elsewhere = {"StringNotEquals": {"aws:RequestedRegion": "us-gov-west-1"}}
    deny = {"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": elsewhere}
    scp = tmp_path / "scp.json"
    scp.write_text(json.dumps({"Version": "2012-10-17", "Statement": deny}))

    assert answer("--scp", str(scp), "--age-days", "5") == ("not denied", 0)
