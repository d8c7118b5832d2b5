"""What the `key` commands have in common: options, and how a long-term key is shown."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from bedrock_bearer.cli.outcome import print_json

if TYPE_CHECKING:
    from bedrock_bearer.aws.lifecycle import KeyLifecycle
    from bedrock_bearer.aws.long_term_keys import LongTermKey

DRY_RUN = click.option("--dry-run", is_flag=True, help="Print what would be done; change nothing.")
JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


def key_lifecycle() -> KeyLifecycle:
    """Return what manages long-term keys, with the AWS credentials of the environment."""
    from bedrock_bearer.aws.lifecycle import KeyLifecycle

    return KeyLifecycle()


def print_steps(steps: list[str], as_json: bool) -> None:
    """Print what a dry run would do."""
    if as_json:
        print_json({"ok": True, "dry_run": True, "steps": steps})
        return
    for step in steps:
        click.echo(f"would {step}")


def key_line(key: LongTermKey, fingerprint: str | None = None) -> str:
    """Return a key as a line of text."""
    now = datetime.now(UTC)
    end = f"expires {key.expires_at:%Y-%m-%d %H:%M} UTC" if key.expires_at else "never expires"
    if key.is_expired(now):
        end = end.replace("expires", "expired")
    shown = f"  fingerprint {fingerprint}" if fingerprint else ""
    days = key.age(now).days
    return f"{key.user_name}  {key.credential_id}  {key.status}  {days} days old  {end}{shown}"


def key_table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows of text with their columns aligned."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def listed_document(key: LongTermKey, fingerprint: str | None = None) -> dict[str, Any]:
    """Return a key as JSON."""
    return {
        "user_name": key.user_name,
        "credential_id": key.credential_id,
        "alias": key.alias,
        "fingerprint": fingerprint,
        "status": key.status,
        "created_at": key.created_at.isoformat(),
        "expires_at": key.expires_at.isoformat() if key.expires_at else None,
        "is_expired": key.is_expired(),
        "age_days": key.age().days,
    }
