"""Takes what a server echoes of the key out of everything that comes back.

A gateway's error page may show the request's headers: as they are, escaped for JSON, HTML or a
URL, in base64, wrapped, or cut short. Any 20 characters of a secret in a row are taken out, however
they are written. No part of a secret is kept here, only hashes of its parts; nor does a local
variable show one to a traceback.
"""

from __future__ import annotations

import binascii
import re
import struct
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import unquote_to_bytes

if TYPE_CHECKING:
    from bedrock_bearer.keys.api_key import ApiKey

REPLACEMENT = "[API key]"
WINDOW = 20
"""So many characters of a secret in a row are not shown."""

SHORTEST_SECRET = 8
BASE64_STEP = 8
"""Of the key in base64, one in so many groups of 20 characters is known: it finds 27 in a row."""

SEGMENT = 64 * 1024
OVERLAP = 8 * 1024
"""So much of a segment is looked at again with the next one: an echo may lie across."""

MOST_SEGMENTS_WITH_ECHOES = 4
"""After so many, all the rest is taken for one echo: it is work to find each."""

MOST_KEYS = 64

_LONG_TERM_PREFIX = b"ABSK"
_SHORT_TERM_PREFIX = b"bedrock-api-key-"
_INNER_SECRETS = re.compile(
    rb"(?:^[^:?&]*-at-[0-9]{12}:|[?&]X-Amz-(?:Signature|Security-Token)=)([^&]+)"
)
# A text in UTF-16 has a zero between any two characters.
_BETWEEN = b" \t\r\n\f\v\0"
_JSON_WRAPS = (b"\\n", b"\\r", b"\\t")

_NAMED = {
    "amp": "&",
    "bsol": "\\",
    "colon": ":",
    "dash": "-",
    "equals": "=",
    "hyphen": "-",
    "lowbar": "_",
    "nbsp": "",
    "num": "#",
    "percnt": "%",
    "period": ".",
    "plus": "+",
    "semi": ";",
    "shy": "",
    "sol": "/",
}
_SPELLINGS = (
    # A row of backslashes is read from its beginning alone: from each of them it would take hours.
    r"\\(?<!\\\\)\\*u00(?P<json>[0-9a-fA-F]{2})"
    r"|\\(?<!\\\\)\\*x(?P<hex>[0-9a-fA-F]{2})"
    r"|&#0{0,5}(?P<decimal>[0-9]{1,3});?"
    r"|&#[xX]0{0,5}(?P<entity>[0-9a-fA-F]{1,2});?"
    r"|&(?P<name>[a-z]{2,7});"
    r"|%(?P<url>[0-9a-fA-F]{2})"
)
_TAGS = r"|(?P<tag></?[a-zA-Z][^<>]{0,200}>)"
# In a stream, tags are a part of the text like others, and come too often to be looked at.
_SPELLING = re.compile(_SPELLINGS + r"|(?P<tag><w?br ?/?>)")
_SPELLING_OR_TAG = re.compile(_SPELLINGS + _TAGS)
_SPELLING_OR_BETWEEN = re.compile(
    _SPELLINGS + _TAGS + r"|(?P<between>\\(?<!\\\\)\\*[nrt]?|=\r?\n|[ \t\r\n\f\v\0]+)"
)
# What the spellings begin with. Most bodies hold none; a single byte is looked for fastest.
_BEGINS = [
    (b"%", re.compile(rb"%[0-7][0-9a-fA-F]")),
    (b"&", re.compile(rb"&[#a-z]")),
    (b"\\", re.compile(rb"\\(?:u00|x)[0-7]")),
]
_BEGINS_OR_BREAK = [*_BEGINS, (b"<", re.compile(rb"<w?br"))]
_BEGINS_OR_TAG = [*_BEGINS, (b"<", re.compile(rb"<[/a-zA-Z]"))]
_MOST_LAYERS = 4


