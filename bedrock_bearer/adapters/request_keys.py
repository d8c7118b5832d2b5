"""The keys that one request of another SDK tries, one after the other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from bedrock_bearer.errors import ConfigurationError, InvalidApiKeyError, RegionError
from bedrock_bearer.keys.sources import RefusedKeys, is_key_refusal
from bedrock_bearer.regions import check_key_region
from bedrock_bearer.wire.classify import error_from_response
from bedrock_bearer.wire.endpoint import check_key_form, is_loopback, region_of_aws_host
from bedrock_bearer.wire.scrub import Scrubber

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bedrock_bearer.keys.api_key import ApiKey
    from bedrock_bearer.keys.sources import KeySource

REFUSAL_STATUSES = (401, 403)
"""Converse answers a refused key with 403, the OpenAI-shaped routes with 401."""


class RequestKeys:
    """The keys of one request: the first, and another one each time AWS refuses a key.

    Args:
        source: gives the keys.
        scheme: of the URL that the request goes to.
        host: of that URL; a host of AWS's own names the Region that a short-term key must fit.
        in_a_loop: whether to ask the source without blocking the event loop.

    Raises:
        ConfigurationError: the URL would send the key unencrypted.
    """

    def __init__(self, source: KeySource, scheme: str, host: str, *, in_a_loop: bool) -> None:
        if scheme != "https" and not is_loopback(host):
            raise ConfigurationError(
                f"The API key was not sent: {scheme} to {host} is not encrypted. Use https."
            )
        self.key: ApiKey | None = None
        self._source = source
        self._host = host
        self._refused = RefusedKeys(source)
        self._get_key: Callable[[], Awaitable[ApiKey]] = (
            source.get_key_async if in_a_loop else self._get_key_blocking
        )

    async def take(self) -> ApiKey:
        """Return the key to send next.

        Raises:
            ConfigurationError: no key can be read, or it belongs to another Region.
        """
        while True:
            key = await self._get_key()
            try:
                check_key_form(key.description, self._host)
                check_key_region(key.description, region_of_aws_host(self._host))
            except (RegionError, InvalidApiKeyError) as error:
                if not self._refused.add(key, error):
                    raise
            else:
                self.key = key
                return key

    async def take_another(self, status: int, headers: Mapping[str, str], body: bytes) -> bool:
        """Return whether to send the request again, with another key, after this answer."""
        key = self.key
        if key is None or status not in REFUSAL_STATUSES:
            return False
        scrubber = Scrubber()
        scrubber.learn(key)
        error = error_from_response(status, headers, scrubber.bytes(body), key.description)
        if not is_key_refusal(error) or not self._refused.add(key, error):
            return False
        try:
            return await self.take() not in self._refused
        except ConfigurationError:
            return False

    def used(self) -> ApiKey:
        """Return the key that was taken last."""
        if self.key is None:
            raise RuntimeError("no key was taken yet")
        return self.key

    def accepted(self) -> None:
        """Tell the source that its key was accepted."""
        if self.key is not None:
            self._source.accepted(self.key)

    async def _get_key_blocking(self) -> ApiKey:
        return self._source.get_key()
