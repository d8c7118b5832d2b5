"""How an answer about policies is printed."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any, NoReturn

import click

from bedrock_bearer.cli.outcome import OK, REFUSED, UNDECIDED, print_json

_EXIT_CODES = {"allowed": OK, "not denied": OK, "denied": REFUSED, "undecided": UNDECIDED}


@dataclass(frozen=True, slots=True)
class PolicyOutput:
    """Prints an answer: as lines or as one JSON document, masked or not."""

    as_json: bool
    redact: bool

    def end(self, document: dict[str, Any], lines: list[str], code: int) -> NoReturn:
        """Print the answer, and exit."""
        if self.as_json:
            document = {"ok": code == OK, "exit_code": code, **document}
            print_json(self._masked(document))
        else:
            for unread in document.get("unread") or []:
                click.echo(self._masked(f"Not read: {unread}"), err=True)
            for problem in document.get("unanswered") or []:
                click.echo(self._masked(problem), err=True)
            for line in lines:
                click.echo(self._masked(line))
        sys.exit(code)

    def end_answer(self, outcome: str, lines: list[str], document: dict[str, Any]) -> NoReturn:
        """Print the answer to a question about policies, and exit with its code."""
        common = {"outcome": outcome, "certainty": None, "explanation": "\n".join(lines)}
        self.end({**common, **document}, lines, _EXIT_CODES[outcome])

    def _masked(self, answer: Any) -> Any:
        from bedrock_bearer.access.explanation import mask

        if not self.redact:
            return answer
        if isinstance(answer, dict):
            return {self._masked(name): self._masked(value) for name, value in answer.items()}
        if isinstance(answer, (list, tuple)):
            return [self._masked(value) for value in answer]
        return mask(answer) if isinstance(answer, str) else answer
