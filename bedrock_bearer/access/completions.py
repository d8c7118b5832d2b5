"""What a decision can come to once all that is unknown is known.

A condition key that is not known is tried with values that stand for all others: each value that a
policy compares it with, values beside these, a value that nothing names, and none at all.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from ipaddress import ip_address, ip_network
from typing import Any

from bedrock_bearer.access.conditions import (
    Context,
    Truth,
    like,
    operator_parts,
    pattern,
    read_date,
    texts_of,
    variables_in,
)
from bedrock_bearer.access.document import as_texts
from bedrock_bearer.access.matching import (
    PRINCIPAL_ARN,
    RESOURCE,
    SESSION,
    USER_ID,
    Request,
    applies,
    principals_of,
    unknown_to,
)
from bedrock_bearer.access.policy_set import PlacedStatement
from bedrock_bearer.access.request_context import RoleOfSession
from bedrock_bearer.facts import CREATE_KEY

MOST_COMPLETIONS = 3000
_MOST_VALUES = 500
_OTHER = "something-else"
_NO_USER = (
    r"arn:[^:]*:(?!iam:)[a-z0-9-]+:|arn:[^:]*:iam:[^:]*:[^:]*:(?:group|instance-profile|mfa|"
    r"oidc-provider|policy|role|saml-provider|server-certificate)/"
)
"""Patterns that match no IAM user."""
_OTHER_USER = "arn:aws:iam::000000000000:user/something-else"
_EMPTY = Context({})
_VARIABLE = r"\$\{([^}]*)\}"
_ESCAPED_WILDCARD = r"\$\{([*?$])\}"
_LONGEST_COMPARED = 512
"""Longer values are not searched for the part that a variable stands for: that takes time."""
_OTHER_ADDRESSES = ("203.0.113.77", "198.51.100.77", "2001:db8:77::77")


@dataclass(frozen=True, slots=True)
class Possible:
    """The outcomes that are possible.

    Attributes:
        only: the outcome if only one is possible, else None.
        examples: requests that know everything and have this outcome, one for each reason.
        keys: what the outcome depends on, in the order of the policies.
        may_stay_open: whether a request that knows everything may still be undecided.
    """

    only: Truth
    examples: tuple[Request, ...]
    keys: tuple[str, ...]
    may_stay_open: bool


Judge = Callable[[Request], tuple[Truth, Hashable]]
"""Decides on a request: the outcome and its reason."""


def possible_outcomes(
    judge: Judge, statements: Sequence[PlacedStatement], request: Request
) -> Possible:
    """Try what is unknown with all values that may matter.

    Args:
        judge: decides on a request. The outcome is None if policies that could not be read may
            turn it.
        statements: the statements of all policies.
        request: the request, of which something is unknown.
    """
    open_ones = [placed for placed in statements if applies(placed, request) is None]
    names = list(_spelled(key for placed in open_ones for key in unknown_to(placed, request)))
    choices = [_values_of(name, open_ones, request) for name in names]
    choices = _with_linked_unknowns(names, choices, open_ones, request)
    if math.prod(len(values) for values in choices) > MOST_COMPLETIONS:
        return _tried_in_part(judge, request, names, choices)
    found: dict[Truth, dict[Hashable, Request]] = {}
    seen: list[dict[tuple[Any, ...], Truth]] = [{} for _ in names]
    turning: set[int] = set()
    for values in itertools.product(*choices):
        completed = _completed(request, names, values)
        outcome, reason = judge(completed)
        found.setdefault(outcome, {}).setdefault(reason, completed)
        for at, known in enumerate(seen):
            if known.setdefault(values[:at] + values[at + 1 :], outcome) is not outcome:
                turning.add(at)
        if len(turning) == len(names):
            break
    only, examples = next(iter(found.items()))
    keys = tuple(name for at, name in enumerate(names) if at in turning)
    is_only = len(found) == 1
    return Possible(only if is_only else None, tuple(examples.values()), keys, None in found)


def _tried_in_part(
    judge: Judge, request: Request, names: list[str], choices: list[list[Any]]
) -> Possible:
    """Search for two outcomes, key by key, where there are too many values to try them all."""
    tries = itertools.count()
    found: dict[Truth, dict[Hashable, Request]] = {}

    def search(known: Request, at: int) -> None:
        outcome, reason = judge(known)
        if outcome is not None or at == len(names):
            found.setdefault(outcome, {}).setdefault(reason, known)
            return
        for value in choices[at]:
            if len(found) > 1 or next(tries) > MOST_COMPLETIONS:
                return
            search(_completed(known, [names[at]], (value,)), at + 1)

    search(request, 0)
    is_whole = next(tries) <= MOST_COMPLETIONS
    only = next(iter(found)) if is_whole and len(found) == 1 else None
    examples = next(iter(found.values()), {})
    return Possible(only, tuple(examples.values()), tuple(names), None in found)


def _completed(request: Request, names: Sequence[str], values: Iterable[Any]) -> Request:
    known = dict(zip(names, values, strict=True))
    resource = known.pop(RESOURCE, request.resource)
    context = request.context.with_values({name.lower(): value for name, value in known.items()})
    return replace(request, context=context, resource=resource)


def _spelled(names: Iterable[str]) -> Iterable[str]:
    """Return the names once each, in their first spelling."""
    spelled: dict[str, str] = {}
    for name in names:
        spelled.setdefault(name.lower(), name)
    return spelled.values()


def _values_of(name: str, statements: list[PlacedStatement], request: Request) -> list[Any]:
    """Return the values to try for one condition key, or for the resource."""
    if name == RESOURCE:
        texts = [text for placed in statements for text in _resources(placed) if text != "*"]
        if request.action.lower() == CREATE_KEY.lower():
            # A key is created for a user.
            texts = [text for text in texts if not re.match(_NO_USER, text)]
        texts += [_filled(text, request, with_defaults=True) for text in texts if "${" in text]
        return _unique([*_instances(texts), _OTHER_USER])
    tests = [test for placed in statements for test in _tests_of(name, placed)]
    known = request.context.get(name)
    if isinstance(known, RoleOfSession):
        return [*known.alternatives(text for _, texts in tests for text in texts)]
    values = _unique(value for base, texts in tests for value in _values_for(base, texts))
    linked = _unique(_linked_values(name, statements, request))
    # A number, a date, an address or a truth value has no other values than of its kind.
    others = [] if values and tests and all(_is_typed(base) for base, _ in tests) else [_OTHER]
    singles = [*others, None, *[*values, *linked][:_MOST_VALUES]]
    if not any(base.startswith("for") for base, _ in tests):
        return singles
    pairs = itertools.combinations([*values[:6], *others], 2)
    return [*singles, "", *pairs]


def _is_typed(base: str) -> bool:
    kind = base.rpartition(":")[2]
    return kind in ("bool", "null") or kind.endswith("ipaddress") or kind[:4] in ("nume", "date")


def _tests_of(name: str, placed: PlacedStatement) -> Iterator[tuple[str, list[str]]]:
    """Yield each operator, with its set operator, and the texts that compare with a key."""
    statement = placed.located.statement
    for operator, keys in statement.condition.items():
        quantifier, base, _ = operator_parts(operator)
        for key, wanted in keys.items():
            if key.lower() == name.lower():
                yield f"{quantifier}:{base}" if quantifier else base, texts_of(wanted)
    if name.lower() == PRINCIPAL_ARN.lower():
        yield "principal", principals_of(statement)
    if name.lower() == USER_ID:
        yield "session", principals_of(statement)


def _linked_values(name: str, statements: list[PlacedStatement], request: Request) -> Iterator[Any]:
    """Yield values that make a key equal to another one, where a policy variable links them."""
    for placed in statements:
        if not placed.with_variables:
            continue
        for keys in placed.located.statement.condition.values():
            for key, wanted in keys.items():
                for text in texts_of(wanted):
                    used = [variable.lower() for variable in variables_in(text)]
                    if name.lower() in used:
                        yield from _values_of_variable(name, text, request.context.get(key))
                    elif used and key.lower() == name.lower():
                        yield _filled(text, request, with_defaults=True)
                        yield _filled(text, request, with_defaults=False)
        for text in _resources(placed):
            if name.lower() in (variable.lower() for variable in variables_in(text)):
                yield from (request.resource or "").split("/")


def _with_linked_unknowns(
    names: list[str], choices: list[list[Any]], statements: list[PlacedStatement], request: Request
) -> list[list[Any]]:
    """Return the choices with values that make two unknown keys equal, if a variable links them."""
    places = {name.lower(): at for at, name in enumerate(names)}
    more: list[list[Any]] = [[] for _ in names]
    for key, text in _texts_with_variables(statements):
        at = places.get(key.lower())
        for variable in variables_in(text) if at is not None else ():
            linked = places.get(variable.lower())
            if at is None or linked is None:
                continue
            for value in _known_values(choices[linked]):
                completed = _completed(request, [names[linked]], (value,))
                more[at].append(_filled(text, completed, with_defaults=True))
            more[linked] += _values_of_variable(variable, text, choices[at])
    return [
        [*values, *_unique(added)[:_MOST_VALUES]]
        for values, added in zip(choices, more, strict=True)
    ]


def _texts_with_variables(statements: list[PlacedStatement]) -> Iterator[tuple[str, str]]:
    """Yield each condition key with each text that it is compared with."""
    for placed in statements:
        if placed.with_variables:
            for keys in placed.located.statement.condition.values():
                for key, wanted in keys.items():
                    yield from ((key, text) for text in texts_of(wanted))


def _values_of_variable(name: str, text: str, compared: Any) -> Iterator[str]:
    """Yield values of a variable, of which one makes the text match what it is compared with."""
    yield _OTHER + "-too"
    used = re.search(rf"\$\{{\s*{re.escape(name)}\s*(?:,[^}}]*)?\}}", text, re.IGNORECASE)
    if used is None:
        return
    parts = (re.sub(_VARIABLE, "*", part) for part in (text[: used.start()], text[used.end() :]))
    before, after = (pattern(part, _EMPTY, with_variables=False) for part in parts)
    for value in _known_values(compared):
        yield value
        places = range(len(value) + 1) if len(value) <= _LONGEST_COMPARED else ()
        start = next((at for at in places if like(before, value[:at])), len(value))
        ends = (at for at in reversed(places) if at >= start and like(after, value[at:]))
        yield from (value[start:end] for end in itertools.islice(ends, 1))


def _filled(text: str, request: Request, *, with_defaults: bool) -> str:
    """Return a text with its variables filled in: with what is known, a default or any value."""

    def value(found: re.Match[str]) -> str:
        name, comma, default = found[1].partition(",")
        if name in ("*", "?", "$"):
            return name
        known = request.context.get(name.strip())
        if isinstance(known, str):
            return known
        return default.strip().strip("'") if comma and with_defaults else _OTHER + "-too"

    return re.sub(_VARIABLE, value, text)


def _known_values(value: Any) -> list[Any]:
    items = value if isinstance(value, (list, tuple)) else [value]
    return [item for item in items if isinstance(item, str)]


def _values_for(base: str, texts: list[str]) -> Iterator[Any]:
    base = base.rpartition(":")[2]
    if base == "null":
        return
    if base.startswith("numeric"):
        yield from _around(texts)
    elif base.startswith("date"):
        dates = [date for text in texts if (date := read_date(text))]
        for date in dates:
            yield from (date - timedelta(seconds=1), date, date + timedelta(seconds=1))
    elif base == "bool":
        yield from ("true", "false")
    elif base.endswith("ipaddress"):
        yield from _addresses(texts)
    elif base == "principal":
        yield from (_principal(text) for text in texts)
        yield _OTHER_USER
    elif base == "session":
        yield from (f"x:{text.rpartition('/')[2]}" for text in texts if SESSION in text)
    else:
        # Where wildcards mean nothing, the text itself is the value that matches.
        yield from texts
        yield from _instances(texts)
        yield from (re.sub(_ESCAPED_WILDCARD, r"\1", text) for text in texts)
        if "ignorecase" in base:
            yield from (text.swapcase() for text in texts)
        if base.startswith("arn"):
            yield _OTHER_USER


def _around(texts: list[str]) -> Iterator[str]:
    for text in texts:
        try:
            number = float(text)
        except ValueError:
            continue
        if math.isfinite(number):
            for value in (number - 1, number - 0.5, number, number + 0.5, number + 1):
                yield f"{value:g}" if value != int(value) else str(int(value))


def _addresses(texts: list[str]) -> Iterator[str]:
    yield from _OTHER_ADDRESSES
    for text in texts:
        try:
            network = ip_network(text, strict=False)
        except ValueError:
            continue
        first, last = int(network[0]), int(network[-1])
        for number in (first, last, first - 1, last + 1):
            if 0 <= number < 2**network.max_prefixlen:
                yield str(ip_address(number) if network.version == 4 else type(network[0])(number))


def _principal(text: str) -> str:
    if SESSION in text:
        return text.replace(":sts:", ":iam:").replace(SESSION, ":role/").rpartition("/")[0]
    if text.isdigit():
        return f"arn:aws:iam::{text}:user/{_OTHER}"
    return text.removesuffix(":root") + f":user/{_OTHER}" if text.endswith(":root") else text


def _instances(texts: list[str]) -> Iterator[str]:
    """Yield texts that the patterns match, alone and two at a time."""
    plain = [text.replace("*", "").replace("?", "x") for text in texts]
    for text, shortest in zip(texts, plain, strict=True):
        yield shortest
        if "*" in text:
            yield text.replace("*", "x").replace("?", "x")
            yield from (
                text.replace("*", other).replace("?", "x")
                for other in plain[:8]
                if other != shortest
            )


def _resources(placed: PlacedStatement) -> list[str]:
    statement = placed.located.statement
    return as_texts(statement.resource) + as_texts(statement.not_resource)


def _unique(values: Iterable[Any]) -> list[Any]:
    seen: dict[str, Any] = {}
    for value in values:
        seen.setdefault(repr(value), value)
    return list(seen.values())
