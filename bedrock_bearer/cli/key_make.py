"""`bedrock-bearer key create|rotate`: makes long-term keys and hands them over."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from bedrock_bearer.cli.group import with_options
from bedrock_bearer.cli.key_output import (
    DRY_RUN,
    JSON,
    key_lifecycle,
    key_line,
    listed_document,
    print_steps,
)
from bedrock_bearer.cli.outcome import key_document, print_json

if TYPE_CHECKING:
    from bedrock_bearer.aws.handover import Handover
    from bedrock_bearer.aws.key_rotation import Rotation
    from bedrock_bearer.aws.long_term_keys import NewKey

_DAYS = click.option(
    "--days", type=click.IntRange(1, 36_600), help="Days until it expires. Default: never."
)


_destination = with_options(
    click.option("--out", metavar="FILE", help="Write the key into FILE, with mode 0600."),
    click.option("--stdout", is_flag=True, help="Print the key on standard output."),
    click.option(
        "--to-command",
        metavar="CMD",
        help="Give the key to a shell command on its standard input; it must exit with 0.",
    ),
)


@click.command()
@click.argument("user", required=False)
@click.option("--new-user", is_flag=True, help="Create the user too, as the AWS console does.")
@_DAYS
@_destination
@DRY_RUN
@JSON
def create(
    user: str | None,
    new_user: bool,
    days: int | None,
    out: str | None,
    stdout: bool,
    to_command: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Create a long-term key for the IAM user USER. IAM shows its secret only this once."""
    if user is None and not new_user:
        raise click.UsageError("Give the IAM USER that the key is for, or --new-user.")
    render = partial(_rendered_new_key, as_json=as_json)
    handover = _handover(out, stdout, to_command, render, replace_existing=False)
    handover.check()
    owner = f"a new user {user or 'BedrockAPIKey-...'}" if new_user else f"the user {user}"
    if dry_run:
        steps = [f"make a key for {owner}, {_life(days)}", f"write it to {handover.where}"]
        print_steps(steps, as_json)
        return
    lifecycle = key_lifecycle()
    if new_user:
        new = lifecycle.create_with_user(user, days=days, handover=handover)
    else:
        new = lifecycle.create(str(user), days=days, handover=handover)
    _note_fingerprint(new)
    if as_json and not stdout:
        print_json(_new_document(new))
    elif not as_json:
        line = key_line(new.listed, new.key.fingerprint)
        click.echo(f"Made {line}, written to {handover.where}.", err=True)


@click.command()
@click.argument("user")
@_DAYS
@_destination
@click.option("--retire-old", is_flag=True, help="Deactivate the old key in the end.")
@click.option("-r", "--region", help="AWS Region to try the new key in.")
@click.option(
    "--wait",
    type=click.FloatRange(0),
    metavar="SECONDS",
    default=120.0,
    show_default=True,
    help="How long to wait until Bedrock accepts the new key.",
)
@DRY_RUN
@JSON
def rotate(
    user: str,
    days: int | None,
    out: str | None,
    stdout: bool,
    to_command: str | None,
    retire_old: bool,
    region: str | None,
    wait: float,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Replace the only key of USER by a new one.

    Create the new key, wait until Bedrock accepts it, and hand it over: to a file (which is
    replaced), to a command or to standard output. Both keys are active then. With --retire-old,
    check the new key once more and deactivate the old one. Deleting is always a command of its own.

    If anything fails, the old key stays active. A rotation that was cut short goes on when the
    same command is run again. Until it is handed over, the new key is kept in a file that only you
    can read, below ~/.local/state/bedrock-bearer.
    """
    from bedrock_bearer.aws.key_rotation import KeyRotation
    from bedrock_bearer.rotation import try_key

    if stdout and as_json and retire_old:
        raise click.UsageError("With --stdout and --json, retire the old key by `key retire`.")
    render = partial(_rendered_new_key, as_json=as_json)
    handover = _handover(out, stdout, to_command, render, replace_existing=True)
    handover.check()
    lifecycle = key_lifecycle()
    rotation = KeyRotation(
        lifecycle,
        user,
        handover=handover,
        try_key=partial(try_key, region=region),
        days=days,
        wait=wait,
    )
    if dry_run:
        unfinished = rotation.unfinished(retire_old=retire_old)
        if unfinished is None:
            old_id = lifecycle.key_to_replace(user).credential_id
            steps = [f"make a second key for the user {user}, {_life(days)}"]
        else:
            old_id = unfinished.old_id
            steps = [f"go on with the rotation of {old_id} that was begun before"]
        if unfinished is None or not unfinished.is_handed_over:
            steps.append(f"wait until Bedrock accepts the new key, {wait:g} s at most")
            steps.append(f"write it to {handover.where}")
        print_steps([*steps, *[f"deactivate {old_id}"] * retire_old], as_json)
        return
    done = rotation.run(retire_old=retire_old)
    if as_json and not stdout:
        print_json(_rotation_document(done))
    elif not as_json:
        click.echo("\n".join(_state(done, handover)), err=True)


def _handover(
    out: str | None, stdout: bool, to_command: str | None, render: Any, *, replace_existing: bool
) -> Handover:
    if [out is not None, stdout, to_command is not None].count(True) != 1:
        raise click.UsageError(
            "Say where the key goes, as it is shown only once: --out FILE or --stdout, or "
            "--to-command CMD."
        )
    from bedrock_bearer.aws.handover import ToCommand, ToFile, ToStream

    if out is not None:
        return ToFile(out, replace_existing=replace_existing)
    return ToStream(render=render) if to_command is None else ToCommand(to_command)


def _rendered_new_key(new: NewKey, *, as_json: bool) -> str:
    if not as_json:
        return new.key.get_secret_value()
    document = {**_new_document(new), "secret": new.key.get_secret_value()}
    return json.dumps(document, indent=2, default=str)


def _new_document(new: NewKey) -> dict[str, Any]:
    return {
        "ok": True,
        "new": listed_document(new.listed, new.key.fingerprint),
        "key": key_document(new.key.description),
    }


def _rotation_document(done: Rotation) -> dict[str, Any]:
    return {
        "ok": True,
        "new": listed_document(done.new, done.fingerprint),
        "key": key_document(done.key),
        "old": listed_document(done.old) if done.old else None,
        "retired": done.is_retired,
        "next": _next(done),
    }


def _state(done: Rotation, handover: Handover) -> list[str]:
    """Return what a rotation has done, and the next command."""
    when = "handed over by an earlier run to" if done.is_resumed else "written to"
    lines = [f"The new key: {key_line(done.new, done.fingerprint)}, {when} {handover.where}."]
    if done.old is not None:
        lines.append(f"The old key: {key_line(done.old)}.")
    return [*lines, *(f"{what}: {command}" for what, command in _next(done).items())]


def _next(done: Rotation) -> dict[str, str]:
    """Return the commands to go on with."""
    if done.old is None:
        return {}
    retire = done.old.retire_command
    if done.is_retired:
        return {"To undo this": f"{retire} --reactivate", "To end it": f"{retire} --delete"}
    back = done.new.retire_command
    return {"When the new key is in use": retire, "To undo this": back}


def _note_fingerprint(new: NewKey) -> None:
    from contextlib import suppress

    from bedrock_bearer.aws.state import StateStore
    from bedrock_bearer.errors import ConfigurationError

    # The key has been handed over; a fingerprint that cannot be stored is not an error.
    with suppress(ConfigurationError):
        StateStore().note_fingerprint(new.listed.credential_id, new.key.fingerprint)


def _life(days: int | None) -> str:
    return "which never expires" if days is None else f"which expires in {days} days"
