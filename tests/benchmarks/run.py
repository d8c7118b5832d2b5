"""Measure this library beside boto3, aiobotocore, plain httpx and bare sockets.

    python tests/benchmarks/run.py [--quick] [--rounds N] [--only SCENARIO]...

It starts a server of canned replies on loopback, over TLS with a certificate made on the spot, and
runs every contender in processes of its own, turn by turn in every round, so that what else the
machine does falls on all of them. aiobotocore pins an older botocore: it runs in a virtual
environment of its own, made beside pyproject.toml unless --aiobotocore-python names one.

The table shows medians over the rounds; a ratio is the median of each round's ratio. Then come
the bars that must hold; the exit code is 1 if one does not.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import certifi
import trustme

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]

OURS, BOTO3, AIO, HTTPX, SOCKET = "ours", "boto3", "aiobotocore", "httpx", "socket"
SYNC = (OURS, BOTO3, HTTPX, SOCKET)
ASYNC = (OURS, AIO, HTTPX, SOCKET)
ALL = (OURS, BOTO3, AIO, HTTPX, SOCKET)


@dataclass(frozen=True)
class Scenario:
    """What is measured, in which unit, and of whom."""

    title: str
    unit: str
    contenders: tuple[str, ...]
    more_is_better: bool = False


SCENARIOS = {
    "import": Scenario("import", "ms", ALL),
    "first": Scenario("process start to first reply", "ms", ALL),
    "call": Scenario("one call", "µs", SYNC),
    "event": Scenario("one streamed event, a chunk each", "µs", SYNC),
    "event-packed": Scenario("one streamed event, many to a chunk", "µs", SYNC),
    "event_async": Scenario("one streamed event, a chunk each, async", "µs", ASYNC),
    "threads": Scenario("64 threads on one client", "calls/s", SYNC, more_is_better=True),
    "flight-1": Scenario("1 async in flight", "calls/s", ASYNC, more_is_better=True),
    "flight-50": Scenario("50 async in flight", "calls/s", ASYNC, more_is_better=True),
    "flight-300": Scenario("300 async in flight", "calls/s", ASYNC, more_is_better=True),
    "flight-1000": Scenario("1,000 async in flight", "calls/s", ASYNC, more_is_better=True),
    "delay-1000": Scenario("1,000 at once, a server that takes 1 s", "s", ASYNC),
}
DERIVED = {
    "memory": Scenario("memory after the first call", "MB", ALL),
    "flight-50-cold": Scenario("50, opening connections", "calls/s", ASYNC, more_is_better=True),
    "flight-1000-cold": Scenario(
        "1,000, opening connections", "calls/s", ASYNC, more_is_better=True
    ),
    "delay-1000-again": Scenario("the same, connections open", "s", ASYNC),
}

SLOW = {(HTTPX, "flight-300"), (HTTPX, "flight-1000"), (HTTPX, "delay-1000")}
"""httpx's own pool takes minutes for these: once is enough."""

Figures = dict[tuple[str, str], list[float]]
"""By scenario and contender, a figure for each round."""


@dataclass(frozen=True)
class Bar:
    """What must hold: ours divided by the other's is at most, or at least, the limit."""

    text: str
    scenario: str
    other: tuple[str, str]
    limit: float
    at_least: bool = False

    def holds(self, ratio: float) -> bool:
        return ratio >= self.limit if self.at_least else ratio <= self.limit


BARS = [
    Bar("one call / boto3", "call", ("call", BOTO3), 0.55),
    Bar("one call / httpx.Client", "call", ("call", HTTPX), 0.8),
    Bar("one streamed event, a chunk each / boto3", "event", ("event", BOTO3), 0.4),
    Bar("one streamed event, packed / boto3", "event-packed", ("event-packed", BOTO3), 0.4),
    Bar("1,000 in flight / aiobotocore", "flight-1000", ("flight-1000", AIO), 1.3, True),
    Bar("1,000 in flight / ours at 50", "flight-1000", ("flight-50", OURS), 0.55, True),
    Bar("1,000 at once, 1 s / aiobotocore", "delay-1000", ("delay-1000", AIO), 1.0),
    Bar("64 threads / boto3", "threads", ("threads", BOTO3), 1.5, True),
    Bar("start to first reply / boto3", "first", ("first", BOTO3), 0.75),
    Bar("memory after the first call / boto3", "memory", ("memory", BOTO3), 0.85),
]


