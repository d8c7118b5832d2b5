"""The groups of commands, and the options that several commands have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

Command = Callable[..., Any]

_NO_LIMIT = 1000


class CommandGroup(click.Group):
    """Shows the whole first sentence of each command's help; click alone cuts it."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        commands = {name: self.get_command(ctx, name) for name in self.list_commands(ctx)}
        rows = [
            (name, command.get_short_help_str(limit=_NO_LIMIT))
            for name, command in commands.items()
            if command is not None
        ]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def with_options(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Return a decorator that gives a command these options, in this order."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def check_sources(ctx: click.Context, option: click.Parameter, given: Any) -> Any:
    """Refuse what is not a source of a key, without showing it; the callback of an option."""
    from bedrock_bearer.keys.stored import problem_of_spec

    for spec in [given] if isinstance(given, str) else given or ():
        problem = problem_of_spec(spec)
        if problem:
            raise click.UsageError(problem)
    return given
