"""A note that an adapter adds to an answer of AWS, for `translate_error`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bedrock_bearer.keys.api_key import ApiKey
    from bedrock_bearer.keys.description import KeyDescription
    from bedrock_bearer.wire.scrub import Scrubber

KEY_EXTENSION = "bedrock_bearer.key"
"""The extension of httpx's response that holds the note."""
KEY_METADATA = "BedrockBearerKey"
"""The entry of botocore's ResponseMetadata that holds the note."""


class KeyNote(str):
    """Describes the key that a request was sent with, and can remove that key from texts.

    It is a text so that a response that holds it can still be written as JSON. Pickled, it is
    nothing but the text.
    """

    __slots__ = ("_scrubber", "description")
    description: KeyDescription
    _scrubber: Scrubber | None

    @classmethod
    def of(cls, key: ApiKey | KeyDescription) -> KeyNote:
        """Return the note on a key; with only a description, `clean` removes nothing."""
        from bedrock_bearer.keys.api_key import ApiKey
        from bedrock_bearer.wire.scrub import Scrubber

        description = key.description if isinstance(key, ApiKey) else key
        note = cls(description)
        note.description = description
        note._scrubber = None
        if isinstance(key, ApiKey):
            note._scrubber = Scrubber()
            note._scrubber.learn(key)
        return note

    def clean(self, text: str) -> str:
        """Return a text without the key, however a server has written it."""
        return text if self._scrubber is None else self._scrubber.text(text)

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return str, (str(self),)
