"""`bedrock-bearer local`: runs a Bedrock on this machine."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from bedrock_bearer.cli.group import CommandGroup
from bedrock_bearer.errors import ConfigurationError

if TYPE_CHECKING:
    from datetime import timedelta

    from bedrock_bearer.local.bedrock import LocalBedrock
    from bedrock_bearer.local.faults import Fault
    from bedrock_bearer.local.server import LocalServer

NO_AWS = "This is a local Bedrock, not AWS. Its keys, replies and token counts are made up."
TOKEN_TYPES = click.Choice(["SHORT_TERM", "LONG_TERM"], case_sensitive=False)


@click.group(cls=CommandGroup)
def local() -> None:
    """Run a Bedrock on this machine: no AWS account needed."""


@local.command()
def story() -> None:
    """Show a refusal from start to end.

    Two keys of one user, a policy that denies one of them, and how to go on. No account needed.
    """
    from bedrock_bearer.local.story import tell

    for line in tell():
        click.echo(line)


@local.command("mint-key")
@click.option(
    "--type",
    "token_type",
    type=TOKEN_TYPES,
    default="SHORT_TERM",
    show_default=True,
    help="The type of the key.",
)
@click.option("--user", help="The role of a short-term key, the IAM user of a long-term key.")
@click.option("--account", default="123456789012", show_default=True, help="Twelve digits.")
@click.option("--region", default="us-east-1", show_default=True, help="AWS Region.")
@click.option("--hours", type=click.FloatRange(min=0), help="Hours until the key expires.")
def mint_key(
    token_type: str, user: str | None, account: str, region: str, hours: float | None
) -> None:
    """Print a made-up key in AWS's exact format. It is valid nowhere."""
    from bedrock_bearer.local.bedrock import LocalBedrock

    bedrock = LocalBedrock(region=region, account_id=_account(account))
    key = bedrock.mint_key(token_type.upper(), user_name=user, expires_in=_hours(hours))
    click.echo(key)


@local.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=0, help="The port. Default: a free one.")
@click.option(
    "--tls", is_flag=True, help="Serve HTTPS, which boto3 needs for keys, with a new certificate."
)
@click.option("--region", default="us-east-1", show_default=True, help="AWS Region.")
@click.option("--script", type=click.Path(exists=True, dir_okay=False), help="Replies, as JSON.")
@click.option(
    "--deny",
    type=TOKEN_TYPES,
    multiple=True,
    help="Attach a policy that denies keys of this type.",
)
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="NAME[:RATE]",
    help="Fail this share of the calls, such as throttling:0.1. `list` prints all names.",
)
@click.option(
    "--authorization-ids",
    is_flag=True,
    help="Give denials an id that IAM Toolbox explains, as AWS's IAM does.",
)
def serve(
    host: str,
    port: int,
    tls: bool,
    region: str,
    script: str | None,
    deny: tuple[str, ...],
    faults: tuple[str, ...],
    authorization_ids: bool,
) -> None:
    """Serve a local Bedrock over HTTP/1.1 and HTTP/2, with IAM and what else explains a denial.

    Prints the variables that lead this package, boto3 and the AWS CLI to it: the endpoint, an
    administrator's access key, and a key of each type. SHORT_TERM_KEY belongs to the role dev,
    LONG_TERM_KEY to an IAM user.
    """
    if "list" in faults:
        _list_faults()
        return
    from bedrock_bearer.local.server import LocalServer

    bedrock = _bedrock(region, script, deny, faults, authorization_ids=authorization_ids)
    try:
        server = LocalServer(bedrock, host=host, port=port, tls=tls)
    except OSError as error:
        raise ConfigurationError(f"Cannot listen on {host}, port {port}: {error}.") from None
    click.echo(NO_AWS, err=True)
    click.echo(f"Listening on {server.url}. Stop it with Ctrl-C. To use it:", err=True)
    for name, value in _variables(bedrock, server).items():
        click.echo(f"export {name}={value}")
    sys.stdout.flush()
    try:
        server.run()
    finally:
        server.close()


def _variables(bedrock: LocalBedrock, server: LocalServer) -> dict[str, str]:
    """Return the environment variables that lead AWS's own clients and ours to the server."""
    access_key_id, secret = bedrock.create_access_key("administrator")
    long_term = bedrock.mint_key("LONG_TERM")
    return {
        **server.variables(bedrock.region),
        "AWS_ACCESS_KEY_ID": access_key_id,
        "AWS_SECRET_ACCESS_KEY": secret,
        "SHORT_TERM_KEY": bedrock.mint_key("SHORT_TERM"),
        "LONG_TERM_KEY": long_term,
        "AWS_BEARER_TOKEN_BEDROCK": long_term,
    }


def _bedrock(
    region: str,
    script: str | None,
    deny: tuple[str, ...],
    faults: tuple[str, ...],
    *,
    authorization_ids: bool,
) -> LocalBedrock:
    from bedrock_bearer.access.build import deny_use
    from bedrock_bearer.local.bedrock import LocalBedrock
    from bedrock_bearer.local.script import load_script

    bedrock = LocalBedrock(region=region, authorization_ids=authorization_ids)
    if script is not None:
        try:
            load_script(script, bedrock)
        except ValueError as error:
            raise ConfigurationError(f"{script}: {error}") from None
    for token_type in deny:
        bedrock.attach_policy(None, deny_use(token_type.upper()))
    for text in faults:
        fault, rate = _fault(text)
        bedrock.inject_at_rate(fault, rate)
    return bedrock


def _fault(text: str) -> tuple[Fault, float]:
    from bedrock_bearer.local.faults import BY_NAME

    name, _, rate = text.partition(":")
    if name not in BY_NAME:
        raise click.UsageError(f"There is no fault {name!r}; `--fault list` prints all names.")
    try:
        share = float(rate or 1)
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise click.UsageError(f"The rate in {text!r} is not above 0 and at most 1.")
    return BY_NAME[name](), share


def _list_faults() -> None:
    from bedrock_bearer.local.faults import BY_NAME

    for name in BY_NAME:
        click.echo(name)


def _account(text: str) -> str:
    if len(text) == 12 and text.isascii() and text.isdigit():
        return text
    raise click.UsageError("--account takes twelve digits.")


def _hours(hours: float | None) -> timedelta | None:
    from datetime import timedelta

    return None if hours is None else timedelta(hours=hours)
