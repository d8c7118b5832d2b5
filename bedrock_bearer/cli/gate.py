"""Refuses every argument that looks like an API key, before anything can show or send it."""

from __future__ import annotations

from collections.abc import Sequence

import click

from bedrock_bearer.keys.recognition import holds_key


def refuse_keys(arguments: Sequence[str]) -> None:
    """Refuse arguments of a command line that hold a key, without showing them.

    Raises:
        click.UsageError: an argument looks like a key, or holds one.
    """
    for position, argument in enumerate(arguments, start=1):
        if holds_key(argument):
            raise click.UsageError(
                f"Argument {position} looks like an API key or another secret. It is not shown, "
                "and nothing was sent. Other users of this machine can read a command line: pass "
                "a key as env:NAME, file:PATH or - (standard input), and consider replacing this "
                "one."
            )
