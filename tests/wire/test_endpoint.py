from __future__ import annotations

import gzip
import itertools
import json
import traceback
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import botocore
import pytest
from botocore.endpoint_provider import EndpointProvider
from hypothesis import given
from hypothesis import strategies as st

from bedrock_bearer.errors import ConfigurationError, RegionError
from bedrock_bearer.keys import KeyDescription, TokenType
from bedrock_bearer.regions import check_key_region, find_region, partition_of
from bedrock_bearer.wire.endpoint import (
    Service,
    path_segment,
    resolve_endpoint,
)

BOTOCORE_DATA = Path(botocore.__file__).parent / "data"
PARTITIONS: dict[str, Any] = json.loads((BOTOCORE_DATA / "partitions.json").read_text())
REGIONS = [
    (partition["id"], region)
    for partition in PARTITIONS["partitions"]
    for region in partition["regions"]
    if not region.endswith("-global")
]
SHORT_TERM = KeyDescription(TokenType.SHORT_TERM, "PTE=", "env KEY", region="us-west-2")
LONG_TERM = KeyDescription(TokenType.LONG_TERM, "bcd=", "env KEY")
RUNTIME: Service = "bedrock-runtime"


def nothing(tmp_path: Path, **environ: str) -> dict[str, str]:
    """Return an environment whose configuration file is known."""
    return {"AWS_CONFIG_FILE": str(tmp_path / "config"), **environ}


def ruleset(service: str) -> Any:
    (path,) = sorted((BOTOCORE_DATA / service).glob("*/endpoint-rule-set-1.json.gz"))
    return json.loads(gzip.decompress(path.read_bytes()))


@pytest.mark.parametrize("service", ["bedrock-runtime", "bedrock"])
def test_every_region_with_fips_and_dual_stack_has_the_endpoint_of_awss_own_rules(
    service: Service,
) -> None:
    rules = EndpointProvider(ruleset(service), PARTITIONS)
    flags = (False, True)
    assert len(REGIONS) > 40
    for (_, region), fips, dualstack in itertools.product(REGIONS, flags, flags):
        theirs = rules.resolve_endpoint(Region=region, UseFIPS=fips, UseDualStack=dualstack).url
        ours = resolve_endpoint(service, region, use_fips=fips, use_dualstack=dualstack, environ={})
        assert ours.url == theirs
        assert ours.origin == ("https", theirs.removeprefix("https://"), 443)


@pytest.mark.parametrize(("partition", "region"), REGIONS)
def test_every_region_is_in_the_partition_that_aws_says(partition: str, region: str) -> None:
    assert partition_of(region) == partition


def test_an_unknown_region_is_in_the_partition_aws_as_in_aws_own_tables() -> None:
    rules = EndpointProvider(ruleset("bedrock-runtime"), PARTITIONS)
    theirs = rules.resolve_endpoint(Region="xx-new-1", UseFIPS=False, UseDualStack=False).url
    assert resolve_endpoint(RUNTIME, "xx-new-1", environ={}).url == theirs


def test_every_partition_supports_fips_and_dual_stack_so_that_none_needs_refusing() -> None:
    outputs = [partition["outputs"] for partition in PARTITIONS["partitions"]]
    assert all(output["supportsFIPS"] and output["supportsDualStack"] for output in outputs)


def test_the_region_argument_goes_before_all_else(tmp_path: Path) -> None:
    environ = nothing(tmp_path, AWS_REGION="eu-west-1")
    assert find_region("us-east-1", SHORT_TERM, environ)[0] == "us-east-1"


def test_aws_region_goes_before_aws_default_region(tmp_path: Path) -> None:
    environ = nothing(tmp_path, AWS_REGION="eu-west-1", AWS_DEFAULT_REGION="eu-west-2")
    assert find_region(None, SHORT_TERM, environ)[0] == "eu-west-1"


def test_aws_default_region_goes_before_the_key(tmp_path: Path) -> None:
    environ = nothing(tmp_path, AWS_REGION=" ", AWS_DEFAULT_REGION="eu-west-2")
    assert find_region(None, SHORT_TERM, environ)[0] == "eu-west-2"


