from __future__ import annotations

import base64
import copy
import hashlib
import inspect
import pickle
import re
import traceback
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.keys import (
    ACCOUNT_ID,
    LONG_TERM_SECRET,
    SECRET_ACCESS_KEY,
    SESSION_ACCESS_KEY_ID,
    changed,
    encoded,
    long_term_key,
    short_term_key,
)

from bedrock_bearer import errors, facts
from bedrock_bearer.errors import InvalidApiKeyError
from bedrock_bearer.keys import (
    ApiKey,
    TokenType,
    account_id_from_access_key_id,
    api_key,
    decoding,
)


def refusal(text: str) -> str:
    with pytest.raises(InvalidApiKeyError) as caught:
        ApiKey.parse(text)
    return str(caught.value)


def shown(error: BaseException) -> str:
    """Return all that a traceback with captured locals shows, below the test's own frame."""
    frames = traceback.TracebackException.from_exception(error, capture_locals=True)
    frames.stack = traceback.StackSummary.from_list(
        [frame for frame in frames.stack if "/tests/" not in frame.filename]
    )
    return "".join(frames.format(chain=True)) + repr(vars(error)) + repr(error.args)


def test_a_short_term_key_of_the_generator_is_described() -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    key = ApiKey.parse(short_term_key("us-west-2"))
    assert key.token_type is TokenType.SHORT_TERM
    assert key.region == "us-west-2"
    assert key.access_key_id == SESSION_ACCESS_KEY_ID
    assert key.account_id == ACCOUNT_ID
    assert key.issued_at is not None
    assert before <= key.issued_at <= datetime.now(UTC)
    assert key.expires_at == key.issued_at + timedelta(hours=12)
    assert key.user_name is None
    assert key.principal_arn() is None


def test_a_short_term_key_of_an_iam_user_has_no_session_token_and_is_read() -> None:
    text = short_term_key(access_key_id="AKIARZPUZDIKAUEXAMPL", session_token=None)
    assert ApiKey.parse(text).access_key_id == "AKIARZPUZDIKAUEXAMPL"


def test_the_parameter_order_of_the_javascript_generator_is_read() -> None:
    python = short_term_key()
    url = base64.b64decode(python.removeprefix("bedrock-api-key-")).decode()
    names = "Action Algorithm Credential Date Expires Security-Token Signature SignedHeaders"
    pairs = {part.partition("=")[0]: part for part in url.partition("/?")[2].split("&")}
    order = [f"X-Amz-{name}" if name != "Action" else name for name in names.split()]
    query = "&".join(pairs[name] for name in order) + "&Version=1"
    key = ApiKey.parse("bedrock-api-key-" + encoded(f"bedrock.amazonaws.com/?{query}"))
    python_description = ApiKey.parse(python).description
    assert key.description == replace(python_description, fingerprint=key.fingerprint)


def test_an_unknown_parameter_in_a_short_term_key_is_tolerated() -> None:
    assert ApiKey.parse(changed(short_term_key(), X_Amz_New="1")).region == "us-west-2"


def test_a_short_term_key_with_a_session_token_of_six_thousand_characters_is_read() -> None:
    text = short_term_key(session_token="t" * 6000)
    assert len(text) > 8192
    assert ApiKey.parse(text).account_id == ACCOUNT_ID


def test_a_long_term_key_is_described() -> None:
    text = long_term_key("BedrockAPIKey-abcd")
    key = ApiKey.parse(text)
    assert len(text) == 132
    assert key.token_type is TokenType.LONG_TERM
    assert key.account_id == ACCOUNT_ID
    assert key.user_name == "BedrockAPIKey-abcd"
    assert key.user_name_candidates == ("BedrockAPIKey-abcd",)
    assert key.principal_arn("aws-us-gov") == (
        "arn:aws-us-gov:iam::123456789012:user/BedrockAPIKey-abcd"
    )
    assert (key.issued_at, key.expires_at, key.region) == (None, None, None)


