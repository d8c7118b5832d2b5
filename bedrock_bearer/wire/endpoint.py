"""Where calls go: the Region, the endpoint, and the path of a model.

See https://docs.aws.amazon.com/general/latest/gr/bedrock.html and
https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html.
"""

from __future__ import annotations

import configparser
import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import SplitResult, quote, urlsplit

from bedrock_bearer.errors import ConfigurationError, RegionError

if TYPE_CHECKING:
    from bedrock_bearer.keys import KeyDescription

Service = Literal["bedrock-runtime", "bedrock"]

_REGION = re.compile(r"[a-z]{2,8}(?:-[a-z0-9]+){1,4}-\d{1,2}")


@dataclass(frozen=True, slots=True)
class Partition:
    """A part of AWS with endpoints of its own; an empty suffix where it lacks the kind."""

    name: str
    region: re.Pattern[str]
    suffix: str
    dualstack_suffix: str = ""


_PARTITIONS = (
    Partition("aws-cn", re.compile(r"cn-.+"), "amazonaws.com.cn", "api.amazonwebservices.com.cn"),
    Partition("aws-us-gov", re.compile(r"us-gov-.+"), "amazonaws.com", "api.aws"),
    Partition("aws-iso", re.compile(r"us-iso-.+"), "c2s.ic.gov", "api.aws.ic.gov"),
    Partition("aws-iso-b", re.compile(r"us-isob-.+"), "sc2s.sgov.gov", "api.aws.scloud"),
    Partition("aws-iso-e", re.compile(r"eu-isoe-.+"), "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"),
    Partition("aws-iso-f", re.compile(r"us-isof-.+"), "csp.hci.ic.gov", "api.aws.hci.ic.gov"),
    Partition("aws-eusc", re.compile(r"eusc-.+"), "amazonaws.eu", "api.amazonwebservices.eu"),
    Partition("aws", re.compile(r".+"), "amazonaws.com", "api.aws"),
)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where calls go.

    Attributes:
        url: scheme, host, port and base path, without a slash at the end.
        region: the Region; None for a custom endpoint without one.
    """

    url: str
    region: str | None


def partition_of(region: str) -> Partition:
    """Return the partition that a Region belongs to."""
    return next(partition for partition in _PARTITIONS if partition.region.fullmatch(region))


def resolve_endpoint(
    service: Service,
    *,
    region: str | None = None,
    endpoint_url: str | None = None,
    key: KeyDescription | None = None,
    environ: Mapping[str, str] | None = None,
) -> Endpoint:
    """Return the endpoint of a service.

    Args:
        service: the service.
        region: the Region. Default: `AWS_REGION`, `AWS_DEFAULT_REGION`, the Region inside a
            short-term key, the profile in `~/.aws/config`.
        endpoint_url: a URL instead of the Region's. Default: the service's own
            `AWS_ENDPOINT_URL_BEDROCK_RUNTIME` or `AWS_ENDPOINT_URL_BEDROCK`, `AWS_ENDPOINT_URL`.
        key: a description of the key that will be used.
        environ: the environment; `os.environ` by default.

    Raises:
        RegionError: no Region was found, it is not valid, or the key is for another one.
        ConfigurationError: the URL must not be used for a key.
    """
    environ = os.environ if environ is None else environ
    custom = endpoint_url if endpoint_url is not None else _configured_url(service, environ)
    if custom is None:
        region, origin = _find_region(region, key, environ)
        check_key_region(key, region, origin)
        return Endpoint(_regional_url(service, region, environ), region)
    parts = _checked_url(custom)
    named = _region_of_host(parts.hostname or "")
    if region is not None and named not in (None, region):
        raise RegionError(f"region= is {region}, but the endpoint belongs to {named}.")
    found = region or named or _found_region(None, key, environ)[0]
    if found is not None:
        _check_region_syntax(found, "the region")
    check_key_region(key, found)
    return Endpoint(f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}", found)


# ----------------------------------------------------------------------------------- the Region


def _find_region(
    region: str | None, key: KeyDescription | None, environ: Mapping[str, str]
) -> tuple[str, str]:
    found, origin = _found_region(region, key, environ)
    if found is None:
        raise RegionError(
            "No AWS Region. Pass region=, or set AWS_REGION. Looked at: region=, AWS_REGION, "
            f"AWS_DEFAULT_REGION, the key itself (only a short-term key names one), and {origin}."
        )
    _check_region_syntax(found, origin)
    return found, origin


def _found_region(
    region: str | None, key: KeyDescription | None, environ: Mapping[str, str]
) -> tuple[str | None, str]:
    """Return the Region and where it was found, or None and the last place looked at."""
    if region is not None:
        return region, "region="
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        if environ.get(name):
            return environ[name], name
    if key is not None and key.region is not None:
        return key.region, "the key"
    return _profile_region(environ)


def _profile_region(environ: Mapping[str, str]) -> tuple[str | None, str]:
    path = Path(environ.get("AWS_CONFIG_FILE") or "~/.aws/config").expanduser()
    profile = environ.get("AWS_PROFILE") or "default"
    place = f"the profile {profile!r} in {path}"
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read(path, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError, OSError):
        return None, f"{place}, which cannot be read"
    section = profile if profile == "default" else f"profile {profile}"
    return parser.get(section, "region", fallback=None) or None, place


def _check_region_syntax(region: str, origin: str) -> None:
    # The Region becomes a part of the host name that the key is sent to.
    if not isinstance(region, str) or not _REGION.fullmatch(region):
        raise RegionError(f"{region!r}, from {origin}, is not the name of an AWS Region.")


def check_key_region(
    key: KeyDescription | None, region: str | None, origin: str | None = None
) -> None:
    """Refuse a short-term key of another Region: AWS would call it invalid.

    Raises:
        RegionError: the key is for another Region.
    """
    if key is None or key.region is None or region is None or key.region == region:
        return
    whence = f" (from {origin})" if origin else ""
    raise RegionError(
        f"The short-term key ...{key.last_four} from {key.source} is for {key.region}, and the "
        f"call is for {region}{whence}. Use region={key.region!r}, or make a key in {region}.",
        key=key,
    )


# ------------------------------------------------------------------------------------- the URL


def _configured_url(service: Service, environ: Mapping[str, str]) -> str | None:
    if _is_true(environ, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"):
        return None
    own = "AWS_ENDPOINT_URL_" + service.upper().replace("-", "_")
    return environ.get(own) or environ.get("AWS_ENDPOINT_URL") or None


def _is_true(environ: Mapping[str, str], name: str) -> bool:
    value = environ.get(name, "").strip().lower()
    if value not in ("", "true", "false"):
        raise ConfigurationError(f"{name} must be `true` or `false`.")
    return value == "true"


def _regional_url(service: Service, region: str, environ: Mapping[str, str]) -> str:
    partition = partition_of(region)
    name: str = service
    if _is_true(environ, "AWS_USE_FIPS_ENDPOINT"):
        name += "-fips"
    if _is_true(environ, "AWS_USE_DUALSTACK_ENDPOINT"):
        return f"https://{name}.{region}.{partition.dualstack_suffix}"
    return f"https://{name}.{region}.{partition.suffix}"


def _checked_url(url: str) -> SplitResult:
    problem = _url_problem(url)
    if problem is not None:
        raise ConfigurationError(f"The endpoint URL {problem}")
    return urlsplit(url)


def _url_problem(url: object) -> str | None:
    """Return what is wrong with a URL, without showing it: it may hold a password."""
    if not isinstance(url, str) or not url.isascii() or any(c <= " " for c in url):
        return "must be plain text without white space, such as https://host."
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "cannot be read. Give one such as https://host:port."
    if parts.scheme not in ("http", "https") or not host:
        return "must begin with https:// and name a host."
    if "@" in parts.netloc:
        return "must not hold a user name or password: they would replace the API key."
    if parts.query or parts.fragment or "?" in url or "#" in url:
        return "must end before any ? or #."
    if parts.scheme == "http" and not _is_loopback(host):
        return "must begin with https://: over http the API key could be read on the way."
    return None


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


_AWS_HOST = re.compile(
    r"(?:[a-z0-9-]+\.)?bedrock(?:-runtime)?(?:-fips)?\.(?P<region>[a-z0-9-]+)\.(?:vpce\.)?(?P<suffix>.+)"
)


def _region_of_host(host: str) -> str | None:
    """Return the Region in one of AWS's own host names, else None."""
    found = _AWS_HOST.fullmatch(host)
    if found is None or not _REGION.fullmatch(found["region"]):
        return None
    partition = partition_of(found["region"])
    known = (partition.suffix, partition.dualstack_suffix)
    return found["region"] if found["suffix"] in known else None


def path_segment(model_id: str) -> str:
    """Return a model id or ARN as one segment of a path.

    Raises:
        ConfigurationError: it is empty, or has white space or control characters.
    """
    if not isinstance(model_id, str) or not model_id:
        raise ConfigurationError(
            "model_id must be the id or ARN of a model, an inference profile or a prompt."
        )
    if any(character <= " " or character == "\x7f" for character in model_id):
        raise ConfigurationError("model_id has white space or a control character in it.")
    if model_id in (".", ".."):
        raise ConfigurationError("model_id must not be a relative path.")
    return quote(model_id, safe="")
