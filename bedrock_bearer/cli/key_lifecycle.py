"""`bedrock-bearer key create|list|rotate|retire|orphans`: manages long-term keys over IAM."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from bedrock_bearer.cli.outcome import fail, key_document, print_json
from bedrock_bearer.errors import BedrockError

if TYPE_CHECKING:
    from bedrock_bearer.aws.long_term_keys import LongTermKey, NewKey
    from bedrock_bearer.keys.api_key import ApiKey

Command = Callable[..., Any]

_DRY_RUN = click.option("--dry-run", is_flag=True, help="Print what would be done; change nothing.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
_DAYS = click.option(
    "--days", type=click.IntRange(1, 36_600), help="Days until it expires. Default: never."
)


def _destination(command: Command) -> Command:
    file = click.option("--out", metavar="FILE", help="Write the key into FILE, with mode 0600.")
    stdout = click.option("--stdout", is_flag=True, help="Print the key on standard output.")
    return file(stdout(command))


@click.command()
@click.argument("user", required=False)
@click.option("--new-user", is_flag=True, help="Create the user too, as the AWS console does.")
@_DAYS
@_destination
@_DRY_RUN
@_JSON
def create(
    user: str | None,
    new_user: bool,
    days: int | None,
    out: str | None,
    stdout: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Create a long-term key for the IAM user USER. IAM shows its secret only this once."""
    _check_destination(out, stdout)
    if user is None and not new_user:
        raise click.UsageError("Give the IAM USER that the key is for, or --new-user.")
    owner = f"a new user {user or 'BedrockAPIKey-...'}" if new_user else f"the user {user}"
    steps = [f"make a key for {owner}, {_life(days)}", f"write it to {out or 'standard output'}"]
    try:
        _check_file(out, replace_existing=False)
        if dry_run:
            _say_steps(steps, as_json)
            return
        hand_over = _Handover(out, stdout, as_json, replace_existing=False)
        lifecycle = _lifecycle()
        if new_user:
            new = lifecycle.create_with_user(user, days=days, hand_over=hand_over)
        else:
            new = lifecycle.create(str(user), days=days, hand_over=hand_over)
    except BedrockError as error:
        fail(error, as_json=as_json)
    if as_json:
        print_json({"ok": True, **_new_document(new, hand_over)})
        return
    click.echo(f"Made {_line(new.listed)}{hand_over.where}.", err=True)


@click.command("list")
@click.argument("user", required=False)
@_DRY_RUN
@_JSON
def list_keys(user: str | None, dry_run: bool, as_json: bool) -> None:
    """List the long-term keys of USER, or of all users."""
    if dry_run:
        _say_steps([f"list the keys of {user or 'all users'}"], as_json)
        return
    try:
        keys = _lifecycle().list_keys(user)
    except BedrockError as error:
        fail(error, as_json=as_json)
    if as_json:
        print_json({"ok": True, "keys": [_listed_document(key) for key in keys]})
        return
    for key in keys:
        click.echo(_line(key))
    if not keys:
        click.echo("There are no keys.", err=True)


