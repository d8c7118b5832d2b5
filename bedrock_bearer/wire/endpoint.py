"""Where calls go: the Region, and the endpoint of a service in it.

The host names follow the rule sets of AWS's own SDKs; see
https://docs.aws.amazon.com/general/latest/gr/bedrock.html and
https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html.
"""

from __future__ import annotations

import functools
import os
import re
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple
from urllib.parse import quote, urlsplit

from bedrock_bearer.errors import ConfigurationError, InvalidApiKeyError, RegionError
from bedrock_bearer.facts import DEFAULT_PORTS
from bedrock_bearer.regions import (
    PARTITIONS,
    REGION,
    check_key_region,
    checked_region,
    find_partition,
    find_region,
)

if TYPE_CHECKING:
    from bedrock_bearer.keys.description import KeyDescription

Service = Literal["bedrock-runtime", "bedrock"]

_URL_VARIABLES = {
    "bedrock-runtime": ("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "AWS_ENDPOINT_URL"),
    "bedrock": ("AWS_ENDPOINT_URL_BEDROCK", "AWS_ENDPOINT_URL"),
}
_IGNORE_URLS = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"


_LOOPBACK_NETWORK = 127
_LOOPBACK_V6 = bytes(15) + b"\1"

_LONGEST_HOST = 253
_LONGEST_LABEL = 63
_HOST = re.compile(r"[a-z0-9_](?:[a-z0-9._-]*[a-z0-9_])?")
_PATH = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*")
_AWS_HOST = re.compile(
    r"(?:vpce-[a-z0-9-]+\.)?(?P<service>bedrock(?:-[a-z]+)*?)(?P<fips>-fips)?"
    r"\.(?P<region>[a-z0-9-]+)\.(?:vpce\.)?(?P<suffix>[a-z0-9.-]+)"
)
_AWS_SUFFIXES = {p.suffix for p in PARTITIONS} | {p.dualstack_suffix for p in PARTITIONS}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where calls go.

    Attributes:
        url: the origin and the base path, without a slash at the end.
        origin: scheme, host and port of `url`.
        region: the AWS Region; None for a custom endpoint without one.
        region_source: where the Region was found, for messages; None without a Region.
    """

    url: str
    origin: tuple[str, str, int]
    region: str | None
    region_source: str | None


def resolve_endpoint(
    service: Service,
    region: str | None = None,
    endpoint_url: str | None = None,
    *,
    key: KeyDescription | None = None,
    use_fips: bool | None = None,
    use_dualstack: bool | None = None,
    environ: Mapping[str, str] | None = None,
) -> Endpoint:
    """Return where calls go.

    The URL is the argument, `AWS_ENDPOINT_URL_BEDROCK_RUNTIME` (`AWS_ENDPOINT_URL_BEDROCK` for
    the control plane), `AWS_ENDPOINT_URL`, or else made from the Region.

    Args:
        service: `bedrock-runtime`, or `bedrock` for the control plane.
        region: see `regions.find_region`. A custom endpoint needs none.
        endpoint_url: https, or http on this machine alone; a base path is kept.
        key: the key to be used; a short-term one gives its Region and must fit.
        use_fips: default `AWS_USE_FIPS_ENDPOINT`, else no.
        use_dualstack: default `AWS_USE_DUALSTACK_ENDPOINT`, else no.
        environ: default `os.environ`.

    Raises:
        RegionError: no Region was found, or the key belongs to another one.
        ConfigurationError: the URL or an option is not valid.
    """
    environ = os.environ if environ is None else environ
    fips = _flag(use_fips, "AWS_USE_FIPS_ENDPOINT", environ)
    dualstack = _flag(use_dualstack, "AWS_USE_DUALSTACK_ENDPOINT", environ)
    configured = _configured_url(service, endpoint_url, environ)
    if configured is None:
        name, source = find_region(region, key, environ)
        endpoint = _regional(service, name, source, fips, dualstack)
    else:
        url = _read_url(*configured)
        aws_host = _aws_host(url.host)
        _check_variants(url, aws_host, fips, dualstack)
        if aws_host is not None:
            _check_aws_url(url, aws_host, service, region)
        endpoint = _custom(url, _region_of_custom(aws_host, region, key, environ))
    if key is not None:
        check_key(key, endpoint)
    return endpoint


def check_key(key: KeyDescription, endpoint: Endpoint) -> None:
    """Raise if a key cannot be accepted at an endpoint.

    Raises:
        RegionError: a short-term key was made in another Region.
        InvalidApiKeyError: it is a gateway's own key, and the endpoint is AWS's.
    """
    check_key_form(key, endpoint.origin[1])
    check_key_region(key, endpoint.region, endpoint.region_source)


def check_key_form(key: KeyDescription, host: str) -> None:
    """Raise if a key is not Bedrock's and the host is one of AWS's own.

    Raises:
        InvalidApiKeyError: AWS would refuse the key.
    """
    if key.foreign is not None and region_of_aws_host(host) is not None:
        raise InvalidApiKeyError(
            f"The API key {key} cannot be used: it looks like {key.foreign}, and calls go to "
            f"{host}. Use an Amazon Bedrock API key there, or set endpoint_url= to the gateway "
            "that the key is for.",
            key=key,
        )


def read_origin(url: str, source: str) -> tuple[str, str, int]:
    """Return the scheme, host and port of a URL: https, or http on this machine alone.

    Args:
        url: the URL; its path is left out.
        source: where it was set, for messages.

    Raises:
        ConfigurationError: the URL is not valid. It is not shown.
    """
    parts = _read_url(url, source)
    return parts.scheme, parts.host, parts.port


def region_of_aws_host(host: str) -> str | None:
    """Return the Region in a host name of Amazon Bedrock; None for any other host."""
    match = _aws_host(host)
    return match["region"] if match else None


def path_segment(value: str, name: str = "model id") -> str:
    """Return an id or ARN as one segment of a path: all but unreserved is percent-encoded.

    Args:
        value: the id or ARN.
        name: what the value is, for the error.

    Raises:
        ConfigurationError: it is empty or holds whitespace, control or non-ASCII characters.
    """
    if not isinstance(value, str) or value in ("", ".", ".."):
        raise ConfigurationError(f"The {name} is missing: pass an id or ARN.")
    if not (value.isascii() and value.isprintable()) or " " in value:
        raise ConfigurationError(
            f"The {name} holds whitespace, a control character or a non-ASCII one."
        )
    return _quoted(value)


@functools.lru_cache(maxsize=256)
def _quoted(value: str) -> str:
    return quote(value, safe="")


class _Url(NamedTuple):
    """A custom endpoint, checked."""

    scheme: str
    host: str
    port: int
    path: str
    source: str

    @property
    def is_loopback(self) -> bool:
        return is_loopback(self.host)


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine."""
    if host == "localhost":
        return True
    with suppress(OSError, ValueError):
        return socket.inet_pton(socket.AF_INET, host)[0] == _LOOPBACK_NETWORK
    with suppress(OSError, ValueError):
        return socket.inet_pton(socket.AF_INET6, host) == _LOOPBACK_V6
    return False


def _flag(argument: bool | None, name: str, environ: Mapping[str, str]) -> bool:
    if argument is not None:
        return argument
    value = environ.get(name, "").strip().lower()
    if value not in ("", "true", "false"):
        raise ConfigurationError(f"The environment variable {name} must be true or false.")
    return value == "true"


def _configured_url(
    service: Service, endpoint_url: str | None, environ: Mapping[str, str]
) -> tuple[str, str] | None:
    """Return the URL that somebody set, and where."""
    if endpoint_url is not None:
        return endpoint_url, "the endpoint_url argument"
    if _flag(None, _IGNORE_URLS, environ):
        return None
    for name in _URL_VARIABLES[service]:
        if environ.get(name, "").strip():
            return environ[name].strip(), f"env {name}"
    return None


def _read_url(text: str, source: str) -> _Url:
    """Check a URL. No error shows the text: it may hold a password."""
    url = _parse_url(text, source)
    # The string must not stay in this frame: a traceback may show its locals.
    del text
    if isinstance(url, str):
        raise ConfigurationError(f"The endpoint URL from {source} cannot be used: {url}.")
    return url


def _parse_url(text: str, source: str) -> _Url | str:
    """Return the URL, or what is wrong with it."""
    if not isinstance(text, str) or not all("!" <= character <= "~" for character in text):
        return "it is empty or holds whitespace, a control character or a non-ASCII one"
    try:
        parts = urlsplit(text)
        scheme, host, port = parts.scheme, parts.hostname or "", parts.port
    except ValueError:
        return "its host or port is not valid"
    if scheme not in DEFAULT_PORTS or not text[len(scheme) :].startswith("://"):
        return "it must start with https:// (or http:// for this machine)"
    if "@" in parts.netloc:
        return "it holds a user name or password"
    if "?" in text or "#" in text:
        return "it holds a query or a fragment"
    if not _is_host(host) or port == 0:
        return "its host or port is not valid"
    if not _PATH.fullmatch(parts.path) or {".", ".."} & set(parts.path.split("/")):
        return "its path is not valid"
    url = _Url(scheme, host, DEFAULT_PORTS[scheme] if port is None else port, parts.path, source)
    if scheme == "http" and not url.is_loopback:
        return f"http to {host} would send the key unencrypted; use https"
    return url


def _is_host(host: str) -> bool:
    if len(host) <= _LONGEST_HOST and _HOST.fullmatch(host):
        return all(0 < len(label) <= _LONGEST_LABEL for label in host.rstrip(".").split("."))
    with suppress(OSError):
        # A zone (`%eth0`) has no place in a URL that others can use.
        return "%" not in host and bool(socket.inet_pton(socket.AF_INET6, host))
    return False


def _aws_host(host: str) -> re.Match[str] | None:
    """Return the parts of a host name of AWS's own."""
    match = _AWS_HOST.fullmatch(host)
    if match is None or match["suffix"] not in _AWS_SUFFIXES:
        return None
    return match if REGION.fullmatch(match["region"]) else None


def _check_variants(url: _Url, aws_host: re.Match[str] | None, fips: bool, dualstack: bool) -> None:
    """Refuse FIPS and dual-stack that a custom endpoint cannot be known to give."""
    if url.is_loopback:
        return
    if fips and not (aws_host and aws_host["fips"]):
        raise ConfigurationError(
            f"FIPS is asked for, and {url.source} names a host of its own: use one or the other."
        )
    if dualstack and not (aws_host and aws_host["suffix"].startswith("api.")):
        raise ConfigurationError(
            f"Dual-stack is asked for, and {url.source} names a host of its own: use one or the "
            "other."
        )


def _check_aws_url(
    url: _Url, aws_host: re.Match[str], service: Service, region: str | None
) -> None:
    if aws_host["service"] != service:
        raise ConfigurationError(
            f"The endpoint URL from {url.source} names the service {aws_host['service']}, "
            f"but {service} is needed."
        )
    if url.path.strip("/"):
        raise ConfigurationError(
            f"The endpoint URL from {url.source} has a path behind {url.host}: leave it out."
        )
    if region is not None and aws_host["region"] != checked_region(region, "region=")[0]:
        raise RegionError(
            f"The endpoint URL from {url.source} names {aws_host['region']}, but the region "
            f"argument is {region}. Give one of them, or the same in both."
        )


def _region_of_custom(
    aws_host: re.Match[str] | None,
    region: str | None,
    key: KeyDescription | None,
    environ: Mapping[str, str],
) -> tuple[str, str] | None:
    if aws_host is not None:
        return aws_host["region"], "the host name of the endpoint"
    if region is not None:
        return checked_region(region, "the region argument")
    # A gateway may be in any Region, so the environment's Region must not refuse a key.
    if key is not None and key.region is not None:
        return checked_region(key.region, "the key itself")
    try:
        return find_region(environ=environ)
    except RegionError:
        return None


def _regional(service: Service, region: str, source: str, fips: bool, dualstack: bool) -> Endpoint:
    partition = find_partition(region)
    suffix = partition.dualstack_suffix if dualstack else partition.suffix
    host = f"{service}{'-fips' if fips else ''}.{region}.{suffix}"
    return Endpoint(f"https://{host}", ("https", host, 443), region, source)


def _custom(url: _Url, region: tuple[str, str] | None) -> Endpoint:
    host = f"[{url.host}]" if ":" in url.host else url.host
    port = "" if url.port == DEFAULT_PORTS[url.scheme] else f":{url.port}"
    name, source = region or (None, None)
    return Endpoint(
        f"{url.scheme}://{host}{port}{url.path.rstrip('/')}",
        (url.scheme, url.host, url.port),
        name,
        source,
    )
