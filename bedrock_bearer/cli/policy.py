"""`bedrock-bearer policy`: write, check and explain the IAM policies that govern API keys."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from bedrock_bearer.cli.group import CommandGroup, with_options
from bedrock_bearer.cli.outcome import OK, REFUSED, print_json
from bedrock_bearer.cli.policy_aws import ask_access_analyzer
from bedrock_bearer.cli.policy_explain import explain
from bedrock_bearer.cli.policy_files import LAYERS, read_policy
from bedrock_bearer.facts import LONGEST_AGE_DAYS, RESET_KEY

if TYPE_CHECKING:
    from bedrock_bearer.access.document import PolicyDocument


def _check_arns(ctx: click.Context, option: click.Parameter, exempt: tuple[str, ...]) -> Any:
    if not all(arn.startswith("arn:") for arn in exempt):
        raise click.UsageError("--except takes the ARN of a principal, such as a role's.")
    return exempt


TOKEN_TYPES = click.Choice(["SHORT_TERM", "LONG_TERM"], case_sensitive=False)
_OPTIONS = (
    click.option("--scp", is_flag=True, help="For a service control policy."),
    click.option(
        "--except",
        "exempt",
        multiple=True,
        metavar="ARN",
        callback=_check_arns,
        help="A principal that is not denied.",
    ),
    click.option("--terraform", "form", flag_value="terraform", help="Print a Terraform resource."),
    click.option(
        "--cloudformation",
        "form",
        flag_value="cloudformation",
        help="Print a CloudFormation template.",
    ),
    click.option("--json-min", "form", flag_value="json-min", help="Print JSON without spaces."),
)
_USE_OPTIONS = (
    click.option(
        "--bedrock-only",
        "mantle",
        is_flag=True,
        callback=lambda ctx, option, bedrock_only: not bedrock_only,
        help="Leave the bedrock-mantle endpoint open.",
    ),
    click.option("--mantle", is_flag=True, hidden=True, expose_value=False, help="The default."),
)


@click.group(cls=CommandGroup)
def policy() -> None:
    """Write, check and explain the IAM policies that govern API keys."""


policy.add_command(explain)


@policy.command()
@click.argument("token_type", type=TOKEN_TYPES)
@with_options(*_USE_OPTIONS, *_OPTIONS)
def deny(token_type: str, mantle: bool, exempt: tuple[str, ...], **output: Any) -> None:
    """Print a policy that denies calls with keys of one type."""
    from bedrock_bearer.access.build import deny_use

    _print(deny_use(token_type, mantle=mantle, exempt=exempt), **output)


@policy.command("allow-only")
@click.argument("token_type", type=TOKEN_TYPES)
@with_options(*_USE_OPTIONS, *_OPTIONS)
def allow_only_command(
    token_type: str, mantle: bool, exempt: tuple[str, ...], **output: Any
) -> None:
    """Print a policy that allows calls with keys of one type, and denies others."""
    from bedrock_bearer.access.build import allow_only

    _print(allow_only(token_type, mantle=mantle, scp=output["scp"], exempt=exempt), **output)


@policy.command("deny-all")
@with_options(*_USE_OPTIONS, *_OPTIONS)
def deny_all(mantle: bool, exempt: tuple[str, ...], **output: Any) -> None:
    """Print a policy that denies calls with any API key."""
    from bedrock_bearer.access.build import deny_all_keys

    _print(deny_all_keys(mantle=mantle, exempt=exempt), **output)


@policy.command("max-age")
@click.argument("days", type=click.IntRange(1, LONGEST_AGE_DAYS))
@click.option("--deny-reset", is_flag=True, help="Also deny giving a key a new secret.")
@with_options(*_OPTIONS)
def max_age(days: int, deny_reset: bool, exempt: tuple[str, ...], **output: Any) -> None:
    """Print a policy that lets no new long-term key live longer than DAYS."""
    from bedrock_bearer.access.build import limit_key_age

    _print(limit_key_age(days, deny_reset=deny_reset, exempt=exempt), **output)
    if not deny_reset:
        click.echo(
            f"Not covered: {RESET_KEY} gives a key that exists a new secret and asks for no age. "
            "To deny it as well, add --deny-reset.",
            err=True,
        )


@policy.command("deny-creation")
@with_options(*_OPTIONS)
def deny_creation(exempt: tuple[str, ...], **output: Any) -> None:
    """Print a policy that denies the creation of long-term keys."""
    from bedrock_bearer.access.build import deny_key_creation

    _print(deny_key_creation(exempt=exempt), **output)


@policy.command()
@click.argument("files", nargs=-1, required=True, type=click.Path())
@click.option("--as", "kind", type=click.Choice(list(LAYERS)), help="What kind of policy it is.")
@click.option("--from-aws", is_flag=True, help="Also show what IAM Access Analyzer finds.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def lint(files: tuple[str, ...], kind: str | None, from_aws: bool, as_json: bool) -> None:
    """Check policies for what they let through. Exit code 4 if there is more than information."""
    from dataclasses import asdict

    from bedrock_bearer.access.linting import lint as find

    policy_type = LAYERS[kind].policy_type if kind else None
    documents = {path: read_policy(path, as_json=as_json).document for path in files}
    found = [
        (path, finding)
        for path, document in documents.items()
        for finding in find(document, policy_type)
    ]
    aws = ask_access_analyzer(documents if from_aws else {}, policy_type)
    is_clean = aws.is_clean and all(finding.severity == "information" for _, finding in found)
    code = OK if is_clean else REFUSED
    if as_json:
        findings = [{"policy": path, **asdict(finding)} for path, finding in found]
        more = aws.document() if from_aws else {}
        print_json({"ok": is_clean, "exit_code": code, "findings": findings, **more})
        sys.exit(code)
    for path, finding in found:
        place = "" if finding.statement is None else f" Statement[{finding.statement}]"
        click.echo(f"{path}{place}: {finding.severity} {finding.id}: {finding.message}")
        click.echo(f"    For example: {finding.example}")
        click.echo(f"    To mend it: {finding.fix}")
    for path, finding_of_aws in aws.findings:
        click.echo(f"{path} {finding_of_aws.describe()}")
    for problem in aws.unanswered:
        click.echo(problem, err=True)
    if not found and not aws.findings:
        click.echo("Nothing found.")
    sys.exit(code)


def _print(document: PolicyDocument, *, form: str | None, scp: bool) -> None:
    from bedrock_bearer.access import template

    if form == "terraform":
        click.echo(template.to_terraform(document, scp=scp))
    elif form == "cloudformation":
        click.echo(template.to_cloudformation(document, scp=scp))
    else:
        click.echo(document.to_json(indent=None if form == "json-min" else 2))