def test_a_short_term_key_goes_before_the_profile(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("[default]\nregion = eu-west-3\n")
    assert find_region(None, SHORT_TERM, nothing(tmp_path))[0] == "us-west-2"


@pytest.mark.parametrize("header", ["[default]", "[profile default]"])
def test_the_default_profile_gives_the_region(tmp_path: Path, header: str) -> None:
    (tmp_path / "config").write_text(f"{header}\nregion = eu-west-3\ns3 =\n  use = %(x)s\n")
    assert find_region(None, LONG_TERM, nothing(tmp_path))[0] == "eu-west-3"


def test_aws_profile_names_the_profile(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("[default]\nregion=a\n[profile dev]\nregion=eu-west-3\n")
    assert find_region(None, None, nothing(tmp_path, AWS_PROFILE="dev"))[0] == "eu-west-3"


def test_the_configuration_file_lies_in_the_home_directory_by_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "config").write_text("[default]\nregion=eu-west-3\n")
    assert find_region(environ={})[0] == "eu-west-3"


def test_without_a_region_every_place_looked_at_is_named(tmp_path: Path) -> None:
    with pytest.raises(RegionError) as caught:
        find_region(None, LONG_TERM, nothing(tmp_path, AWS_PROFILE="dev"))
    words = str(caught.value)
    for place in ("region argument", "AWS_REGION", "AWS_DEFAULT_REGION", "the key", "profile dev"):
        assert place in words
    assert f"{tmp_path / 'config'} (no such file)" in words


@pytest.mark.parametrize(
    ("content", "finding"),
    [
        ("[default]\nregion =\n", "no region there"),
        ("[other]\nregion = x\n", "no such profile"),
        ("aws_secret_access_key = wJalrXUtnFEMI\n", "cannot be read"),
        ("[default]\nregion = \udcff", "cannot be read"),
    ],
)
def test_what_a_configuration_file_lacks_is_said_without_showing_it(
    tmp_path: Path, content: str, finding: str
) -> None:
    (tmp_path / "config").write_text(content, errors="surrogateescape")
    with pytest.raises(RegionError) as caught:
        find_region(environ=nothing(tmp_path))
    assert finding in str(caught.value)
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    ours = [frame for frame in shown.stack if "/tests/" not in frame.filename]
    assert ours
    assert "wJalrXUtnFEMI" not in repr([frame.locals for frame in ours])
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    "region",
    [
        *("", "us-east", "US-EAST-1", "us-east-1.evil.example/#", "us-east-1\n", "aws-global"),
        *("-a-1", "a" * 9 + "-east-1", "us-" + "a" * 40 + "-1", "us-east-\u0661"),
    ],
)
def test_a_text_that_is_not_a_region_is_refused_and_cannot_change_the_host(region: str) -> None:
    with pytest.raises(RegionError, match="text from the region argument is not an AWS Region"):
        resolve_endpoint(RUNTIME, region, environ={})


def test_a_variable_that_holds_no_region_is_named() -> None:
    with pytest.raises(RegionError, match="The text from env AWS_REGION is not an AWS Region"):
        find_region(environ={"AWS_REGION": "evil.example"})


def test_a_short_term_key_of_another_region_is_refused_with_both_named() -> None:
    with pytest.raises(RegionError) as caught:
        resolve_endpoint(RUNTIME, key=SHORT_TERM, environ={"AWS_REGION": "eu-west-1"})
    assert "made in us-west-2" in str(caught.value)
    assert "eu-west-1 (from env AWS_REGION)" in str(caught.value)
    assert caught.value.key is SHORT_TERM


def test_a_key_fits_its_own_region_any_where_it_has_none_and_an_endpoint_without_one() -> None:
    check_key_region(SHORT_TERM, "us-west-2")
    check_key_region(LONG_TERM, "eu-west-1")
    check_key_region(SHORT_TERM, None)


def test_fips_and_dual_stack_are_read_from_the_environment() -> None:
    environ = {"AWS_USE_FIPS_ENDPOINT": "TRUE", "AWS_USE_DUALSTACK_ENDPOINT": "true"}
    url = resolve_endpoint(RUNTIME, "us-east-1", environ=environ).url
    assert url == "https://bedrock-runtime-fips.us-east-1.api.aws"


def test_an_argument_goes_before_the_variable_for_fips() -> None:
    environ = {"AWS_USE_FIPS_ENDPOINT": "true"}
    url = resolve_endpoint(RUNTIME, "us-east-1", use_fips=False, environ=environ).url
    assert url == "https://bedrock-runtime.us-east-1.amazonaws.com"


def test_a_variable_for_fips_that_is_neither_true_nor_false_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="AWS_USE_FIPS_ENDPOINT must be true or false"):
        resolve_endpoint(RUNTIME, "us-east-1", environ={"AWS_USE_FIPS_ENDPOINT": "1"})


URLS = {
    "AWS_ENDPOINT_URL": "https://all.example",
    "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": "https://runtime.example",
    "AWS_ENDPOINT_URL_BEDROCK": "https://control.example",
}


@pytest.mark.parametrize(
    ("service", "url"),
    [("bedrock-runtime", "https://runtime.example"), ("bedrock", "https://control.example")],
)
def test_the_variable_of_the_service_goes_before_the_one_for_all(
    service: Service, url: str
) -> None:
    assert resolve_endpoint(service, environ=URLS).url == url


