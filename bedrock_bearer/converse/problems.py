"""What pydantic found wrong, in one sentence that names the place."""

from __future__ import annotations

from pydantic import ValidationError


def sentence(error: ValidationError, *, skipped: int = 0) -> str:
    """Return the first problem with its place, and how many more there are.

    The value itself, which may be confidential, is not in it. `skipped` is how many steps of the
    place to leave out at the beginning.
    """
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    place = "".join(
        f"[{part}]" if isinstance(part, int) else f".{part}"
        for part in problems[0]["loc"][skipped:]
    ).lstrip(".")
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    problem = f"{problems[0]['msg']}{more}"
    return f"{place[:200]}: {problem}" if place else problem
