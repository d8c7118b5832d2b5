"""Which AWS Region calls go to, and the partition that holds it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bedrock_bearer.errors import RegionError
from bedrock_bearer.facts import REGION_VARIABLES

if TYPE_CHECKING:
    from bedrock_bearer.keys.description import KeyDescription


class Partition(NamedTuple):
    """A part of AWS with its own accounts and host names, such as `aws` or `aws-us-gov`."""

    name: str
    regions_begin: str
    suffix: str
    dualstack_suffix: str


PARTITIONS = (
    Partition("aws-cn", "cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn"),
    Partition("aws-us-gov", "us-gov-", "amazonaws.com", "api.aws"),
    Partition("aws-eusc", "eusc-", "amazonaws.eu", "api.amazonwebservices.eu"),
    Partition("aws-iso", "us-iso-", "c2s.ic.gov", "api.aws.ic.gov"),
    Partition("aws-iso-b", "us-isob-", "sc2s.sgov.gov", "api.aws.scloud"),
    Partition("aws-iso-e", "eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"),
    Partition("aws-iso-f", "us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov"),
    Partition("aws", "", "amazonaws.com", "api.aws"),
)
"""The first whose prefix fits holds the Region; an unknown Region is taken to be in `aws`."""

REGION = re.compile(r"[a-z]{2,8}(?:-[a-z0-9]+)+-[0-9]+")
_LONGEST_REGION = 32


def find_partition(region: str) -> Partition:
    """Return the partition that holds a Region."""
    return next(p for p in PARTITIONS if region.startswith(p.regions_begin))


def partition_of(region: str) -> str:
    """Return the partition that holds a Region, such as `aws-cn`."""
    return find_partition(region).name


def find_region(
    region: str | None = None,
    key: KeyDescription | None = None,
    environ: Mapping[str, str] | None = None,
) -> tuple[str, str]:
    """Return the AWS Region, and where it was found.

    The order: the argument, `AWS_REGION`, `AWS_DEFAULT_REGION`, a short-term key itself, then the
    profile (`AWS_PROFILE`, else `default`) in `AWS_CONFIG_FILE` or `~/.aws/config`.

    Raises:
        RegionError: no Region was found, or a text found there is not one.
    """
    environ = os.environ if environ is None else environ
    if region is not None:
        return checked_region(region, "the region argument")
    for name in REGION_VARIABLES:
        if environ.get(name, "").strip():
            return checked_region(environ[name].strip(), f"env {name}")
    if key is not None and key.region is not None:
        return checked_region(key.region, "the key itself")
    profile, path = environ.get("AWS_PROFILE") or "default", _config_path(environ)
    configured, finding = _region_of_profile(profile, path)
    if configured is not None:
        return checked_region(configured, f"profile {profile} in {path}")
    in_key = "none given" if key is None else "a long-term key holds no Region"
    raise RegionError(
        "No AWS Region was found. Looked at: the region argument, the environment variables "
        f"AWS_REGION and AWS_DEFAULT_REGION, the key ({in_key}), and profile {profile} in {path} "
        f"({finding}). Set AWS_REGION, for example to us-east-1, or pass region=."
    )


def region_of_environment() -> str | None:
    """Return the Region that the environment names; boto3 itself reads the second variable only."""
    return next((os.environ[name] for name in REGION_VARIABLES if os.environ.get(name)), None)


def check_key_region(
    key: KeyDescription, region: str | None, region_source: str | None = None
) -> None:
    """Raise if a short-term key was made in another Region: only its own Region accepts it.

    Raises:
        RegionError: the key belongs to another Region.
    """
    if region is None or key.region is None or key.region == region:
        return
    origin = f" (from {region_source})" if region_source else ""
    raise RegionError(
        f"The key {key} was made in {key.region} and is accepted there alone, but calls go to "
        f"{region}{origin}. Use {key.region}, or make a key in {region}.",
        key=key,
    )


def checked_region(region: str, source: str) -> tuple[str, str]:
    if isinstance(region, str) and len(region) <= _LONGEST_REGION and REGION.fullmatch(region):
        return region, source
    raise RegionError(
        f"The text from {source} is not an AWS Region; a Region is written like us-east-1."
    )


LONGEST_CONFIG = 1024 * 1024
"""How many characters of a configuration file are read."""


def _config_path(environ: Mapping[str, str]) -> str:
    return os.path.expanduser(environ.get("AWS_CONFIG_FILE") or "~/.aws/config")


def _region_of_profile(profile: str, path: str) -> tuple[str | None, str]:
    """Return the Region of a profile, and why there is none."""
    import configparser

    parser = configparser.RawConfigParser(strict=False)
    try:
        with Path(path).open(encoding="utf-8") as file:
            # A device such as /dev/zero has no end.
            parser.read_string(file.read(LONGEST_CONFIG))
    except FileNotFoundError:
        return None, "no such file"
    except (OSError, ValueError, configparser.Error):
        return None, "cannot be read"
    sections = [f"profile {profile}", *(["default"] if profile == "default" else [])]
    found = [section for section in reversed(sections) if parser.has_section(section)]
    if not found:
        return None, "no such profile"
    region = parser.get(found[0], "region", fallback="").strip()
    return region or None, "no region there"
