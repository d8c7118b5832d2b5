"""`bedrock-bearer policy`: write and explain the IAM policies that govern API keys."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from bedrock_bearer.cli.group import CommandGroup
from bedrock_bearer.cli.outcome import OK, REFUSED, USAGE, fail, print_json
from bedrock_bearer.errors import BedrockError
from bedrock_bearer.facts import (
    AGE_KEY,
    BEDROCK_SERVICE,
    CALL_WITH_BEARER_TOKEN,
    CREATE_KEY,
    LONGEST_AGE_DAYS,
    SERVICE_NAME_KEY,
)

if TYPE_CHECKING:
    from bedrock_bearer.access.denial import Denial
    from bedrock_bearer.access.evaluation import NamedPolicy
    from bedrock_bearer.access.governing import GoverningPolicy
    from bedrock_bearer.access.located import LocatedStatement
    from bedrock_bearer.aws.policies import FetchedPolicies
    from bedrock_bearer.keys.description import KeyDescription

TOKEN_TYPES = click.Choice(["SHORT_TERM", "LONG_TERM"])
AGE = click.IntRange(1, LONGEST_AGE_DAYS)
MANTLE_OPTION = click.option("--mantle", is_flag=True, help="Also on the bedrock-mantle endpoint.")
SCP_OPTION = click.option("--scp", is_flag=True, help="For a service control policy.")


@click.group(cls=CommandGroup)
def policy() -> None:
    """Write and explain the IAM policies that govern API keys."""


@policy.command()
@click.argument("token_type", type=TOKEN_TYPES)
@MANTLE_OPTION
@SCP_OPTION
def deny(token_type: str, mantle: bool, scp: bool) -> None:
    """Print a policy that denies calls with keys of one type."""
    from bedrock_bearer.access.build import deny_use

    click.echo(deny_use(token_type, mantle=mantle).to_json())


@policy.command("allow-only")
@click.argument("token_type", type=TOKEN_TYPES)
@MANTLE_OPTION
@SCP_OPTION
def allow_only_command(token_type: str, mantle: bool, scp: bool) -> None:
    """Print a policy that allows calls with keys of one type, and denies others."""
    from bedrock_bearer.access.build import allow_only

    click.echo(allow_only(token_type, mantle=mantle, scp=scp).to_json())


@policy.command("deny-all")
@MANTLE_OPTION
@SCP_OPTION
def deny_all(mantle: bool, scp: bool) -> None:
    """Print a policy that denies calls with any API key."""
    from bedrock_bearer.access.build import deny_all_keys

    click.echo(deny_all_keys(mantle=mantle).to_json())


@policy.command("max-age")
@click.argument("days", type=AGE)
@SCP_OPTION
def max_age(days: int, scp: bool) -> None:
    """Print a policy that lets no new long-term key live longer than DAYS."""
    from bedrock_bearer.access.build import limit_key_age

    click.echo(limit_key_age(days).to_json())


@policy.command()
@click.option("--policy", "files", multiple=True, type=click.Path(), help="A policy document.")
@click.option("--from-aws", is_flag=True, help="Read the principal's policies from AWS.")
@click.option("--token-type", type=TOKEN_TYPES, help="The type of the key that calls.")
@click.option("--key", "key_source", metavar="SOURCE", help="The key: env:NAME, file:PATH or -.")
@click.option(
    "--age-days", type=click.IntRange(1, LONGEST_AGE_DAYS), help="Creating a key of this age."
)
@click.option("--mantle", is_flag=True, help="Ask about the bedrock-mantle endpoint.")
@click.option("--message", metavar="-", help="Explain the denial on standard input.")
@click.option("--redact", is_flag=True, help="Mask account ids and ARNs.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def explain(
    files: tuple[str, ...],
    from_aws: bool,
    token_type: str | None,
    key_source: str | None,
    age_days: int | None,
    mantle: bool,
    message: str | None,
    redact: bool,
    as_json: bool,
) -> None:
    """Say which statement decides on a call with a key, or on the creation of one.

    Exit code 4 when the answer is no. With --message -, the denial pasted on standard input is
    explained, and located in the policies if any are given.

    With --from-aws, the policies are read of the principal that the denial names, else of the
    IAM user of the key, else of the AWS credentials that are used for it.
    """
    if message not in (None, "-"):
        raise click.UsageError("--message takes - : the denial is read from standard input.")
    if message == "-" and key_source == "-":
        raise click.UsageError("--message - and --key - cannot both read standard input.")
    if not (files or from_aws or message):
        raise click.UsageError("Give --policy FILE or --from-aws, or --message - and a denial.")
    output = _Output(as_json, redact)
    policies = [_read(path, as_json=as_json) for path in files]
    try:
        key = _key(key_source, token_type)
        if message == "-":
            denial = _denial(as_json=as_json)
            fetched = _fetched(denial.principal_arn, key) if from_aws else None
            _explain_message(denial, key, policies, fetched, output)
        action, context = _question(key, age_days, mantle)
        fetched = _fetched(None, key) if from_aws else None
        _explain_decision(action, context, policies, fetched, output)
    except BedrockError as error:
        fail(error, as_json=as_json)


@dataclass(frozen=True, slots=True)
class _Output:
    """How the answer is given: as lines or as one JSON document, masked or not."""

    as_json: bool
    redact: bool

    def end(self, document: dict[str, Any], lines: list[str], code: int) -> NoReturn:
        """Give the answer, and exit."""
        if self.as_json:
            document = {"ok": code == OK, "exit_code": code, **document}
            print_json(self._masked(document))
        else:
            for unread in document.get("unread") or []:
                click.echo(self._masked(f"Not read: {unread}"), err=True)
            for line in lines:
                click.echo(self._masked(line))
        sys.exit(code)

    def _masked(self, answer: Any) -> Any:
        from bedrock_bearer.access.explanation import mask

        if not self.redact:
            return answer
        if isinstance(answer, dict):
            return {self._masked(name): self._masked(value) for name, value in answer.items()}
        if isinstance(answer, list):
            return [self._masked(value) for value in answer]
        return mask(answer) if isinstance(answer, str) else answer


def _refuse(problem: str, *, as_json: bool) -> NoReturn:
    """Say in one line what is wrong with what was given, and exit."""
    if as_json:
        print_json({"ok": False, "exit_code": USAGE, "error": {"message": problem}})
    else:
        click.echo(problem, err=True)
    sys.exit(USAGE)


def _key(source: str | None, token_type: str | None) -> KeyDescription | None:
    """Return the key that is asked about; a type that was given counts more than what it says."""
    from bedrock_bearer.keys.description import KeyDescription, TokenType
    from bedrock_bearer.keys.stored import read_key

    if source is None and token_type is None:
        return None
    unnamed = KeyDescription(None, "", "the command line")
    key = unnamed if source is None else read_key(source).description
    return key if token_type is None else replace(key, token_type=TokenType(token_type))


def _read(path: str, *, as_json: bool) -> NamedPolicy:
    """Read a policy file; what is wrong with it is one line and exit code 2."""
    from bedrock_bearer.access.document import read_document
    from bedrock_bearer.access.evaluation import NamedPolicy

    try:
        return NamedPolicy(read_document(Path(path).read_text(encoding="utf-8-sig")), name=path)
    except OSError as error:
        problem = error.strerror or type(error).__name__
    except UnicodeDecodeError:
        problem = "it is not UTF-8 text"
    except ValueError as error:
        problem = str(error)
    _refuse(f"{path}: {problem}", as_json=as_json)


def _fetched(principal_arn: str | None, key: KeyDescription | None) -> FetchedPolicies:
    from bedrock_bearer.aws.policies import fetch_policies
    from bedrock_bearer.regions import partition_of, region_of_environment

    if principal_arn is None and key is not None:
        partition = partition_of(region_of_environment() or "us-east-1")
        principal_arn = key.principal_arn(partition)
    return fetch_policies(principal_arn)


def _of(fetched: FetchedPolicies | None) -> dict[str, Any]:
    if fetched is None:
        return {}
    return {"principal_arn": fetched.principal_arn, "unread": fetched.unread}


# -------------------------------------------------------------------------- a pasted denial


def _denial(*, as_json: bool) -> Denial:
    from bedrock_bearer.access.denial import Denial

    denial = Denial.parse(sys.stdin.read())
    if denial is None:
        _refuse("Standard input holds no denial in AWS's form.", as_json=as_json)
    return denial


def _explain_message(
    denial: Denial,
    key: KeyDescription | None,
    policies: list[NamedPolicy],
    fetched: FetchedPolicies | None,
    output: _Output,
) -> NoReturn:
    from bedrock_bearer.access.governing import GoverningPolicy

    governing = GoverningPolicy.from_denial(denial, key)
    located = _located(governing or denial, policies, fetched)
    if governing is not None and fetched is not None:
        governing = governing.located_in(fetched.policies)
    if governing is not None and governing.statement is None and policies:
        governing = governing.located_in(policies)
    explanation = governing.explain() if governing else _plain(denial)
    document = {
        "action": denial.action,
        "effect": denial.effect,
        "policy_type": denial.policy_type,
        "certainty": governing.certainty if governing else None,
        "explanation": explanation,
        "statements": [_statement(one) for one in located],
        **_of(fetched),
    }
    is_said = governing is not None and governing.statement is not None
    candidates = [] if is_said else [f"May govern: {one.describe()}" for one in located]
    output.end(document, [*explanation.splitlines(), *candidates], REFUSED)


def _located(
    refusal: Denial | GoverningPolicy,
    policies: list[NamedPolicy],
    fetched: FetchedPolicies | None,
) -> list[LocatedStatement]:
    if not policies and fetched is None:
        return []
    from bedrock_bearer.access.location import locate

    # Files do not say what kind of policy they are; what AWS holds does.
    return locate(refusal, policies) + (locate(refusal, fetched.policies) if fetched else [])


def _plain(denial: Denial) -> str:
    """Explain the refusal of another action than the use of a key."""
    principal = denial.principal_arn or "the principal"
    policy_type = denial.policy_type or "a policy that AWS does not name"
    how = {"explicit": "an explicit deny in", "implicit": "no Allow in"}.get(denial.effect or "")
    return f"Refused: {denial.action} by {principal}: {how or 'denied by'} {policy_type}."


# ------------------------------------------------------------------------------ a decision


def _question(
    key: KeyDescription | None, age_days: int | None, mantle: bool
) -> tuple[str, dict[str, Any]]:
    """Return the action that is asked about, and its condition keys."""
    if age_days is not None:
        return CREATE_KEY, {SERVICE_NAME_KEY: BEDROCK_SERVICE, AGE_KEY: age_days}
    token_type = key.token_type if key else None
    if token_type is None:
        raise click.UsageError("Say what is asked: --token-type, --key or --age-days.")
    service = "bedrock-mantle" if mantle else "bedrock"
    return f"{service}:{CALL_WITH_BEARER_TOKEN}", {f"{service}:bearerTokenType": token_type.value}


def _explain_decision(
    action: str,
    context: dict[str, Any],
    policies: list[NamedPolicy],
    fetched: FetchedPolicies | None,
    output: _Output,
) -> NoReturn:
    from bedrock_bearer.access.denial import account_of
    from bedrock_bearer.access.evaluation import PolicySet, evaluate

    applying = PolicySet(identity=policies)
    known = dict(context)
    if fetched is not None:
        identity = [*policies, *fetched.policies.identity]
        applying = replace(fetched.policies, identity=identity)
        known["aws:PrincipalAccount"] = account_of(fetched.principal_arn)
        if ":user/" in fetched.principal_arn:
            known["aws:PrincipalArn"] = fetched.principal_arn
            known["aws:username"] = fetched.principal_arn.rsplit("/", 1)[-1]
    decision = evaluate(applying, action, known)
    document = {
        "action": action,
        "context": context,
        "effect": decision.effect,
        "policy_type": decision.policy_type,
        "reason": decision.reason,
        "statement": _statement(decision.statement) if decision.statement else None,
        **_of(fetched),
    }
    asked = ", ".join(f"{name} = {value}" for name, value in context.items())
    who = f" by {fetched.principal_arn}" if fetched else ""
    lines = [
        f"{action} with {asked}{who}",
        f"{'allowed' if decision.allowed else 'denied'}: {decision.reason}",
    ]
    if decision.statement is not None and not decision.allowed:
        lines.append(decision.statement.describe())
    if fetched is not None and fetched.unread:
        lines.append("This is what the policies that could be read say; others may say more.")
    output.end(document, lines, OK if decision.allowed else REFUSED)


def _statement(located: LocatedStatement) -> dict[str, Any]:
    return {
        "policy": located.policy_arn or located.policy_name,
        "policy_type": located.policy_type,
        "index": located.statement_index,
        "sid": located.sid,
        "statement": located.statement.to_wire(),
    }