@click.command()
@click.argument("user")
@_DAYS
@_destination
@click.option("-r", "--region", help="AWS Region to try the new key in.")
@click.option(
    "--wait",
    type=click.FloatRange(0),
    metavar="SECONDS",
    default=120.0,
    show_default=True,
    help="How long to wait until Bedrock accepts the new key.",
)
@_DRY_RUN
@_JSON
def rotate(
    user: str,
    days: int | None,
    out: str | None,
    stdout: bool,
    region: str | None,
    wait: float,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Replace the only key of USER by a new one.

    Create the new key, wait up to --wait seconds until Bedrock accepts it, write it to --out
    (which is replaced) or print it, then deactivate the old key. `key retire --reactivate` undoes
    this; `key retire --delete` deletes the old key.
    """
    from bedrock_bearer.rotation import is_accepted

    _check_destination(out, stdout)
    try:
        _check_file(out, replace_existing=True)
        lifecycle = _lifecycle()
        old = lifecycle.key_to_replace(user)
        if dry_run:
            _say_steps(
                [
                    f"make a second key for the user {user}, {_life(days)}",
                    f"wait until Bedrock accepts it, {wait:g} s at most",
                    f"write it to {out or 'standard output'}",
                    f"deactivate {old.credential_id}",
                ],
                as_json,
            )
            return
        hand_over = _Handover(out, stdout, as_json, replace_existing=True)
        done = lifecycle.rotate(
            user,
            is_accepted=lambda key: is_accepted(key, region=region),
            hand_over=hand_over,
            days=days,
            wait=wait,
        )
    except BedrockError as error:
        fail(error, as_json=as_json)
    if as_json:
        document = _new_document(done.new, hand_over)
        print_json({"ok": True, **document, "old": _listed_document(done.old)})
        return
    click.echo(f"Made {_line(done.new.listed)}{hand_over.where}.", err=True)
    click.echo(
        f"Deactivated {done.old.credential_id}. To undo this: "
        f"bedrock-bearer key retire --reactivate {user} {done.old.credential_id}; "
        f"to delete it: bedrock-bearer key retire --delete {user} {done.old.credential_id}",
        err=True,
    )


@click.command()
@click.argument("user")
@click.argument("credential_id")
@click.option("--delete", is_flag=True, help="Delete the inactive key. This cannot be undone.")
@click.option("--reactivate", is_flag=True, help="Activate it again.")
@_DRY_RUN
@_JSON
def retire(
    user: str, credential_id: str, delete: bool, reactivate: bool, dry_run: bool, as_json: bool
) -> None:
    """Deactivate a key, activate it again, or delete it.

    USER is the IAM user, CREDENTIAL_ID is IAM's id of the key (ACCA...).
    """
    if delete and reactivate:
        raise click.UsageError("--delete and --reactivate do not go together.")
    does = "delete" if delete else "reactivate" if reactivate else "deactivate"
    try:
        lifecycle = _lifecycle()
        key = _key_of(lifecycle.list_keys(user), user, credential_id)
        if delete and key.status == "Active" and not key.is_expired():
            raise click.UsageError(
                f"{credential_id} is active. Deactivate it first: that can be undone."
            )
        if dry_run:
            _say_steps([f"{does} {credential_id} of {user}"], as_json)
            return
        getattr(lifecycle, does)(user, credential_id)
    except BedrockError as error:
        fail(error, as_json=as_json)
    done = f"{does.removesuffix('e')}ed"
    if as_json:
        print_json({"ok": True, "done": done, "key": _listed_document(key)})
        return
    click.echo(f"{done.capitalize()} {credential_id} of {user}.", err=True)


@click.command()
@click.option("--delete", is_flag=True, help="Remove them, and detach their policies.")
@_DRY_RUN
@_JSON
def orphans(delete: bool, dry_run: bool, as_json: bool) -> None:
    """List the IAM users named BedrockAPIKey-... that have no key."""
    removed: list[str] = []
    try:
        lifecycle = _lifecycle()
        users = lifecycle.find_orphaned_users()
        for user in users if delete and not dry_run else []:
            lifecycle.remove_user(user.user_name)
            removed.append(user.user_name)
    except BedrockError as error:
        if removed:
            error.message += f" Removed before: {', '.join(removed)}."
        fail(error, as_json=as_json)
    if as_json:
        documents = [
            {"user_name": user.user_name, "arn": user.arn, "created_at": user.created_at}
            for user in users
        ]
        print_json({"ok": True, "dry_run": dry_run, "orphans": documents, "removed": removed})
        return
    for user in users:
        would = "would be removed  " if delete and dry_run else "removed  " if delete else ""
        click.echo(f"{would}{user.user_name}  made {user.created_at:%Y-%m-%d}")
    if not users:
        click.echo("There are no such users.", err=True)


COMMANDS = (create, list_keys, rotate, retire, orphans)


class _Handover:
    """Writes or prints a new key."""

    def __init__(
        self, out: str | None, stdout: bool, as_json: bool, *, replace_existing: bool
    ) -> None:
        self._out = out
        self._prints = stdout and not as_json
        self._replace_existing = replace_existing
        self.shows_secret = stdout
        self.where = f", written to {out}" if out else ""

    def __call__(self, key: ApiKey) -> None:
        if self._out is not None:
            from bedrock_bearer.keys.key_file import write_key_file

            write_key_file(key, self._out, replace_existing=self._replace_existing)
        if self._prints:
            click.echo(key.get_secret_value())


def _lifecycle() -> Any:
    from bedrock_bearer.aws.lifecycle import KeyLifecycle

    return KeyLifecycle()


def _check_destination(out: str | None, stdout: bool) -> None:
    if (out is None) != stdout:
        raise click.UsageError(
            "Say where the key goes, as it is shown only once: --out FILE or --stdout."
        )


def _check_file(out: str | None, *, replace_existing: bool) -> None:
    if out is not None:
        from bedrock_bearer.keys.key_file import check_key_file

        check_key_file(out, replace_existing=replace_existing)


def _key_of(keys: list[LongTermKey], user: str, credential_id: str) -> LongTermKey:
    for key in keys:
        if key.credential_id == credential_id:
            return key
    held = ", ".join(key.credential_id for key in keys) or "none"
    raise click.UsageError(f"{user} has no key {credential_id}; it has {held}.")


def _say_steps(steps: list[str], as_json: bool) -> None:
    if as_json:
        print_json({"ok": True, "dry_run": True, "steps": steps})
        return
    for step in steps:
        click.echo(f"would {step}")


def _life(days: int | None) -> str:
    return "which never expires" if days is None else f"which expires in {days} days"


def _line(key: LongTermKey) -> str:
    now = datetime.now(UTC)
    end = f"expires {key.expires_at:%Y-%m-%d %H:%M} UTC" if key.expires_at else "never expires"
    if key.is_expired(now):
        end = end.replace("expires", "expired")
    days = key.age(now).days
    return f"{key.user_name}  {key.credential_id}  {key.status}  {days} days old  {end}"


def _listed_document(key: LongTermKey) -> dict[str, Any]:
    return {
        "user_name": key.user_name,
        "credential_id": key.credential_id,
        "alias": key.alias,
        "status": key.status,
        "created_at": key.created_at.isoformat(),
        "expires_at": key.expires_at.isoformat() if key.expires_at else None,
        "age_days": key.age().days,
    }


def _new_document(new: NewKey, hand_over: _Handover) -> dict[str, Any]:
    document: dict[str, Any] = {
        "new": _listed_document(new.listed),
        "key": key_document(new.key.description),
    }
    if hand_over.shows_secret:
        document["secret"] = new.key.get_secret_value()
    return document