# -------------------------------------------------------------------------------- the environment


def say(text: str = "") -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def note(text: str) -> None:
    sys.stderr.write(text + "\n")


def aiobotocore_python(given: Path | None) -> Path:
    """Return the interpreter that has aiobotocore, made ready if need be."""
    if given is not None:
        return given
    folder = ROOT / ".venv-benchmarks"
    python = folder / "bin" / "python"
    if not python.exists():
        note(f"Making {folder} for aiobotocore ...")
        venv.create(folder, with_pip=True)
    install = [str(python), "-m", "pip", "install", "--quiet", "-r"]
    subprocess.run([*install, str(HERE / "requirements-aiobotocore.txt")], check=True)
    return python


def worker_environment(folder: Path, authority: trustme.CA) -> dict[str, str]:
    """Return the environment of every process: one bundle, a synthetic key, no surprises."""
    bundle = folder / "bundle.pem"
    # As long as the bundle each would read by itself, so that reading it costs what it costs.
    bundle.write_bytes(Path(certifi.where()).read_bytes() + authority.cert_pem.bytes())
    secret = base64.b64encode(b"a synthetic secret of a key that opens nothing").decode()
    key = base64.b64encode(f"BedrockAPIKey-abcd-at-123456789012:{secret}".encode()).decode()
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("AWS_") and not name.lower().endswith("_proxy")
    }
    # Whoever is installed has been compiled; without this, this library alone would be, each time.
    inherited.pop("PYTHONDONTWRITEBYTECODE", None)
    return {
        **inherited,
        "PYTHONPATH": f"{ROOT}{os.pathsep}{HERE.parent}",
        "AWS_BEARER_TOKEN_BEDROCK": f"ABSK{key}",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_CA_BUNDLE": str(bundle),
        "SSL_CERT_FILE": str(bundle),
    }


