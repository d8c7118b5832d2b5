"""`bedrock-bearer check`: which keys of a rotation are usable."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from bedrock_bearer.cli.default_model import chosen_model
from bedrock_bearer.cli.group import check_sources
from bedrock_bearer.cli.outcome import (
    CONFIGURATION,
    LATER,
    NETWORK,
    OK,
    REFUSED,
    REJECTED,
    error_document,
    key_document,
    print_json,
    span,
)
from bedrock_bearer.regions import region_of_environment

if TYPE_CHECKING:
    from bedrock_bearer.keys.description import KeyDescription
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
_SECONDS_BETWEEN_CHECKS = 2.0
_LONGEST_WAIT = 600.0
_SHORTEST_CHECK, _LONGEST_CHECK = 1.0, 10.0


@click.command()
@click.option(
    "--key",
    "keys",
    multiple=True,
    metavar="SOURCE",
    callback=check_sources,
    help="env:NAME, file:PATH or -.",
)
@click.option("--any", "any_key", is_flag=True, help="Ask only: is at least one key usable?")
@click.option("--converse", is_flag=True, help="Make a Converse call of one token: it is billed.")
@click.option("-m", "--model", help="The model for --converse.")
@click.option("-r", "--region", help="AWS Region.")
@click.option("--endpoint-url", help="Where to call instead of the Region's endpoint.")
@click.option(
    "--watch",
    type=click.FloatRange(min=0.1),
    metavar="SECONDS",
    help="Check again and again; print a line for each change.",
)
@click.option(
    "--until-safe",
    is_flag=False,
    flag_value=_LONGEST_WAIT,
    type=click.FloatRange(min=0),
    metavar="[SECONDS]",
    help=f"Check until the answer is yes, for {_LONGEST_WAIT:g} seconds at most by default.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON; with --watch, a line a change.")
def check(
    keys: tuple[str, ...],
    any_key: bool,
    converse: bool,
    model: str | None,
    region: str | None,
    endpoint_url: str | None,
    watch: float | None,
    until_safe: float | None,
    as_json: bool,
) -> None:
    """Check keys: are they usable, and may the first be retired?

    Without --key, check the keys that BedrockClient() uses: AWS_BEARER_TOKEN_BEDROCK, then, where
    it is set, AWS_BEARER_TOKEN_BEDROCK_FALLBACK. The first key is the one in use.

    \b
    One key: is it usable? Exit 0, or 3 missing or malformed, 4 refused,
             5 throttled, 6 another error, 7 unreachable.
    Several: may the first be retired? Exit 0 if it is safe, else 4.
    --any:   is at least one usable? Exit 0, or as for one key.
    """
    from bedrock_bearer.keys.stored import named_source
    from bedrock_bearer.rotation import check_keys

    sources = [named_source(key) for key in keys] or None
    model_id = chosen_model(model, region or region_of_environment()) if converse else None

    give_up_at = None if until_safe is None else time.monotonic() + until_safe

    def look() -> _Answer:
        report = check_keys(
            sources,
            region=region,
            endpoint_url=endpoint_url,
            converse=converse,
            model_id=model_id,
            **_limits(give_up_at),
        )
        return _Answer(report, _verdict(report, any_key))

    answer = look()
    if watch is not None or until_safe is not None:
        # Watched changes are data; while this waits for an answer, they are only progress.
        show = _Changes(as_json=as_json and watch is not None, as_data=watch is not None)
        answer = _wait(answer, look, show, watch or _SECONDS_BETWEEN_CHECKS, give_up_at)
    if watch is None and as_json:
        print_json(answer.document())
    elif watch is None:
        click.echo("\n".join(answer.lines()))
    sys.exit(answer.verdict.exit_code)


@dataclass(frozen=True)
class _Verdict:
    """The answer to the question that was asked: one sentence and its exit code."""

    text: str
    name: str
    exit_code: int
    asks_to_retire: bool = False


def _verdict(report: RotationReport, any_key: bool) -> _Verdict:
    first = report.checks[0].name
    if any_key:
        usable = [result.name for result in report.checks if result.is_usable]
        if usable:
            return _Verdict(f"At least one key is usable: {usable[0]}.", "usable", OK)
        unknown = [result for result in report.checks if result.is_unknown]
        if unknown:
            return _Verdict("Whether a key is usable is not known.", "unknown", _worst(unknown))
        return _Verdict("No key is usable.", "not usable", _worst(report.checks))
    if len(report.checks) == 1:
        if report.all_usable:
            return _Verdict(f"{first} is usable.", "usable", OK)
        status = report.checks[0].status
        if report.checks[0].is_unknown:
            text = f"Whether {first} is usable is not known: {status}."
            return _Verdict(text, "unknown", _EXIT_CODES[status])
        return _Verdict(f"{first} is NOT usable: {status}.", "not usable", _EXIT_CODES[status])
    if report.safe_to_retire:
        return _Verdict(f"It is safe to retire {first}.", "safe to retire", OK, True)
    return _Verdict(f"It is NOT safe to retire {first}.", "not safe to retire", REFUSED, True)


def _worst(checks: Sequence[KeyCheck]) -> int:
    codes = {_EXIT_CODES[result.status] for result in checks}
    return next(code for code in _WORST_FIRST if code in codes)


@dataclass(frozen=True)
class _Answer:
    """What one round of checks found, to be printed."""

    report: RotationReport
    verdict: _Verdict

    def lines(self) -> list[str]:
        lines = []
        for result in self.report.checks:
            lines.append(_line(result))
            lines += [f"    {detail}" for detail in _details(result)]
        return [*lines, self.verdict.text, *(f"  {reason}" for reason in self._reasons())]

    def changes(self) -> dict[str, str]:
        """Return a line for each key and for the verdict."""
        lines = {result.name: _line(result) for result in self.report.checks}
        return {**lines, "": self.verdict.text}

    def document(self) -> dict[str, Any]:
        report, verdict = self.report, self.verdict
        return {
            "ok": verdict.exit_code == OK,
            "exit_code": verdict.exit_code,
            "verdict": verdict.name,
            "safe_to_retire": report.safe_to_retire if verdict.asks_to_retire else None,
            "used_now": report.used_now.name if report.used_now else None,
            "used_next": report.used_next.name if report.used_next else None,
            "reasons": self._reasons(),
            "keys": [_key_checked(result) for result in report.checks],
        }

    def _reasons(self) -> list[str]:
        report = self.report
        reasons = report.reasons if self.verdict.asks_to_retire else report.remarks
        return [*reasons, _use(report)]


def _use(report: RotationReport) -> str:
    """Say which key a client with these keys uses now, which next, and for how long."""
    if report.used_now is None:
        return "A client with these keys makes no call: none can be used."
    now = f"A client with these keys uses {report.used_now.name}, {_until(report.used_now.key)};"
    if report.used_next is None:
        return f"{now} then it has no other."
    return f"{now} then {report.used_next.name}, {_until(report.used_next.key)}."


def _until(key: KeyDescription | None) -> str:
    if key is None or key.expires_at is None:
        return "whose expiry is unknown (only IAM stores it)"
    return f"until {key.expires_at:%Y-%m-%d %H:%M:%S} UTC at the latest"


class _Changes:
    """Prints what has changed since the last round."""

    def __init__(self, *, as_json: bool, as_data: bool) -> None:
        self._as_json = as_json
        self._as_data = as_data
        self._shown: dict[str, str] = {}

    def __call__(self, answer: _Answer) -> None:
        lines = answer.changes()
        changed = [line for name, line in lines.items() if self._shown.get(name) != line]
        self._shown = lines
        if changed and self._as_json:
            document = {"at": datetime.now(UTC).isoformat(), **answer.document()}
            changed = [json.dumps(document, default=str)]
        elif changed:
            changed = [f"{time.strftime('%H:%M:%S')}  {line}" for line in changed]
        for line in changed:
            click.echo(line, err=not self._as_data)
        sys.stdout.flush()


def _limits(give_up_at: float | None) -> dict[str, Any]:
    """Return how long one round of checks may take, so that a server that hangs ends in time."""
    if give_up_at is None:
        return {}
    from bedrock_bearer.wire.retry import RetryPolicy

    left = max(give_up_at - time.monotonic(), _SHORTEST_CHECK)
    return {"timeout": min(left, _LONGEST_CHECK), "retry": RetryPolicy(max_attempts=1)}


def _wait(
    answer: _Answer,
    look: Callable[[], _Answer],
    show: _Changes,
    seconds: float,
    give_up_at: float | None,
) -> _Answer:
    """Look again until the answer is yes or the time is up; without a limit, until Ctrl-C."""
    while True:
        show(answer)
        if give_up_at is not None:
            left = give_up_at - time.monotonic()
            if answer.verdict.exit_code == OK or left <= 0:
                return answer
            seconds = min(seconds, left)
        time.sleep(seconds)
        answer = look()


def _line(result: KeyCheck) -> str:
    which = "-"
    if result.key is not None:
        which = f"{result.key.token_type or 'key'} {result.key.fingerprint}"
    return f"{result.name:<40}  {which:<20}  {result.status}"


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