class Scrubber:
    """Knows the keys that were sent, and takes their echoes out of what comes back."""

    __slots__ = ("_grams", "_known", "_octets", "_widths", "_windows")

    def __init__(self) -> None:
        self._forget()

    def _forget(self) -> None:
        self._known: set[int] = set()
        # Numbers of four bytes in a row, by which most bodies are found to be clean at once.
        self._grams: set[int] = set()
        self._octets: set[int] = set()
        self._windows: set[int] = set()
        self._widths: set[int] = set()

    def __repr__(self) -> str:
        return "<Scrubber>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("A Scrubber cannot be pickled.")

    def learn(self, key: ApiKey) -> None:
        """Take echoes of this key out from now on."""
        number = hash(key)
        if number in self._known:
            return
        if len(self._known) >= MOST_KEYS:
            self._forget()
        for secret in _secrets_of(memoryview(key.get_secret_value().encode("ascii"))):
            self._learn(secret)
        for before in range(3):
            text = memoryview(key.get_secret_value().encode("ascii"))
            self._learn(_in_base64(text, before), step=BASE64_STEP)
        self._known.add(number)

    def _learn(self, secret: memoryview, step: int = 1) -> None:
        width = min(WINDOW, len(secret))
        if width < SHORTEST_SECRET:
            return
        # The prefix is in many a text that holds no key, so it is looked for by itself.
        begin = len(_SHORT_TERM_PREFIX) if _begins(secret, _SHORT_TERM_PREFIX) else 0
        self._grams.update(*_numbers(secret[begin:], "I"))
        self._octets.update(*_numbers(secret[max(begin - 4, 0) :], "Q"))
        for start in range(0, len(secret) - width + 1, step):
            self._windows.add(hash(bytes(secret[start : start + width])))
        self._widths.add(width)

    def finds(self, data: bytes, *, in_one_piece: bool = False) -> bool:
        """Return whether there is an echo in `data`: with `in_one_piece`, one without spaces."""
        if len(data) < SHORTEST_SECRET:
            return False
        if not in_one_piece:
            data = data.translate(None, _BETWEEN)
        return self._shows(data) or any(map(self._shows, _layers(data, in_one_piece)))

    def _shows(self, data: bytes) -> bool:
        return self._may_hold(data) and bool(self._runs(data))

    def _may_hold(self, data: bytes) -> bool:
        if self._widths != _USUAL_WIDTHS or _SHORT_TERM_PREFIX in data:
            return True
        # Any 20 bytes in a row hold one of these groups of four, which lie 16 apart.
        groups = memoryview(data)[: len(data) & ~3].cast("I")[::4]
        if self._grams.isdisjoint(groups):
            return False
        # Four may be chance: of the other 16, eight or more are on one side.
        places = [16 * index for index, group in enumerate(groups) if group in self._grams]
        octets = self._octets
        return any(
            _number(data[place - 8 : place]) in octets
            or _number(data[place + 4 : place + 12]) in octets
            for place in places
        )

    def _runs(self, data: bytes) -> list[tuple[int, int]]:
        """Return where parts of a secret begin and end."""
        windows = self._windows
        return [
            (start, start + width)
            for width in self._widths
            for start in range(len(data) - width + 1)
            if hash(data[start : start + width]) in windows
        ]

    def finds_in_stream(self, data: bytes, check: Callable[[], object]) -> bool:
        """Return whether there is an echo without spaces; `check` is as in `bytes`."""
        return any(self.finds(segment, in_one_piece=True) for _, segment in _segments(data, check))

    def bytes(self, data: bytes, check: Callable[[], object] = lambda: None) -> bytes:
        """Return `data` without echoes. `check` is called now and then, and may raise."""
        marks: list[tuple[int, int]] = []
        with_echoes = 0
        for begin, segment in _segments(data, check):
            if self.finds(segment):
                with_echoes += 1
                if with_echoes > MOST_SEGMENTS_WITH_ECHOES:
                    marks.append((begin, len(data)))
                    break
                for plain, starts, ends in _spelled_out(segment.decode("latin-1")):
                    found = self._runs(plain.encode("latin-1"))
                    marks += [(begin + starts[a], begin + ends[b - 1]) for a, b in found]
        return _without(data, marks) if marks else data

    def text(self, text: str) -> str:
        """Return `text` without echoes."""
        data = text.encode("utf-8", "surrogatepass")
        clean = self.bytes(data)
        return text if clean is data else clean.decode("utf-8", "replace")


_USUAL_WIDTHS = {WINDOW}


def _begins(secret: memoryview, prefix: bytes) -> bool:
    return secret[: len(prefix)] == prefix


