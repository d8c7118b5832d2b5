"""Finds text that looks like an API key, so that it is neither shown nor sent."""

from __future__ import annotations

import base64
import re
from itertools import pairwise

_SHORTEST_RUN = 20
"""Of a secret, fewer characters than these may be shown."""
_FEWEST_CHANGES = 0.42
"""Of neighbouring characters in random base64, 0.64 differ in class; in a CamelCase name, 0.3."""
_FEWEST_CHANGES_OF_HEXADECIMAL = 4
"""Between 20 random hexadecimal digits there are 9; in a file's name with a date, 1 or 2."""

_ASSIGNED = re.compile(r"(?:export\s+)?-{0,2}[A-Za-z_][\w-]*[=:]\s*")
_BEARER = re.compile(r"(?i:(?:authorization:\s*)?(?:bearer|basic|x-api-key:|x-amz-bedrock:))\s+")

_WHOLE = re.compile(
    # These prefixes begin no ordinary name, so even a short piece of a key is recognized.
    r"ABSK\S+|bedrock-api-key-(?:YmVk\S*|$)|aws-external-anthropic-api-key-\S*"
    r"|A[KS]IA[A-Z0-9]{12,}|(?:sk-|AEAA|eyJ|IQoJ|FwoG|FQoG)\S{16,}"
)
_SECRET_ACCESS_KEY = re.compile(r"(?=.*[a-z])(?=.*[A-Z])(?=.*[0-9])(?![./])[A-Za-z0-9+/]{40}")
_WITHIN = re.compile(
    r"ABSK(?=(?P<long>[A-Za-z0-9+/]{8,}))|bedrock-api-key-(?=(?P<short>[A-Za-z0-9+/]{8,}))"
    r"|(?<![A-Za-z0-9])(?:sk-[A-Za-z0-9_-]{16,}|eyJ[A-Za-z0-9_-]{16,}"
    r"|(?:AEAA|IQoJ|FwoG|FQoG)[A-Za-z0-9+/]{16,}|aws-external-anthropic-api-key-\w{8,})"
)
_GIVEN = re.compile(
    r"(?i:AWS_BEARER_TOKEN_BEDROCK(?:_FALLBACK)?\s*[=:]|(?<![a-z])bearer\s)\s*[\"']?"
    r"(?=[\w+/.~-]*[0-9])[\w+/~-]{20,}",
    re.ASCII,
)
"""A secret of any form, as it is set or sent."""
_RUN = re.compile(rf"[A-Za-z0-9+]{{{_SHORTEST_RUN},}}")
_ANY_RUN = re.compile(rf"[\w+=-]{{{_SHORTEST_RUN},}}", re.ASCII)
_BASE64_RUN = re.compile(rf"[A-Za-z0-9+/=]{{{_SHORTEST_RUN},}}")
_TEXT_OF_A_KEY = re.compile(rb"[\w%&=.:/?~+,@-]{12}", re.ASCII)
"""Of 20 characters of base64, at least 12 bytes can be read, wherever it was cut."""


def holds_key(text: str) -> bool:
    """Return whether a text looks like an API key, a part of one, or holds one.

    This covers keys of Bedrock and of other services, cut keys, keys inside JSON, behind `NAME=`
    or `Bearer `, and random base64 in general. Text that only talks about keys does not count.
    """
    # JSON writes / as \/, and a terminal wraps long lines.
    text = text.replace("\\/", "/")
    unwrapped = re.sub(r"\\?[\r\n]+\s*", "", text)
    return any(_is_key(each) or _has_key_within(each) for each in {text, unwrapped})


def without_secrets(text: str) -> str:
    """Return a message without what may be a secret of any form, hexadecimal too.

    It also hides the hashes and random names that `holds_key` lets pass.
    """
    return _ANY_RUN.sub(_hidden, text)


def _hidden(found: re.Match[str]) -> str:
    run = re.sub(r"[_=-]", "", found[0])
    # An id of AWS has no lower case, and the name of an option has no digit.
    has_both = any(map(str.isdigit, run)) and any(map(str.islower, run))
    is_hidden = has_both and _changes(run) >= _FEWEST_CHANGES_OF_HEXADECIMAL
    return "(a text that is not shown)" if is_hidden else found[0]


def _is_key(text: str) -> bool:
    """Return whether the text is nothing but a key, as people paste it."""
    for pattern in (_ASSIGNED, _BEARER):
        text = text.strip(" \t\r\n\"'`")
        if found := pattern.match(text):
            text = text[found.end() :]
    text = text.strip(" \t\r\n\"'`")
    if re.search(r"\s", text):
        return False
    return bool(_WHOLE.match(text) or _SECRET_ACCESS_KEY.fullmatch(text))


def _has_key_within(text: str) -> bool:
    for found in _WITHIN.finditer(text):
        run = found["long"] or found["short"]
        if run is None or _is_mixed(run):
            return True
    if _GIVEN.search(text) or any(map(_is_of_a_key, _BASE64_RUN.findall(text))):
        return True
    return any(_is_random(run) for run in _RUN.findall(text))


def _is_of_a_key(run: str) -> bool:
    """Return whether a run of base64 has text inside, as keys of Bedrock do; names have none."""
    if run.isupper() or run.islower():
        return False
    starts = [run.replace("=", "A")[start:] for start in range(4)]
    decoded = [base64.b64decode(each[: len(each) // 4 * 4]) for each in starts]
    return any(map(_TEXT_OF_A_KEY.search, decoded))


def _is_mixed(run: str) -> bool:
    """Return whether a text after a key's prefix can be base64, and is not a word like XXXXX."""
    return len(set(run)) >= 5 and len({_class_of(character) for character in run}) >= 2


def _is_random(run: str) -> bool:
    """Return whether a run of letters and digits is random base64, not a name or a hash."""
    classes = {_class_of(character) for character in run}
    return {"upper", "lower", "digit"} <= classes and _changes(run) >= _FEWEST_CHANGES * len(run)


def _changes(run: str) -> int:
    """Return how often neighbouring characters differ in class."""
    return sum(_class_of(one) != _class_of(other) for one, other in pairwise(run))


def _class_of(character: str) -> str:
    if character.isdigit():
        return "digit"
    return "upper" if character.isupper() else "lower" if character.islower() else "sign"