def test_the_argument_goes_before_the_variables() -> None:
    url = resolve_endpoint(RUNTIME, endpoint_url="https://mine.example", environ=URLS).url
    assert url == "https://mine.example"


def test_the_variable_for_all_services_is_used() -> None:
    environ = {"AWS_ENDPOINT_URL": "https://all.example"}
    assert resolve_endpoint(RUNTIME, environ=environ).url == "https://all.example"


def test_configured_urls_are_ignored_on_request_and_the_argument_is_not() -> None:
    environ = URLS | {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true", "AWS_REGION": "us-east-1"}
    assert resolve_endpoint(RUNTIME, environ=environ).url == (
        "https://bedrock-runtime.us-east-1.amazonaws.com"
    )
    mine = resolve_endpoint(RUNTIME, endpoint_url="https://mine.example", environ=environ)
    assert mine.url == "https://mine.example"


@pytest.mark.parametrize(
    ("given", "url", "origin"),
    [
        ("https://h.example/", "https://h.example", ("https", "h.example", 443)),
        ("HTTPS://H.example:443/b/", "https://h.example/b", ("https", "h.example", 443)),
        ("https://h:8443/a/b", "https://h:8443/a/b", ("https", "h", 8443)),
        ("http://localhost:80", "http://localhost", ("http", "localhost", 80)),
        ("http://127.8.9.1:4566", "http://127.8.9.1:4566", ("http", "127.8.9.1", 4566)),
        ("http://[::1]:4566", "http://[::1]:4566", ("http", "::1", 4566)),
        ("https://my_gateway/x%20y", "https://my_gateway/x%20y", ("https", "my_gateway", 443)),
    ],
)
def test_a_custom_endpoint_is_normalized(
    given: str, url: str, origin: tuple[str, str, int], tmp_path: Path
) -> None:
    endpoint = resolve_endpoint(RUNTIME, endpoint_url=given, environ=nothing(tmp_path))
    assert (endpoint.url, endpoint.origin) == (url, origin)
    assert (endpoint.region, endpoint.region_source) == (None, None)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "must start with https://"),
        ("h.example", "must start with https://"),
        ("ftp://h.example", "must start with https://"),
        ("https:h.example", "must start with https://"),
        ("file:///etc/passwd", "must start with https://"),
        ("https://", "host or port is not valid"),
        ("https:///path", "host or port is not valid"),
        ("https://:443", "host or port is not valid"),
        ("https://a..b", "host or port is not valid"),
        (f"https://{'a' * 64}.example", "host or port is not valid"),
        ("https://a.example:0", "host or port is not valid"),
        ("https://a%41b", "host or port is not valid"),
        ("https://a\\b", "host or port is not valid"),
        ("https://[::1%25lo]", "host or port is not valid"),
        ("https://h:99999", "host or port is not valid"),
        ("https://h:x", "host or port is not valid"),
        ("https://[::1", "host or port is not valid"),
        ("https://user:hunter2@h.example", "user name or password"),
        ("https://hunter2@h.example", "user name or password"),
        ("https://@h.example", "user name or password"),
        ("https://h.example?x=hunter2", "query or a fragment"),
        ("https://h.example/?", "query or a fragment"),
        ("https://h.example/#hunter2", "query or a fragment"),
        ("https://h.example/a b", "whitespace"),
        ("https://h.example/\n", "whitespace"),
        ("https://h\u00e9.example", "non-ASCII"),
        ("https://h.example/../x", "path is not valid"),
        ("https://h.example/%zz", "path is not valid"),
        ("http://h.example", "http to h.example would send the key unencrypted"),
        ("http://10.0.0.1", "http to 10.0.0.1 would send the key unencrypted"),
        ("http://127.1", "http to 127.1 would send the key unencrypted"),
        ("http://localhost.example", "would send the key unencrypted"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused_without_showing_it(url: str, words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        resolve_endpoint(RUNTIME, endpoint_url=url, environ={})
    assert words in str(caught.value)
    assert "the endpoint_url argument" in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__context__ is None


def test_a_url_in_a_variable_that_cannot_be_used_is_named_by_the_variable() -> None:
    with pytest.raises(ConfigurationError, match="from env AWS_ENDPOINT_URL cannot be used"):
        resolve_endpoint(RUNTIME, environ={"AWS_ENDPOINT_URL": "http://h.example"})


@pytest.mark.parametrize(
    "host",
    [
        "bedrock-runtime.eu-west-1.amazonaws.com",
        "bedrock-runtime-fips.eu-west-1.api.aws",
        "vpce-0123-ab.bedrock-runtime.eu-west-1.vpce.amazonaws.com",
    ],
)
def test_the_host_name_of_aws_gives_the_region(host: str) -> None:
    endpoint = resolve_endpoint(
        RUNTIME, endpoint_url=f"https://{host}", environ={"AWS_REGION": "us-east-1"}
    )
    assert endpoint.region == "eu-west-1"
    assert endpoint.url == f"https://{host}"


def test_a_host_name_of_aws_in_another_region_than_the_argument_is_refused() -> None:
    url = "https://bedrock-runtime.eu-west-1.amazonaws.com"
    with pytest.raises(RegionError, match="names eu-west-1, but the region argument is us-east-1"):
        resolve_endpoint(RUNTIME, "us-east-1", url, environ={})


def test_a_short_term_key_of_another_region_than_the_host_name_is_refused() -> None:
    url = "https://bedrock-runtime.eu-west-1.amazonaws.com"
    with pytest.raises(RegionError, match="the host name of the endpoint"):
        resolve_endpoint(RUNTIME, endpoint_url=url, key=SHORT_TERM, environ={})


@pytest.mark.parametrize("service", ["bedrock", "bedrock-mantle", "bedrock-agent-runtime"])
def test_the_host_name_of_another_service_is_refused(service: str) -> None:
    url = f"https://{service}.us-east-1.amazonaws.com"
    with pytest.raises(ConfigurationError, match=f"service {service}, but bedrock-runtime"):
        resolve_endpoint(RUNTIME, endpoint_url=url, environ={})


def test_a_path_behind_a_host_name_of_aws_is_refused() -> None:
    url = "https://bedrock-runtime.us-east-1.amazonaws.com/openai/v1"
    with pytest.raises(ConfigurationError, match="has a path behind bedrock-runtime"):
        resolve_endpoint(RUNTIME, endpoint_url=url, environ={})


@pytest.mark.parametrize("host", ["bedrock-runtime.us-east-1.amazonaws.com.evil.example", "b.aws"])
def test_a_host_name_that_only_resembles_awss_gives_no_region(host: str, tmp_path: Path) -> None:
    endpoint = resolve_endpoint(RUNTIME, endpoint_url=f"https://{host}", environ=nothing(tmp_path))
    assert endpoint.region is None


def test_a_custom_endpoint_takes_the_region_of_the_key_before_that_of_the_environment() -> None:
    endpoint = resolve_endpoint(
        RUNTIME,
        endpoint_url="http://127.0.0.1:4566",
        key=SHORT_TERM,
        environ={"AWS_REGION": "eu-west-1"},
    )
    assert endpoint.region == "us-west-2"


def test_a_custom_endpoint_takes_the_region_of_the_environment_where_the_key_has_none() -> None:
    environ = {"AWS_REGION": "cn-north-1", "AWS_ENDPOINT_URL": "https://gateway.example"}
    endpoint = resolve_endpoint(RUNTIME, key=LONG_TERM, environ=environ)
    assert endpoint.region == "cn-north-1"


@pytest.mark.parametrize("option", ["use_fips", "use_dualstack"])
def test_fips_and_dual_stack_are_refused_with_a_host_that_may_have_neither(option: str) -> None:
    options: dict[str, Any] = {option: True}
    with pytest.raises(ConfigurationError, match="names a host of its own"):
        resolve_endpoint(RUNTIME, endpoint_url="https://h.example", environ={}, **options)


def test_fips_is_at_one_with_a_fips_host_of_aws_and_with_this_machine() -> None:
    for url in (
        "https://bedrock-runtime-fips.us-gov-west-1.amazonaws.com",
        "http://127.0.0.1:4566",
    ):
        assert resolve_endpoint(RUNTIME, endpoint_url=url, use_fips=True, environ={}).url == url


def test_a_model_id_is_encoded_into_one_segment_as_botocore_does() -> None:
    arn = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.amazon.nova-lite-v1:0"
    assert path_segment(arn) == (
        "arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Ainference-profile%2F"
        "us.amazon.nova-lite-v1%3A0"
    )


@pytest.mark.parametrize("model_id", ["", ".", "..", " ", "a b", "a\n", "a\0", "caf\u00e9", None])
def test_a_model_id_that_cannot_stand_in_a_path_is_refused(model_id: Any) -> None:
    with pytest.raises(ConfigurationError, match="model id"):
        path_segment(model_id)


@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=3))
def test_any_model_id_stays_one_segment_and_is_read_back(model_id: str) -> None:
    segment = path_segment(model_id)
    assert not set(segment) & set("/:?#@&+ ")
    assert unquote(segment) == model_id


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs /dev/zero")
def test_a_configuration_file_without_end_is_not_read_to_its_end() -> None:
    with pytest.raises(RegionError, match="/dev/zero"):
        resolve_endpoint("bedrock-runtime", environ={"AWS_CONFIG_FILE": "/dev/zero"})
