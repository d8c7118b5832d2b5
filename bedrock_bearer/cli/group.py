"""The groups of commands."""

from __future__ import annotations

import click

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
