"""Finds text that looks like an API key, so that it is neither shown nor sent."""

from __future__ import annotations

import re
from itertools import pairwise

_SHORTEST_RUN = 20
"""Of a secret, fewer characters than these may be shown."""
_FEWEST_CHANGES = 0.42
"""Of neighbouring characters in random base64, 0.64 differ in class; in a CamelCase name, 0.3."""

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
_RUN = re.compile(rf"[A-Za-z0-9+]{{{_SHORTEST_RUN},}}")


def holds_key(text: str) -> bool:
    """Return whether a text looks like an API key, a part of one, or holds one.

    This covers keys of Bedrock and of other services, cut keys, keys inside JSON, behind `NAME=`
    or `Bearer `, and random base64 in general. Text that only talks about keys does not count.
    """
    # JSON writes / as \/, and a terminal wraps long lines.
    text = text.replace("\\/", "/")
    unwrapped = re.sub(r"\\?[\r\n]+\s*", "", text)
    return any(_is_key(each) or _has_key_within(each) for each in {text, unwrapped})


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
    return any(_is_random(run) for run in _RUN.findall(text))


def _is_mixed(run: str) -> bool:
    """Return whether a text after a key's prefix can be base64, and is not a word like XXXXX."""
    return len(set(run)) >= 5 and len({_class_of(character) for character in run}) >= 2


def _is_random(run: str) -> bool:
    """Return whether a run of letters and digits is random base64, not a name or a hash."""
    classes = [_class_of(character) for character in run]
    changes = sum(one != other for one, other in pairwise(classes))
    return {"upper", "lower", "digit"} <= set(classes) and changes >= _FEWEST_CHANGES * len(run)


def _class_of(character: str) -> str:
    if character.isdigit():
        return "digit"
    return "upper" if character.isupper() else "lower" if character.islower() else "sign"