def test_the_number_of_a_users_second_key_is_no_part_of_the_user_name() -> None:
    key = ApiKey.parse(long_term_key("BedrockAPIKey-abcd+1"))
    assert key.user_name == "BedrockAPIKey-abcd"
    assert key.user_name_candidates == ("BedrockAPIKey-abcd", "BedrockAPIKey-abcd+1")


@pytest.mark.parametrize("user_name", ["a+=,.@_-b", "cat-at-home", "x-at-123456789012", "b+c"])
def test_every_iam_user_name_is_read(user_name: str) -> None:
    assert ApiKey.parse(long_term_key(user_name)).user_name == user_name


def test_a_colon_in_the_secret_of_a_long_term_key_is_read() -> None:
    assert ApiKey.parse(long_term_key(secret="a-at-000000000000:" + "b" * 40)).account_id == (
        ACCOUNT_ID
    )


@pytest.mark.parametrize("template", [" {}", "{}\n", "\t{}\r\n", '"{}"', "'{}'\n", '" {} "'])
def test_whitespace_around_a_key_and_one_pair_of_quotes_are_removed(template: str) -> None:
    text = long_term_key()
    assert ApiKey.parse(template.format(text)).get_secret_value() == text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "it is empty"),
        (" \n", "it is empty"),
        ('""', "it is empty"),
        (long_term_key() + "\0", "control character (U+0000) at position 133"),
        (long_term_key()[:20] + "\n" + long_term_key()[20:], "whitespace at position 21"),
        (f"ABSK \t{long_term_key()}", "whitespace at position 5"),
        (f"\u201c{long_term_key()}\u201d", "typographic quotation mark (U+201C)"),
        (f"\ufeff{long_term_key()}", "byte-order mark (U+FEFF) at position 1"),
        (long_term_key() + "\u00a0", "non-ASCII one (U+00A0) at position 133"),
        (long_term_key() + "\udc80", "non-ASCII one (U+DC80)"),
        (f'"{long_term_key()}', "quotation mark at position 1"),
        (f"''{long_term_key()}''", "quotation mark at position 1"),
        (f"Bearer {long_term_key()}", "`Bearer `"),
        (f"AWS_BEARER_TOKEN_BEDROCK={long_term_key()}", "a line NAME=value"),
        (f"export AWS_BEARER_TOKEN_BEDROCK='{long_term_key()}'", "a line NAME=value"),
        ("AKIARZPUZDIKAUEXAMPL", "an AWS access key id"),
        (SESSION_ACCESS_KEY_ID, "an AWS access key id"),
        ("ACCAEXAMPLEEXAMPLE123", "the id of a service-specific credential"),
        (SECRET_ACCESS_KEY, "an AWS secret access key"),
        ("IQoJb3JpZ2luX2VjE" * 20, "an AWS session token"),
        ("sk-ant-api03-0123456789abcdef", "Anthropic's own API"),
        ("sk-proj-0123456789abcdef", "OpenAI or of another vendor"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "a JSON Web Token"),
        ("AEAA" + encoded("AeaApiKey-1-at-123456789012:s"), "Claude Platform on AWS"),
        ("aws-external-anthropic-api-key-YXdz", "Claude Platform on AWS"),
        ("arn:aws:iam::123456789012:user/dev", "an ARN"),
        ("https://bedrock.amazonaws.com/", "a URL"),
        ("my-app.key", "the name of a file; FileKey(path)"),
        ("./keys/bedrock.pem", "the name of a file; FileKey(path)"),
        ("file:my-app.key", "pass EnvironmentKey(name) or FileKey(path)"),
        ("<your key here>", "a placeholder"),
        ("${AWS_BEARER_TOKEN_BEDROCK}", "a placeholder"),
        ("your-api-key", "a placeholder"),
        ("None", "a placeholder"),
        ("absk" + encoded("x" * 99), "ABSK in another case"),
        ("something-else-0123456789", "neither prefix"),
        ("A" * 32769, "longer than 32768 characters"),
    ],
)
def test_a_text_that_is_no_key_is_refused_by_name(text: str, words: str) -> None:
    assert words in refusal(text)


