"""The command line, `bedrock-bearer`. A command's module is imported when the command runs.

Exit codes: 0 ok, allowed, safe; 1 unexpected; 2 usage; 3 configuration; 4 refused, denied, not
safe; 5 throttled or unavailable; 6 request rejected; 7 network; 8 undecided; 130 interrupted.
"""

from __future__ import annotations

import errno
import importlib
import io
import logging
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any

import click

from bedrock_bearer.cli.gate import refuse_keys
from bedrock_bearer.cli.outcome import INTERRUPTED, UNEXPECTED, fail, print_failure
from bedrock_bearer.errors import BedrockError
from bedrock_bearer.keys.recognition import without_secrets
from bedrock_bearer.version import __version__

PROGRAM = "bedrock-bearer"

logger = logging.getLogger("bedrock_bearer")

_NOT_WRITTEN = (errno.ENOSPC, errno.EPIPE, errno.EIO, errno.EFBIG)

_COMMANDS = {
    "check": "Check the keys before and during a rotation: which are usable, and why not.",
    "key": "Describe an API key offline; create, list, rotate and retire long-term keys.",
    "local": "Run a Bedrock on this machine: no AWS account needed.",
    "policy": "Write and explain the IAM policies that govern API keys.",
    "smoke": "Make one small Converse call and print the reply and what it cost.",
}


class _WarningsOnStderr(logging.Handler):
    """Shows the library's warnings, such as another key being used, on stderr."""

    def emit(self, record: logging.LogRecord) -> None:
        click.echo(f"Warning: {record.getMessage()}", err=True)


class _Root(click.Group):
    """Imports a command's module when that command is used, and ends every command alike."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        arguments = list(sys.argv[1:] if args is None else args)
        as_json = _asks_for_json(arguments)
        warnings = _WarningsOnStderr(logging.WARNING)
        logger.addHandler(warnings)
        try:
            refuse_keys(arguments)
            # click's standalone mode would end an interrupt with exit code 1.
            code = super().main(
                arguments, prog_name or PROGRAM, complete_var, standalone_mode=False, **extra
            )
        except BedrockError as error:
            fail(error, as_json=as_json)
        except click.ClickException as error:
            print_failure(
                type(error).__name__, _message(error, as_json), error.exit_code, as_json=as_json
            )
            sys.exit(error.exit_code)
        except (click.Abort, KeyboardInterrupt):
            print_failure("Interrupted", "Interrupted.", INTERRUPTED, as_json=as_json)
            sys.exit(INTERRUPTED)
        except Exception as error:
            if as_json:
                # The traceback on stderr has the rest; its text may hold anything.
                print_failure(type(error).__name__, "Unexpected error.", UNEXPECTED, as_json=True)
            raise
        finally:
            logger.removeHandler(warnings)
        sys.exit(code)

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
            # The text is not shown: it may be a secret that nothing recognizes.
            ctx.fail(f"There is no such command. There are: {', '.join(sorted(_COMMANDS))}.")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(sorted(_COMMANDS.items()))


def _message(error: click.ClickException, as_json: bool) -> str:
    """Return click's message, with the usage for people; it may hold what was typed."""
    if as_json:
        return without_secrets(error.format_message())
    shown = io.StringIO()
    error.show(shown)
    return without_secrets(shown.getvalue().rstrip())


def _asks_for_json(arguments: Sequence[str]) -> bool:
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return "--json" in options


@click.group(cls=_Root, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name=PROGRAM)
def cli() -> None:
    """A client for Amazon Bedrock API keys that says which policy refused a call.

    \b
    Exit codes: 0 ok, allowed, safe · 1 unexpected · 2 usage · 3 no key or Region ·
    4 refused, denied, not safe · 5 throttled or unavailable · 6 request rejected ·
    7 network · 8 undecided · 130 interrupted

    \b
    Completion, for bash (also: zsh_source, fish_source):
      eval "$(_BEDROCK_BEARER_COMPLETE=bash_source bedrock-bearer)"
    """


def main() -> Any:
    """Run the command line."""
    _end_signals_as_an_interrupt()
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A reply that was paid for is printed, even where the terminal lacks a character.
        sys.stdout.reconfigure(errors="replace")
    try:
        cli.main()
    except OSError as error:
        if error.errno not in _NOT_WRITTEN:
            raise
        click.echo(f"Not everything was written: {error.strerror}.", err=True)
        sys.exit(UNEXPECTED)
    finally:
        _drop_output_that_nobody_takes()


def _end_signals_as_an_interrupt() -> None:
    """Let a command that is told to end tidy up and say what it leaves behind, as for Ctrl-C."""
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        # `nohup` has SIGHUP ignored; Windows does not have it.
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)


def _drop_output_that_nobody_takes() -> None:
    """Python would try to write it once more, and end with exit code 120 instead of ours."""
    if sys.stdout is None:
        return
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
