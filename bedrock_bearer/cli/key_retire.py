"""`bedrock-bearer key retire`: deactivates, reactivates and deletes long-term keys."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

import click

from bedrock_bearer.cli.key_output import (
    DRY_RUN,
    JSON,
    key_lifecycle,
    listed_document,
    print_steps,
)
from bedrock_bearer.cli.outcome import REFUSED, print_failure, print_json

if TYPE_CHECKING:
    from bedrock_bearer.aws.long_term_keys import LongTermKey


@click.command()
@click.argument("user")
@click.argument("credential_id")
@click.option("--delete", is_flag=True, help="Delete the inactive key. This cannot be undone.")
@click.option("--reactivate", is_flag=True, help="Activate it again.")
@click.option("--force", is_flag=True, help="Retire the last active key without asking.")
@DRY_RUN
@JSON
def retire(
    user: str,
    credential_id: str,
    delete: bool,
    reactivate: bool,
    force: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Deactivate a key, activate it again, or delete it.

    USER is the IAM user, CREDENTIAL_ID is IAM's id of the key (ACCA...). Before the last active
    key of a user is deactivated, this asks; without a yes it exits with 4. --force does not ask.
    """
    if delete and reactivate:
        raise click.UsageError("--delete and --reactivate do not go together.")
    lifecycle = key_lifecycle()
    keys = lifecycle.list_keys(user)
    key = _key_of(keys, user, credential_id)
    if delete and _is_active(key):
        raise click.UsageError(
            f"{credential_id} is active. Deactivate it first: that can be undone."
        )
    does = "delete" if delete else "reactivate" if reactivate else "deactivate"
    if dry_run:
        print_steps([f"{does} {credential_id} of {user}"], as_json)
        return
    if does == "deactivate" and not force and _is_last_active(key, _held(keys)):
        _ask(user, credential_id, as_json)
    change = {
        "delete": lifecycle.delete,
        "reactivate": lifecycle.reactivate,
        "deactivate": lifecycle.deactivate,
    }
    change[does](user, credential_id)
    done = f"{does.removesuffix('e')}ed"
    if as_json:
        now = replace(key, status="Active" if reactivate else "Inactive")
        print_json({"ok": True, "done": done, "key": listed_document(now)})
        return
    click.echo(f"{done.capitalize()} {credential_id} of {user}.", err=True)


def _key_of(keys: list[LongTermKey], user: str, credential_id: str) -> LongTermKey:
    for key in keys:
        if key.credential_id == credential_id:
            return key
    held = ", ".join(key.credential_id for key in keys) or "none"
    raise click.UsageError(f"The user has no key {credential_id}; it has {held}.")


def _held(keys: list[LongTermKey]) -> list[LongTermKey]:
    """Return the keys without the new one of a rotation that was cut short: nobody has that."""
    from bedrock_bearer.aws.state import StateStore

    state = StateStore().find(keys)
    if state is None or state.is_handed_over:
        return keys
    return [key for key in keys if key.credential_id == state.old_id]


def _is_active(key: LongTermKey) -> bool:
    return key.status == "Active" and not key.is_expired()


def _is_last_active(key: LongTermKey, keys: list[LongTermKey]) -> bool:
    return _is_active(key) and not any(_is_active(each) for each in keys if each is not key)


def _ask(user: str, credential_id: str, as_json: bool) -> None:
    """Ask before the last active key of a user is deactivated; end the command without a yes."""
    is_sure = False
    if not as_json:
        try:
            is_sure = click.confirm(
                f"{credential_id} is the last active key of {user} that anybody is known to have: "
                "whoever uses it will be refused. Deactivate it?",
                err=True,
            )
        except click.Abort:
            click.echo(err=True)
    if not is_sure:
        _refuse(user, credential_id, as_json)


def _refuse(user: str, credential_id: str, as_json: bool) -> NoReturn:
    message = (
        f"{credential_id} is the last active key of {user} that anybody is known to have, and was "
        "not deactivated. Make another one first, or end the rotation that was cut short "
        "(bedrock-bearer key rotate), or give --force."
    )
    print_failure("LastActiveKey", message, REFUSED, as_json=as_json)
    raise SystemExit(REFUSED)