def _secrets_of(key: memoryview) -> list[memoryview]:
    """Return the key, and what is secret of the text that it holds in base64."""
    prefixes = (_LONG_TERM_PREFIX, _SHORT_TERM_PREFIX)
    length = sum(len(prefix) for prefix in prefixes if _begins(key, prefix))
    try:
        inner = memoryview(binascii.a2b_base64(key[length:], strict_mode=True))
    except ValueError:
        return [key]
    found = map(unquote_to_bytes, _INNER_SECRETS.findall(inner))
    # No comprehension: it would have a variable for each.
    return [key, *map(_view, found)]


def _numbers(secret: memoryview, kind: str) -> list[memoryview]:
    """Return all groups of four ("I") or eight ("Q") bytes in a row, as numbers."""
    size = struct.calcsize(kind)
    return [
        secret[shift : len(secret) - (len(secret) - shift) % size].cast(kind)  # type: ignore[call-overload]
        for shift in range(min(size, len(secret) - size + 1))
    ]


def _number(group: bytes) -> int:
    return int.from_bytes(group, sys.byteorder)


def _in_base64(secret: memoryview, before: int) -> memoryview:
    """Return a secret in base64, so many bytes after the beginning of the text that it is in.

    The characters that also hold bits of what is around it are left out.
    """
    whole = memoryview(binascii.b2a_base64(bytes(before) + secret, newline=False))
    return whole[-(-before * 4 // 3) : (before + len(secret)) * 4 // 3]


def _segments(data: bytes, check: Callable[[], object]) -> Iterator[tuple[int, bytes]]:
    """Yield where each segment begins, and the segment."""
    for begin in range(0, len(data), SEGMENT):
        check()
        yield begin, data[begin : begin + SEGMENT + OVERLAP]


def _view(secret: bytes) -> memoryview:
    return memoryview(secret)


def _without(data: bytes, marks: list[tuple[int, int]]) -> bytes:
    """Return `data` with these parts replaced; those that touch are one echo."""
    pieces: list[bytes] = []
    position, last_end = 0, -1
    for start, end in sorted(marks):
        if start > last_end:
            pieces += [data[position:start], REPLACEMENT.encode()]
        position = last_end = max(last_end, end)
    return b"".join([*pieces, data[position:]])


def _character(match: re.Match[str]) -> str:
    kind = match.lastgroup
    if kind is None or kind in ("tag", "between"):
        return ""
    if kind == "name":
        return _NAMED.get(match["name"], match[0])
    number = int(match[kind], 10 if kind == "decimal" else 16)
    if number in _BETWEEN:
        return ""
    return chr(number) if number < 256 else match[0]


def _layers(data: bytes, in_one_piece: bool) -> Iterator[bytes]:
    """Yield `data` as it reads, layer by layer; see `_spelled_out`, of which this is the fast form.

    It misses wraps that are not in JSON, which `translate` takes out before.
    """
    if b"\\" in data:
        for wrap in _JSON_WRAPS:
            data = data.replace(wrap, b"")
        yield data.replace(b"\\", b"")
    begins, spelling = (
        (_BEGINS_OR_BREAK, _SPELLING) if in_one_piece else (_BEGINS_OR_TAG, _SPELLING_OR_TAG)
    )
    if not any(first in data and begin.search(data) for first, begin in begins):
        return
    text = data.decode("latin-1")
    for _ in range(_MOST_LAYERS):
        before, text = text, spelling.sub(_character, text)
        if text == before:
            break
        yield text.encode("latin-1").replace(b"\\", b"")


def _spelled_out(text: str) -> Iterator[tuple[str, list[int], list[int]]]:
    """Yield `text` as it reads, and where each of its characters begins and ends in `text`.

    Each layer resolves the spellings of the one before, and leaves out what may lie between two
    characters. All are told: what looks like a spelling may be a part of the key itself.
    """
    starts, ends = list(range(len(text))), list(range(1, len(text) + 1))
    yield text, starts, ends
    for _ in range(_MOST_LAYERS):
        pieces: list[str] = []
        new_starts: list[int] = []
        new_ends: list[int] = []
        position = 0
        for match in _SPELLING_OR_BETWEEN.finditer(text):
            begin, end = match.span()
            character = _character(match)
            if character == match[0]:
                continue
            pieces += [text[position:begin], character]
            new_starts += starts[position:begin]
            new_ends += ends[position:begin]
            if character:
                new_starts.append(starts[begin])
                new_ends.append(ends[end - 1])
            position = end
        if not position:
            break
        text = "".join([*pieces, text[position:]])
        starts, ends = new_starts + starts[position:], new_ends + ends[position:]
        yield text, starts, ends