def test_what_is_no_text_is_refused_by_its_type() -> None:
    assert "it is of type bytes, not str" in refusal(b"ABSK")  # type: ignore[arg-type]


@pytest.mark.parametrize("missing", range(1, 40))
def test_a_long_term_key_cut_short_is_refused_where_that_can_be_seen(missing: int) -> None:
    words = refusal(
        long_term_key()[:-missing] if missing % 4 else long_term_key()[: 52 + missing % 24]
    )
    assert "cut short when it was copied" in words


@pytest.mark.parametrize("missing", range(1, 120))
def test_a_short_term_key_cut_short_is_refused(missing: int) -> None:
    assert "cut short" in refusal(short_term_key()[:-missing])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ABSK" + encoded("nobody:" + "s" * 60), "user and account"),
        ("ABSK" + encoded("user-at-1234:" + "s" * 60), "user and account"),
        ("ABSK" + encoded("a b-at-123456789012:" + "s" * 60), "user and account"),
        ("ABSK" + encoded("user-at-123456789012:secret"), "too short"),
        ("ABSK" + long_term_key()[4:].replace("Q", "-"), "ends 0 characters after"),
        ("ABSK" + long_term_key()[4:] + "A===", "ends 127 characters after"),
        (long_term_key() + "=", "not a multiple of four"),
        (long_term_key() + "====", "cannot be decoded"),
    ],
)
def test_a_damaged_long_term_key_is_refused(text: str, words: str) -> None:
    assert words in refusal(text)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"Action": "ListFoundationModels"}, "not for the action CallWithBearerToken"),
        ({"Version": None}, "lacks its signature or its end"),
        ({"X_Amz_Signature": "0" * 63}, "lacks its signature"),
        ({"X_Amz_Credential": None}, "not complete"),
        ({"X_Amz_Credential": "A/20261123/us-west-2/bedrock/aws4_request"}, "damaged"),
        (
            {"X_Amz_Credential": f"{SESSION_ACCESS_KEY_ID}/20261123/us-west-2/s3/aws4_request"},
            "made for another service (s3) than bedrock",
        ),
        ({"X_Amz_Date": None}, "X-Amz-Date inside is not a date"),
        ({"X_Amz_Date": "20261323T000000Z"}, "X-Amz-Date inside is not a date"),
        ({"X_Amz_Date": "99991231T235959Z"}, "X-Amz-Date inside is not a date"),
        ({"X_Amz_Date": "2026-11-23T00:00:00Z"}, "X-Amz-Date inside is not a date"),
        ({"X_Amz_Expires": "0"}, "X-Amz-Expires inside"),
        ({"X_Amz_Expires": "604801"}, "X-Amz-Expires inside"),
        ({"X_Amz_Expires": "-1"}, "X-Amz-Expires inside"),
    ],
)
def test_a_damaged_short_term_key_is_refused(parameters: dict[str, str | None], words: str) -> None:
    assert words in refusal(changed(short_term_key(), **parameters))


def test_a_short_term_key_for_another_host_is_refused() -> None:
    url = base64.b64decode(short_term_key().removeprefix("bedrock-api-key-")).decode()
    other = url.replace("bedrock.amazonaws.com", "bedrock.example.com")
    assert "bedrock.amazonaws.com" in refusal("bedrock-api-key-" + encoded(other))


def test_a_short_term_key_with_a_repeated_parameter_is_refused() -> None:
    url = base64.b64decode(short_term_key().removeprefix("bedrock-api-key-")).decode()
    assert "repeated" in refusal("bedrock-api-key-" + encoded(url + "&Action=Other"))


OUR_OWN_WORDS = "".join(inspect.getsource(module) for module in (api_key, decoding, errors, facts))
# A local that holds a prefix is shown in single quotes.
OUR_OWN_WORDS += "'bedrock-api-key-'"
try:
    ApiKey.parse("!")