@contextmanager
def running_server(
    folder: Path, authority: trustme.CA, environment: dict[str, str]
) -> Iterator[str]:
    """Serve in another process while the block runs; give the URL."""
    certificate = folder / "server.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(certificate)
    command = [sys.executable, str(HERE / "server.py"), str(certificate)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield f"https://127.0.0.1:{int(server.stdout.readline())}"
        finally:
            server.terminate()


# -------------------------------------------------------------------------------------- measuring


@dataclass(frozen=True)
class Bench:
    """Runs workers."""

    url: str
    environment: dict[str, str]
    aiobotocore: Path
    seconds: float

    def run(self, contender: str, scenario: str) -> dict[str, float]:
        """Return what one worker measured, by the scenario each figure belongs to."""
        python = self.aiobotocore if contender == AIO else sys.executable
        command = [str(python), "-m", "benchmarks.worker", contender, scenario, self.url]
        start = time.monotonic()
        done = subprocess.run(
            [*command, str(self.seconds)],
            env=self.environment,
            stdout=subprocess.PIPE,
            check=True,
            timeout=900,
        )
        result: Any = json.loads(done.stdout)
        if scenario == "first":
            return {"first": (result["at"] - start) * 1000, "memory": result["memory"]}
        if scenario == "delay-1000":
            return {scenario: result["cold"], f"{scenario}-again": result["warm"]}
        if scenario.startswith("flight"):
            return {scenario: result["warm"], f"{scenario}-cold": result["cold"]}
        return {scenario: result}


def measure(bench: Bench, names: list[str], rounds: int) -> Figures:
    """Run every scenario with every contender, turn by turn in each round."""
    figures: Figures = {}
    for contender in ALL:
        # Compiles what Python would otherwise compile in the first round.
        bench.run(contender, "first")
    for number in range(rounds):
        for name in names:
            contenders = SCENARIOS[name].contenders
            # Nobody always goes first.
            turn = number % len(contenders)
            for contender in contenders[turn:] + contenders[:turn]:
                if number > 0 and (contender, name) in SLOW:
                    continue
                note(f"round {number + 1} of {rounds}: {name}, {contender}")
                for key, value in bench.run(contender, name).items():
                    figures.setdefault((key, contender), []).append(value)
    return figures


# -------------------------------------------------------------------------------------- reporting


def ratio_of(figures: Figures, ours: str, other: tuple[str, str]) -> float | None:
    """Return the median of each round's ratio, or None where one of the two was not measured."""
    mine, theirs = figures.get((ours, OURS)), figures.get(other)
    if mine is None or theirs is None:
        return None
    # What is slow was measured in the first round only.
    return statistics.median(a / b for a, b in zip(mine, theirs, strict=False))


def report_figures(figures: Figures) -> None:
    """Print the table of medians, and ours as a ratio of each."""
    columns = [*ALL, *(f"/ {name}" for name in ALL[1:])]
    widths = [12] * len(columns)
    say(_row("", columns, widths))
    for name, scenario in {**SCENARIOS, **DERIVED}.items():
        if (name, OURS) not in figures:
            continue
        medians = [_cell(figures.get((name, contender)), _number) for contender in ALL]
        ratios = [_ratio_cell(ratio_of(figures, name, (name, contender))) for contender in ALL[1:]]
        arrow = "more is better" if scenario.more_is_better else "less is better"
        title = f"{scenario.title}, {scenario.unit} ({arrow})"
        say(_row(title, [*medians, *ratios], widths))


def _row(title: str, cells: list[str], widths: list[int]) -> str:
    padded = (cell.rjust(width) for cell, width in zip(cells, widths, strict=True))
    return title.ljust(60) + "".join(padded)


def _cell(values: list[float] | None, text: Callable[[float], str]) -> str:
    return "-" if values is None else text(statistics.median(values))


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def _ratio_cell(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.2f}"


def report_bars(figures: Figures) -> bool:
    """Print what must hold, and return whether it does."""
    all_hold = True
    for bar in BARS:
        ratio = ratio_of(figures, bar.scenario, bar.other)
        if ratio is None:
            continue
        holds = bar.holds(ratio)
        all_hold = all_hold and holds
        sign = "≥" if bar.at_least else "≤"
        verdict = "pass" if holds else "FAIL"
        say(f"{verdict}  {bar.text.ljust(40)} {ratio:6.2f}  (bar {sign} {bar.limit})")
    return all_hold


# ------------------------------------------------------------------------------- the command line


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="2 rounds of half a second")
    parser.add_argument("--rounds", type=int, metavar="N", help="default 7, with --quick 2")
    parser.add_argument("--only", action="append", choices=SCENARIOS, help="may be repeated")
    parser.add_argument("--aiobotocore-python", type=Path, metavar="PATH")
    return parser.parse_args()


def main() -> int:
    """Measure and report."""
    options = arguments()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    names = options.only or list(SCENARIOS)
    rounds = options.rounds or (2 if options.quick else 7)
    python = aiobotocore_python(options.aiobotocore_python)
    authority = trustme.CA()
    with tempfile.TemporaryDirectory() as folder:
        environment = worker_environment(Path(folder), authority)
        with running_server(Path(folder), authority, environment) as url:
            bench = Bench(url, environment, python, 0.5 if options.quick else 2.0)
            figures = measure(bench, names, rounds)
    report_figures(figures)
    say()
    return 0 if report_bars(figures) else 1


if __name__ == "__main__":
    sys.exit(main())
