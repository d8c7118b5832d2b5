"""The command line, `bedrock-bearer`. A command's module is imported when the command runs.

Exit codes: 0 ok, 1 unexpected, 2 usage, 3 configuration, 4 key refused, 5 throttled or
unavailable, 6 request rejected, 7 network, 130 interrupted.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

import click

from bedrock_bearer.version import __version__

_COMMANDS = {
    "check": "Check the keys before and during a rotation: which are usable, and why not.",
    "key": "Describe an API key offline; create, list, rotate and retire long-term keys.",
    "local": "Run a Bedrock on this machine: no AWS account needed.",
    "policy": "Write and explain the IAM policies that govern API keys.",
    "smoke": "Make one small Converse call and print the reply and what it cost.",
}


class _LazyGroup(click.Group):
    """Imports a command's module only when that command is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f"bedrock_bearer.cli.{cmd_name}")
        command: click.Command = getattr(module, cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in _COMMANDS and not args[0].startswith("-"):
            # The text is not shown: it may be a key.
            ctx.fail(f"There is no such command. There are: {', '.join(sorted(_COMMANDS))}.")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(sorted(_COMMANDS.items()))


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="bedrock-bearer")
def cli() -> None:
    """A client for Amazon Bedrock API keys that says which policy refused a call.

    \b
    Exit codes: 0 ok · 1 unexpected · 2 usage · 3 no key or Region · 4 key refused ·
    5 throttled or unavailable · 6 request rejected · 7 network · 130 interrupted
    """


def main() -> Any:
    """Run the command line."""
    try:
        # click's standalone mode would end an interrupt with exit code 1.
        sys.exit(cli.main(prog_name="bedrock-bearer", standalone_mode=False))
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        sys.exit(130)
