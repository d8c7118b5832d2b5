"""`bedrock-bearer policy`: write and explain the IAM policies that govern API keys."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from bedrock_bearer.cli.outcome import OK, REFUSED, USAGE, fail, print_json
from bedrock_bearer.errors import BedrockError

if TYPE_CHECKING:
    from bedrock_bearer.access import Decision, Denial, LocatedStatement, NamedPolicy
    from bedrock_bearer.keys import KeyDescription

TOKEN_TYPES = click.Choice(["SHORT_TERM", "LONG_TERM"])
MANTLE_OPTION = click.option("--mantle", is_flag=True, help="Also on the bedrock-mantle endpoint.")
SCP_OPTION = click.option("--scp", is_flag=True, help="For a service control policy.")


@click.group()
def policy() -> None:
    """Write and explain the IAM policies that govern API keys."""


@policy.command()
@click.argument("token_type", type=TOKEN_TYPES)
@MANTLE_OPTION
@SCP_OPTION
def deny(token_type: str, mantle: bool, scp: bool) -> None:
    """Print a policy that denies calls with keys of one type."""
    from bedrock_bearer.access import deny_use

    click.echo(deny_use(token_type, mantle=mantle).to_json())


@policy.command("allow-only")
@click.argument("token_type", type=TOKEN_TYPES)
@MANTLE_OPTION
@SCP_OPTION
def allow_only_command(token_type: str, mantle: bool, scp: bool) -> None:
    """Print a policy that allows calls with keys of one type, and denies others."""
    from bedrock_bearer.access import allow_only

    click.echo(allow_only(token_type, mantle=mantle, scp=scp).to_json())


@policy.command("deny-all")
@MANTLE_OPTION
@SCP_OPTION
def deny_all(mantle: bool, scp: bool) -> None:
    """Print a policy that denies calls with any API key."""
    from bedrock_bearer.access import deny_all_keys

    click.echo(deny_all_keys(mantle=mantle).to_json())


@policy.command("max-age")
@click.argument("days", type=click.IntRange(1, 36600))
@SCP_OPTION
def max_age(days: int, scp: bool) -> None:
    """Print a policy that lets no new long-term key live longer than DAYS."""
    from bedrock_bearer.access import limit_key_age

    click.echo(limit_key_age(days).to_json())


@policy.command()
@click.option("--policy", "files", multiple=True, type=click.Path(), help="A policy document.")
@click.option("--token-type", type=TOKEN_TYPES, help="The type of the key that calls.")
@click.option("--key", "key_source", metavar="SOURCE", help="The key: env:NAME, file:PATH or -.")
@click.option("--age-days", type=click.IntRange(1, 36600), help="Creating a key of this age.")
@click.option("--mantle", is_flag=True, help="Ask about the bedrock-mantle endpoint.")
@click.option("--message", metavar="-", help="Explain the denial on standard input.")
@click.option("--redact", is_flag=True, help="Mask account ids and ARNs.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def explain(
    files: tuple[str, ...],
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
    """
    if message not in (None, "-"):
        raise click.UsageError("--message takes - : the denial is read from standard input.")
    if message == "-" and key_source == "-":
        raise click.UsageError("--message - and --key - cannot both read standard input.")
    try:
        key = _key(key_source)
    except BedrockError as error:
        fail(error, as_json=as_json)
    policies = [_read(path) for path in files]
    if message == "-":
        _explain_message(sys.stdin.read(), key, token_type, policies, redact, as_json)
    if not policies:
        raise click.UsageError("Give --policy FILE, or --message - and a denial to explain.")
    _explain_decision(policies, key, token_type, age_days, mantle, as_json)


def _key(source: str | None) -> KeyDescription | None:
    if source is None:
        return None
    from bedrock_bearer.keys.sources import read_key

    return read_key(source).description


def _read(path: str) -> NamedPolicy:
    """Read a policy file; what is wrong with it is one line and exit code 2."""
    from bedrock_bearer.access import NamedPolicy, read_document

    try:
        return NamedPolicy(read_document(Path(path).read_text(encoding="utf-8")), name=path)
    except OSError as error:
        problem = error.strerror or type(error).__name__
    except ValueError as error:
        problem = str(error)
    click.echo(f"{path}: {problem}", err=True)
    sys.exit(USAGE)


# -------------------------------------------------------------------------- a pasted denial