except InvalidApiKeyError as refused:
    # Python's words around any error.
    OUR_OWN_WORDS += shown(refused)
KEYS = st.sampled_from([long_term_key(), short_term_key()])
SPOILT = st.builds(
    lambda key, position, text: key[:position] + text + key[position:],
    KEYS,
    st.integers(0, 700),
    st.text(max_size=5),
)
BASE64 = st.binary(max_size=200).map(lambda data: base64.b64encode(data).decode())
PREFIXED = st.builds(
    str.__add__, st.sampled_from(["ABSK", "bedrock-api-key-"]), st.one_of(BASE64, st.text())
)


@given(st.one_of(st.text(), SPOILT, PREFIXED))
@example("bedrock-api-key-" + encoded("bedrock.amazonaws.com/?" + "a&" * 100))
@example("request_")
@example("Traceback")
def test_any_text_is_read_or_refused_without_showing_it(text: str) -> None:
    try:
        words = repr(ApiKey.parse(text))
    except InvalidApiKeyError as error:
        words = shown(error)
    chunks = {text[i : i + 8] for i in range(len(text) - 7)}
    assert not [chunk for chunk in chunks if chunk in words and chunk not in OUR_OWN_WORDS]


@pytest.mark.parametrize("end", ["\n\0", "\u201d", "!", " x"])
@pytest.mark.parametrize("make", [long_term_key, short_term_key])
@pytest.mark.parametrize("take", [ApiKey.parse, ApiKey.opaque])
def test_no_frame_of_a_refusal_holds_the_key(
    make: Callable[[], str], take: Callable[[str], ApiKey], end: str
) -> None:
    text = make()
    if take == ApiKey.opaque and end == "!":
        end = "\x7f"
    with pytest.raises(InvalidApiKeyError) as caught:
        take(text + end)
    assert text[20:40] not in shown(caught.value)
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None


def test_the_representation_shows_type_last_four_and_source_only() -> None:
    text = long_term_key()
    key = ApiKey.parse(text, source="env AWS_BEARER_TOKEN_BEDROCK")
    shown = f"LONG_TERM ...{text[-4:]} from env AWS_BEARER_TOKEN_BEDROCK"
    fingerprint = hashlib.sha256(text.encode()).hexdigest()[:8]
    assert repr(key) == f"<ApiKey {shown} (fingerprint {fingerprint})>"
    assert str(key) == repr(key)
    assert f"{key:>100}" == repr(key).rjust(100)


def test_the_description_holds_no_part_of_the_secret() -> None:
    for text in (long_term_key(), short_term_key()):
        words = repr(ApiKey.parse(text).description)
        assert LONG_TERM_SECRET[:8] not in words
        assert not any(text[i : i + 8] in words for i in range(20, len(text) - 8))


def test_a_key_has_no_dictionary_of_attributes() -> None:
    with pytest.raises(TypeError):
        vars(ApiKey.parse(long_term_key()))


def test_a_key_cannot_be_changed() -> None:
    key = ApiKey.parse(long_term_key())
    with pytest.raises(AttributeError, match="cannot be changed"):
        key.source = "elsewhere"  # type: ignore[misc]
    with pytest.raises(AttributeError, match="cannot be changed"):
        del key._description


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_key_cannot_be_pickled(protocol: int) -> None:
    with pytest.raises(TypeError, match="An ApiKey cannot be pickled"):
        pickle.dumps(ApiKey.parse(long_term_key()), protocol)


def test_the_state_of_a_key_cannot_be_taken() -> None:
    with pytest.raises(TypeError, match="An ApiKey cannot be pickled"):
        ApiKey.parse(long_term_key()).__getstate__()


def test_a_copy_of_a_key_is_the_key() -> None:
    key = ApiKey.parse(long_term_key())
    assert copy.copy(key) is key
    assert copy.deepcopy([key])[0] is key


