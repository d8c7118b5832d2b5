"""`bedrock-bearer key list|orphans|permissions`: the keys of an account."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from bedrock_bearer.cli.group import check_sources
from bedrock_bearer.cli.key_output import (
    DRY_RUN,
    JSON,
    key_lifecycle,
    key_table,
    listed_document,
    print_steps,
)
from bedrock_bearer.cli.outcome import OK, REFUSED, print_json
from bedrock_bearer.errors import BedrockError, KeyLifecycleError

if TYPE_CHECKING:
    from bedrock_bearer.aws.lifecycle import KeyLifecycle, OrphanedUser
    from bedrock_bearer.aws.long_term_keys import LongTermKey
    from bedrock_bearer.keys.api_key import ApiKey

_HEADS = ("USER", "ID", "FINGERPRINT", "STATUS", "AGE", "EXPIRES", "NOTES")


@click.command("list")
@click.argument("user", required=False)
@click.option(
    "--older-than",
    type=click.IntRange(0),
    metavar="DAYS",
    help="List only older keys, and exit with 4 if there are any.",
)
@click.option(
    "--key",
    "sources",
    multiple=True,
    metavar="SOURCE",
    callback=check_sources,
    help="A key you have (env:NAME, file:PATH or -): show which one it is.",
)
@DRY_RUN
@JSON
def list_keys(
    user: str | None,
    older_than: int | None,
    sources: tuple[str, ...],
    dry_run: bool,
    as_json: bool,
) -> None:
    """List the long-term keys of USER, or of all users.

    Fingerprints are known of the keys that were made on this machine and of those given as --key.
    IAM stores neither the fingerprint nor when a key was last used.
    """
    from bedrock_bearer.keys.stored import read_key

    if dry_run:
        print_steps([f"list the keys of {user or 'all users'}"], as_json)
        return
    given = [read_key(source) for source in sources]
    lifecycle = key_lifecycle()
    keys = lifecycle.list_keys(user)
    if older_than is not None:
        keys = [key for key in keys if key.age() >= timedelta(days=older_than)]
    orphans = [] if user or older_than is not None else _orphans(lifecycle)
    fingerprints = _fingerprints(keys, given)
    code = REFUSED if older_than is not None and keys else OK
    if as_json:
        documents = [
            {**listed_document(key, fingerprints.get(key.credential_id)), "notes": _notes(key)}
            for key in keys
        ]
        users = [_orphan_document(orphan) for orphan in orphans]
        print_json({"ok": code == OK, "exit_code": code, "keys": documents, "orphans": users})
    else:
        rows = [_row(key, fingerprints.get(key.credential_id)) for key in keys]
        rows += [_orphan_row(orphan) for orphan in orphans]
        for line in key_table([_HEADS, *rows]) if rows else []:
            click.echo(line)
        if not rows:
            click.echo(f"There are no {'such ' if older_than is not None else ''}keys.", err=True)
    sys.exit(code)


@click.command()
@click.option("--delete", is_flag=True, help="Remove them, and detach their policies.")
@DRY_RUN
@JSON
def orphans(delete: bool, dry_run: bool, as_json: bool) -> None:
    """List the IAM users named BedrockAPIKey-... that have no key."""
    removed: list[str] = []
    lifecycle = key_lifecycle()
    users = lifecycle.find_orphaned_users()
    try:
        for user in users if delete and not dry_run else []:
            lifecycle.remove_user(user.user_name)
            removed.append(user.user_name)
    except BedrockError as error:
        if removed:
            error.message += f" Removed before: {', '.join(removed)}."
        raise
    if as_json:
        documents = [_orphan_document(user) for user in users]
        print_json({"ok": True, "dry_run": dry_run, "orphans": documents, "removed": removed})
        return
    for user in users:
        would = "would be removed  " if delete and dry_run else "removed  " if delete else ""
        click.echo(f"{would}{user.user_name}  made {user.created_at:%Y-%m-%d}")
    if not users:
        click.echo("There are no such users.", err=True)


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("command", nargs=-1)
@JSON
def permissions(command: tuple[str, ...], as_json: bool) -> None:
    """Print the least IAM policy that a `key` command needs, as JSON.

    COMMAND is a command, with the option that matters, such as `rotate --retire-old`. Without it,
    the policies of all commands are printed, by command.
    """
    from bedrock_bearer.aws.permissions import COMMANDS
    from bedrock_bearer.aws.permissions import permissions as policy_of

    named = " ".join(command)
    if named and named not in COMMANDS:
        raise click.UsageError(f"COMMAND is one of: {', '.join(COMMANDS)}.")
    document = policy_of(named) if named else {name: policy_of(name) for name in COMMANDS}
    click.echo(json.dumps(document, indent=2))


def _orphans(lifecycle: KeyLifecycle) -> list[OrphanedUser]:
    try:
        return lifecycle.find_orphaned_users()
    except KeyLifecycleError as error:
        click.echo(f"Users without a key are not listed. {error}", err=True)
    return []


def _fingerprints(keys: list[LongTermKey], given: list[ApiKey]) -> dict[str, str]:
    """Return the fingerprints that are known, by credential id."""
    from bedrock_bearer.aws.state import StateStore

    by_alias = {
        f"{key.user_name_candidates[-1]}-at-{key.account_id}": key.fingerprint
        for key in given
        if key.user_name_candidates
    }
    learnt = {key.credential_id: by_alias.get(key.alias or "", "") for key in keys}
    return StateStore().fingerprints() | {name: value for name, value in learnt.items() if value}


def _row(key: LongTermKey, fingerprint: str | None) -> tuple[str, ...]:
    return (
        key.user_name,
        key.credential_id,
        fingerprint or "-",
        key.status,
        f"{key.age().days} days",
        f"{key.expires_at:%Y-%m-%d %H:%M} UTC" if key.expires_at else "never",
        ", ".join(_notes(key)),
    )


def _notes(key: LongTermKey) -> list[str]:
    notes = {
        "expired": key.is_expired(),
        "inactive": key.status == "Inactive",
        "never expires": key.expires_at is None,
        "console user": key.is_of_console_user,
    }
    return [note for note, applies in notes.items() if applies]


def _orphan_row(user: OrphanedUser) -> tuple[str, ...]:
    age = f"{(datetime.now(UTC) - user.created_at).days} days"
    return (user.user_name, "-", "-", "-", age, "-", "user without a key")


def _orphan_document(user: OrphanedUser) -> dict[str, object]:
    return {"user_name": user.user_name, "arn": user.arn, "created_at": user.created_at}
