"""`bedrock-bearer check`: which keys of a rotation are usable."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from bedrock_bearer.cli.default_model import chosen_model
from bedrock_bearer.cli.outcome import (
    CONFIGURATION,
    LATER,
    NETWORK,
    OK,
    REFUSED,
    REJECTED,
    error_document,
    fail,
    key_document,
    print_json,
    span,
)
from bedrock_bearer.errors import BedrockError

if TYPE_CHECKING:
    from bedrock_bearer.keys.description import KeyDescription
    from bedrock_bearer.keys.sources import KeySource
    from bedrock_bearer.rotation import KeyCheck, RotationReport

_EXIT_CODES = {
    "missing": CONFIGURATION,
    "invalid": CONFIGURATION,
    "wrong Region": CONFIGURATION,
    "rejected": REFUSED,
    "expired": REFUSED,
    "denied": REFUSED,
    "operation denied": REFUSED,
    "throttled": LATER,
    "unreachable": NETWORK,
    "failed": REJECTED,
}
_WORST_FIRST = (REFUSED, CONFIGURATION, REJECTED, NETWORK, LATER)


@click.command()
@click.option("--key", "keys", multiple=True, metavar="SOURCE", help="env:NAME, file:PATH or -.")
@click.option("--any", "any_key", is_flag=True, help="Exit 0 when at least one key is usable.")
@click.option("--converse", is_flag=True, help="Make a Converse call of one token: it is billed.")
@click.option("-m", "--model", help="The model for --converse.")
@click.option("-r", "--region", help="AWS Region.")
@click.option("--endpoint-url", help="Where to call instead of the Region's endpoint.")
@click.option(
    "--watch",
    type=click.FloatRange(min=0.1),
    metavar="SECONDS",
    help="Check again and again; print changes.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def check(
    keys: tuple[str, ...],
    any_key: bool,
    converse: bool,
    model: str | None,
    region: str | None,
    endpoint_url: str | None,
    watch: float | None,
    as_json: bool,
) -> None:
    """Check the keys of a rotation: which are usable, and may the first be retired?

    Without --key, check those in AWS_BEARER_TOKEN_BEDROCK and AWS_BEARER_TOKEN_BEDROCK_FALLBACK.
    The first key is the one in use. The exit code is 0 if all keys are usable (with --any, if one
    is); else 3 if a key is missing or malformed, 4 refused, 5 throttled, 7 unreachable.
    """
    if watch is not None and as_json:
        raise click.UsageError("--watch and --json do not go together.")
    options: dict[str, Any] = {
        "region": region,
        "endpoint_url": endpoint_url,
        "converse": converse,
        "model_id": _model(model, region) if converse else None,
    }
    try:
        sources = [_source(key) for key in keys] or None
        report = _report(sources, options)
        if watch is not None:
            _watch(sources, options, report, watch)
    except BedrockError as error:
        fail(error, as_json=as_json)
    if as_json:
        print_json(_document(report, any_key))
    else:
        for line in _table(report):
            click.echo(line)
    sys.exit(exit_code(report, any_key=any_key))


def exit_code(report: RotationReport, *, any_key: bool) -> int:
    """Return the exit code for a report."""
    if report.all_usable or (any_key and report.any_usable):
        return OK
    codes = {_EXIT_CODES[check.status] for check in report.checks if not check.is_usable}
    return next(code for code in _WORST_FIRST if code in codes)


def _source(spec: str) -> KeySource:
    from bedrock_bearer.keys.stored import named_source

    return named_source(spec)


def _report(sources: list[KeySource] | None, options: dict[str, Any]) -> RotationReport:
    from bedrock_bearer.rotation import check_keys

    return check_keys(sources, **options)


def _model(model: str | None, region: str | None) -> str:
    from bedrock_bearer.regions import region_of_environment

    return chosen_model(model, region or region_of_environment())


def _watch(
    sources: list[KeySource] | None,
    options: dict[str, Any],
    report: RotationReport,
    seconds: float,
) -> None:
    """Print a line for each key and for the verdict, then one for each change."""
    shown: dict[str, str] = {}
    while True:
        lines = {result.name: _line(result) for result in report.checks}
        for name, line in {**lines, "": _verdict(report)}.items():
            if shown.get(name) != line:
                shown[name] = line
                click.echo(f"{time.strftime('%H:%M:%S')}  {line}")
        time.sleep(seconds)
        report = _report(sources, options)


def _line(result: KeyCheck) -> str:
    which = f"{result.key.token_type or 'key'} ...{result.key.last_four}" if result.key else "-"
    return f"{result.name:<40}  {which:<18}  {result.status}"


def _table(report: RotationReport) -> list[str]:
    lines = []
    for result in report.checks:
        lines.append(_line(result))
        lines += [f"    {detail}" for detail in _details(result)]
    return [*lines, _verdict(report), *(f"  {reason}" for reason in report.reasons)]


def _details(result: KeyCheck) -> list[str]:
    details = [*_times(result.key)]
    if result.error is not None:
        called = f"{result.operation}: " if result.operation else ""
        details.append(f"{called}{result.error.message}")
    if result.advice:
        details.append(result.advice)
    if result.governing_policy is not None:
        details += result.governing_policy.explain().splitlines()
    return details


def _times(key: KeyDescription | None) -> list[str]:
    if key is None or key.expires_at is None or key.issued_at is None:
        return []
    now = datetime.now(UTC)
    ends = "expired" if key.expires_at <= now else "expires at the latest"
    age = span((now - key.issued_at).total_seconds())
    return [f"{age} old, {ends} {key.expires_at:%Y-%m-%d %H:%M:%S} UTC"]


def _verdict(report: RotationReport) -> str:
    verdict = "safe" if report.safe_to_retire else "NOT safe"
    return f"It is {verdict} to retire {report.checks[0].name}."


def _document(report: RotationReport, any_key: bool) -> dict[str, Any]:
    code = exit_code(report, any_key=any_key)
    return {
        "ok": code == OK,
        "exit_code": code,
        "safe_to_retire": report.safe_to_retire,
        "reasons": list(report.reasons),
        "keys": [_key_checked(result) for result in report.checks],
    }


def _key_checked(result: KeyCheck) -> dict[str, Any]:
    return {
        "name": result.name,
        "status": result.status,
        "usable": result.is_usable,
        "operation": result.operation,
        "region": result.region,
        "advice": result.advice,
        "key": key_document(result.key),
        "error": error_document(result.error) if result.error else None,
    }