def test_keys_of_the_same_text_are_equal_wherever_they_came_from() -> None:
    text = long_term_key()
    assert ApiKey.parse(text) == ApiKey.parse(text, source="file key")
    assert len({ApiKey.parse(text), ApiKey.parse(f" {text}")}) == 1
    assert ApiKey.parse(text) != ApiKey.parse(long_term_key("other"))
    assert ApiKey.parse(text) != text


def test_a_key_knows_its_own_text() -> None:
    key = ApiKey.parse(long_term_key())
    assert key.is_text(f"'{long_term_key()}'\n")
    assert not key.is_text(long_term_key("other"))
    assert not key.is_text("\udcff\u201c")


def test_a_short_term_key_has_ended_at_its_upper_bound_and_not_before() -> None:
    key = ApiKey.parse(changed(short_term_key(), X_Amz_Date="20260101T000000Z"))
    end = datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert key.expires_at == end
    assert key.is_expired(end)
    assert not key.is_expired(end - timedelta(seconds=1))
    assert key.is_expired()


def test_a_long_term_key_is_never_known_to_have_ended() -> None:
    assert not ApiKey.parse(long_term_key()).is_expired(datetime(2999, 1, 1, tzinfo=UTC))


def test_an_opaque_key_is_taken_without_looking_inside() -> None:
    key = ApiKey.opaque(" new-kind-0123456789\n", source="file key")
    assert key.get_secret_value() == "new-kind-0123456789"
    assert key.token_type is None
    assert repr(key).startswith("<ApiKey UNKNOWN ...6789 from file key (")


def test_an_opaque_key_of_a_known_prefix_has_the_type_of_the_prefix() -> None:
    assert ApiKey.opaque("ABSK-in-another-form").token_type is TokenType.LONG_TERM


@pytest.mark.parametrize("text", ["", "two words", "caf\u00e9", "arn:aws:iam::1:user/x", "nul\0"])
def test_an_opaque_key_that_cannot_be_sent_or_is_known_to_be_none_is_refused(text: str) -> None:
    with pytest.raises(InvalidApiKeyError):
        ApiKey.opaque(text)


@pytest.mark.parametrize(
    ("text", "foreign"),
    [
        ("sk-ant-api03-0123456789abcdef", "a key of Anthropic's own API"),
        ("sk-0123456789abcdef", "a key of OpenAI or of another vendor"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "a JSON Web Token"),
        ("new-kind-0123456789", None),
        (long_term_key(), None),
    ],
)
def test_an_opaque_key_knows_what_else_it_looks_like(text: str, foreign: str | None) -> None:
    key = ApiKey.opaque(text)

    assert key.description.foreign == foreign
    assert text not in repr(key) + repr(key.description)


def test_the_last_four_characters_of_a_very_short_key_are_not_shown() -> None:
    assert "UNKNOWN from api_key argument" in repr(ApiKey.opaque("abcdefghijklmno"))


@pytest.mark.parametrize(
    ("access_key_id", "account_id"),
    [
        ("ASIAY34FZKBOKMUTVV7A", "609629065308"),
        ("ASIAQNZGKIQY56JQ7WML", "029608264753"),
        ("AKIAIOSFODNN7EXAMPLE", None),
        ("AKIAJOSFODNN7EXAMPLE", None),
        ("ASIA7777777777777777", None),
        ("ASIAY34FZKBOKMUTVV7", None),
        ("", None),
    ],
)
def test_the_account_is_decoded_from_an_access_key_id(
    access_key_id: str, account_id: str | None
) -> None:
    assert account_id_from_access_key_id(access_key_id) == account_id


def test_reading_the_longest_text_takes_no_more_than_linear_time() -> None:
    patterns = [b"a", b"+1", b"-at-", b"=", b":", b"&a=", b"%"]
    for pattern in patterns:
        body = base64.b64encode((pattern * 30000)[:24000]).decode()
        for text in ("ABSK" + body, "bedrock-api-key-" + body, (pattern * 30000)[:32768].decode()):
            start = datetime.now(UTC)
            assert re.search("cannot be used", refusal(text))
            assert datetime.now(UTC) - start < timedelta(seconds=1)