def _explain_message(
    text: str,
    key: KeyDescription | None,
    token_type: str | None,
    policies: list[NamedPolicy],
    redact: bool,
    as_json: bool,
) -> NoReturn:
    from bedrock_bearer.access import Denial, GoverningPolicy, locate

    denial = Denial.parse(text)
    if denial is None:
        click.echo("Standard input holds no denial in AWS's form.", err=True)
        sys.exit(USAGE)
    governing = GoverningPolicy.from_denial(denial, key or _description(token_type))
    located = locate(governing or denial, policies) if policies else []
    # Of several candidates none is proved to be the one.
    if governing is not None and len(located) == 1:
        governing = governing.located(located[0])
    explanation = governing.explain(redact=redact) if governing else _plain(denial, redact)
    if as_json:
        print_json(
            {
                "ok": False,
                "exit_code": REFUSED,
                "action": denial.action,
                "effect": denial.effect,
                "policy_type": denial.policy_type,
                "certainty": governing.certainty if governing else None,
                "explanation": explanation,
                "statements": [_statement(one) for one in located],
            }
        )
    else:
        click.echo(explanation)
        for one in located:
            click.echo(one.describe())
    sys.exit(REFUSED)


def _description(token_type: str | None) -> KeyDescription | None:
    if token_type is None:
        return None
    from bedrock_bearer.keys import KeyDescription, TokenType

    return KeyDescription(TokenType(token_type), "", "the command line")


def _plain(denial: Denial, redact: bool) -> str:
    """Explain the refusal of another action than the use of a key."""
    from bedrock_bearer.access.governing import mask

    principal = denial.principal_arn or "the principal"
    policy_type = denial.policy_type or "a policy that AWS does not name"
    how = {"explicit": "an explicit deny in", "implicit": "no Allow in"}.get(denial.effect or "")
    text = f"Refused: {denial.action} by {principal}: {how or 'denied by'} {policy_type}."
    return mask(text) if redact else text


# ------------------------------------------------------------------------------ a decision


def _explain_decision(
    policies: list[NamedPolicy],
    key: KeyDescription | None,
    token_type: str | None,
    age_days: int | None,
    mantle: bool,
    as_json: bool,
) -> NoReturn:
    from bedrock_bearer.access import evaluate

    action, context = _question(key, token_type, age_days, mantle)
    decision = evaluate(policies, action, context)
    code = OK if decision.allowed else REFUSED
    if as_json:
        print_json(_decision_document(decision, context, code))
    else:
        asked = ", ".join(f"{name} = {value}" for name, value in context.items())
        click.echo(f"{action} with {asked or 'no condition keys'}")
        click.echo(f"{'allowed' if decision.allowed else 'denied'}: {decision.reason}")
        if decision.statement is not None and not decision.allowed:
            click.echo(decision.statement.describe())
    sys.exit(code)


def _question(
    key: KeyDescription | None, token_type: str | None, age_days: int | None, mantle: bool
) -> tuple[str, dict[str, Any]]:
    """Return the action that is asked about, and its condition keys."""
    from bedrock_bearer.access.build import AGE_KEY, BEDROCK_SERVICE, CREATE_KEY, SERVICE_KEY

    if age_days is not None:
        return CREATE_KEY, {SERVICE_KEY: BEDROCK_SERVICE, AGE_KEY: age_days}
    found = token_type or (key.token_type if key else None)
    if found is None:
        raise click.UsageError("Say what is asked: --token-type, --key or --age-days.")
    service = "bedrock-mantle" if mantle else "bedrock"
    return f"{service}:CallWithBearerToken", {f"{service}:bearerTokenType": str(found)}


def _decision_document(decision: Decision, context: dict[str, Any], code: int) -> dict[str, Any]:
    return {
        "ok": decision.allowed,
        "exit_code": code,
        "action": decision.action,
        "context": context,
        "effect": decision.effect,
        "policy_type": decision.policy_type,
        "reason": decision.reason,
        "statement": _statement(decision.statement) if decision.statement else None,
    }


def _statement(located: LocatedStatement) -> dict[str, Any]:
    return {
        "policy": located.policy_arn or located.policy_name,
        "policy_type": located.policy_type,
        "index": located.statement_index,
        "sid": located.sid,
        "statement": located.statement.to_wire(),
    }
