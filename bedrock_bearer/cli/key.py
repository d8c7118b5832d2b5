"""`bedrock-bearer key`: describes an API key offline, and manages long-term keys."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from bedrock_bearer.cli.group import CommandGroup
from bedrock_bearer.cli.key_list import list_keys, orphans, permissions
from bedrock_bearer.cli.key_make import create, rotate
from bedrock_bearer.cli.key_retire import retire
from bedrock_bearer.cli.outcome import fail, key_document, print_json, span
from bedrock_bearer.errors import BedrockError

if TYPE_CHECKING:
    from bedrock_bearer.keys.api_key import ApiKey


class _DescribeByDefault(CommandGroup):
    """Reads `key [SOURCE]` as `key describe [SOURCE]`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if ctx.resilient_parsing and not args:
            # The shell completes the first word: it may be a command.
            return super().parse_args(ctx, args)
        if not args or args[0] not in {*self.commands, *self.get_help_option_names(ctx)}:
            args = ["describe", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_DescribeByDefault, subcommand_metavar="[SOURCE] | COMMAND [ARGS]...")
def key() -> None:
    """Describe an API key, without sending it anywhere, or manage long-term keys over IAM.

    SOURCE is env:NAME, file:PATH or - (standard input), never the key itself. Default:
    AWS_BEARER_TOKEN_BEDROCK, then the file that AWS_BEARER_TOKEN_BEDROCK_FILE names.
    """


for command in (create, list_keys, rotate, retire, orphans, permissions):
    key.add_command(command)


# Takes any number of sources: click's own error for a second one would show it.
@key.command()
@click.argument("sources", nargs=-1, metavar="[SOURCE]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def describe(sources: tuple[str, ...], as_json: bool) -> None:
    """Describe the key from SOURCE (the default command)."""
    from bedrock_bearer.keys.stored import problem_of_spec, read_key

    if len(sources) > 1:
        raise click.UsageError("Give one SOURCE: env:NAME, file:PATH or - (standard input).")
    problem = problem_of_spec(sources[0]) if sources else None
    if problem:
        commands = ", ".join(sorted(key.commands))
        raise click.UsageError(f"{problem} The commands of `key` are {commands}.")
    try:
        api_key = read_key(*sources)
    except BedrockError as error:
        fail(error, as_json=as_json)
    if as_json:
        print_json(_document(api_key))
        return
    for name, value in _lines(api_key, datetime.now(UTC)):
        click.echo(f"{name:<15}{value}")


def _document(api_key: ApiKey) -> dict[str, object]:
    described = key_document(api_key.description) or {}
    more = {
        "is_expired": api_key.is_expired(),
        "user_name_candidates": api_key.user_name_candidates,
    }
    return {"ok": True, "key": described | more}


def _lines(api_key: ApiKey, now: datetime) -> list[tuple[str, str]]:
    lines = {
        "type": api_key.token_type or "unknown",
        "last four": api_key.last_four,
        "fingerprint": api_key.fingerprint,
        "source": api_key.source,
        "issued": _moment(api_key.issued_at),
        "expires": _expiry(api_key, now),
        "Region": api_key.region,
        "account": api_key.account_id and f"{api_key.account_id} (decoded, unverified)",
        "user": " or ".join(reversed(api_key.user_name_candidates)),
        "access key id": api_key.access_key_id,
    }
    return [(name, value) for name, value in lines.items() if value]


def _moment(moment: datetime | None) -> str | None:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment else None


def _expiry(api_key: ApiKey, now: datetime) -> str:
    if api_key.expires_at is None:
        return "unknown (only IAM stores it)"
    seconds = (api_key.expires_at - now).total_seconds()
    left = f"expired {span(-seconds)} ago" if seconds <= 0 else f"in {span(seconds)}"
    return f"{_moment(api_key.expires_at)} at the latest ({left})"
