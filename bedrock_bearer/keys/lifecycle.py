"""Long-term keys over IAM: made, listed, rotated, retired. Needs `bedrock-bearer[aws]`.

All of it is done with AWS credentials: an API key cannot manage keys. See
https://docs.aws.amazon.com/bedrock/latest/userguide/api-keys-generate.html.
"""

from __future__ import annotations

import logging
import os
import secrets
import string
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from bedrock_bearer.errors import (
    BedrockError,
    ConfigurationError,
    ConnectError,
    InvalidApiKeyError,
    KeyCreationDeniedError,
    KeyLifecycleError,
    KeyLimitError,
    TransportError,
)
from bedrock_bearer.keys.api_key import LONG_TERM_PREFIX, ApiKey
from bedrock_bearer.keys.sources import region_of_environment, utc_now

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

logger = logging.getLogger("bedrock_bearer")

BEDROCK_SERVICE = "bedrock.amazonaws.com"
KEYS_PER_USER = 2
LONGEST_DAYS = 36_600
CONSOLE_USER_PREFIX = "BedrockAPIKey-"
"""How the users are called that the AWS console makes, one for each key."""
LIMITED_ACCESS_ARN = "arn:aws:iam::aws:policy/AmazonBedrockLimitedAccess"
"""The policy that the AWS console attaches to them."""

_AGE = "iam:ServiceSpecificCredentialAgeDays"
_SERVICE = "iam:ServiceSpecificCredentialServiceName"
_SECONDS_BETWEEN_PROBES = 2.0


@dataclass(frozen=True, slots=True)
class LongTermKey:
    """A long-term key as IAM lists it, without its secret.

    Attributes:
        user_name: the IAM user that it belongs to.
        credential_id: IAM's id of it, `ACCA...`.
        alias: the public part of it, or None.
        status: `Active`, `Inactive` or `Expired`.
        created_at: when it was made, in UTC.
        expires_at: when it ends; None for never.
    """

    user_name: str
    credential_id: str
    alias: str | None
    status: str
    created_at: datetime
    expires_at: datetime | None

    def age(self, now: datetime | None = None) -> timedelta:
        """Return how old it is; `now` is an aware datetime."""
        return (now or utc_now()) - self.created_at

    def is_expired(self, now: datetime | None = None) -> bool:
        """Return whether it has ended."""
        return self.expires_at is not None and (now or utc_now()) >= self.expires_at


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made. IAM gives its secret this once.

    Attributes:
        key: the key itself.
        listed: the same key as IAM lists it.
    """

    key: ApiKey
    listed: LongTermKey


@dataclass(frozen=True, slots=True)
class Rotation:
    """A rotation done: the way back stays open until the old key is deleted.

    Attributes:
        new: the key that took over.
        old: the key that was deactivated.
    """

    new: NewKey
    old: LongTermKey


@dataclass(frozen=True, slots=True)
class OrphanedUser:
    """An IAM user that was made for a key, and has none.

    Attributes:
        user_name: its name.
        arn: its ARN.
        created_at: when it was made, in UTC.
    """

    user_name: str
    arn: str
    created_at: datetime


class KeyLifecycle:
    """Makes, lists, rotates and retires the long-term keys of IAM users.

    Args:
        iam: boto3's client of IAM. Default: one of the default session.
        monotonic: a clock in seconds, and
        sleep: the way to wait on it.

    Raises:
        ConfigurationError: boto3 is not installed, or no AWS credentials were found.
        KeyLifecycleError: IAM refuses or fails.
        ConnectError: IAM cannot be reached.

    See https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateServiceSpecificCredential.html.
    """

    def __init__(
        self,
        iam: Any = None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._iam = _default_client() if iam is None else iam
        self._monotonic = monotonic
        self._sleep = sleep

    def create(
        self,
        user_name: str,
        *,
        days: int | None = None,
        hand_over: Callable[[ApiKey], object] | None = None,
    ) -> NewKey:
        """Make a key for a user.

        Args:
            user_name: an IAM user that exists.
            days: how long the key lives, 1 to 36600. Default: it never expires.
            hand_over: puts the key where it is used; if it raises, the key is deleted again.

        Raises:
            KeyCreationDeniedError: a policy refuses it.
            KeyLimitError: the user has two keys already; nothing was asked of IAM but that.
        """
        _check_days(days)
        try:
            self._check_room(user_name)
        except KeyLimitError:
            raise
        except KeyLifecycleError as error:
            # Whoever may not list keys may still be allowed to make one.
            logger.debug("%s", error)
        new = self._create(user_name, days)
        if hand_over is not None:
            with self._deleted_on_failure(new):
                hand_over(new.key)
        return new

    def create_with_user(
        self,
        user_name: str | None = None,
        *,
        days: int | None = None,
        policy_arn: str = LIMITED_ACCESS_ARN,
        hand_over: Callable[[ApiKey], object] | None = None,
    ) -> NewKey:
        """Make a new user and a key for it, as the AWS console does.

        When the key cannot be made, the user is removed again; where that is refused too, the error
        names it.

        Args:
            user_name: default: one such as `BedrockAPIKey-a1b2`.
            days: as for `create`.
            policy_arn: the managed policy that the user gets.
            hand_over: as for `create`.

        Raises:
            KeyCreationDeniedError: a policy refuses the key.
        """
        _check_days(days)
        name = user_name or _console_user_name()
        with _translated(f"The user {name} was not made"):
            self._iam.create_user(UserName=name)
        try:
            with _translated(f"The policy {policy_arn} was not attached to the user {name}"):
                self._iam.attach_user_policy(UserName=name, PolicyArn=policy_arn)
            return self.create(name, days=days, hand_over=hand_over)
        except BaseException as error:
            said = self._removed_again(name, error)
            if isinstance(error, BedrockError):
                error.message += f" {said}"
            raise

    def list_keys(self, user_name: str | None = None) -> list[LongTermKey]:
        """Return the keys of a user, or of all users of the account, the oldest first."""
        whose = {"UserName": user_name} if user_name else {"AllUsers": True}
        with _translated(f"The keys of {user_name or 'the account'} were not listed"):
            credentials = list(
                _pages(
                    self._iam.list_service_specific_credentials,
                    "ServiceSpecificCredentials",
                    ServiceName=BEDROCK_SERVICE,
                    **whose,
                )
            )
        return sorted((_listed(each) for each in credentials), key=lambda key: key.created_at)

    def deactivate(self, user_name: str, credential_id: str) -> None:
        """Let a key be accepted no more; `reactivate` is the way back."""
        self._set_status(user_name, credential_id, "Inactive")

    def reactivate(self, user_name: str, credential_id: str) -> None:
        """Let a key that was deactivated be accepted again."""
        self._set_status(user_name, credential_id, "Active")

    def reset(
        self,
        user_name: str,
        credential_id: str,
        *,
        hand_over: Callable[[ApiKey], object] | None = None,
    ) -> NewKey:
        """Give a key a new secret. The old one is void at once, in all that use it."""
        with _translated(f"The key {credential_id} of {user_name} was not reset"):
            answer = self._iam.reset_service_specific_credential(
                UserName=user_name, ServiceSpecificCredentialId=credential_id
            )
        new = _taken(cast("dict[str, Any]", answer["ServiceSpecificCredential"]))
        if hand_over is not None:
            hand_over(new.key)
        return new

    def delete(self, user_name: str, credential_id: str) -> None:
        """Delete a key for good."""
        with _translated(f"The key {credential_id} of {user_name} was not deleted"):
            self._iam.delete_service_specific_credential(
                UserName=user_name, ServiceSpecificCredentialId=credential_id
            )

    def rotate(
        self,
        user_name: str,
        *,
        is_accepted: Callable[[ApiKey], bool],
        hand_over: Callable[[ApiKey], object],
        days: int | None = None,
        wait: float = 120.0,
    ) -> Rotation:
        """Put a new key in the place of a user's only one.

        The new key is made, waited for until it is accepted, handed over, and only then is the old
        one deactivated, not deleted. If anything fails before the key was handed over, the new key
        is deleted and the old one stays as it is.

        Args:
            user_name: an IAM user with one key.
            is_accepted: asks whether Bedrock accepts a key, such as `rotation.is_accepted`; what
                it raises ends the rotation.
            hand_over: puts the new key where it is used.
            days: as for `create`.
            wait: seconds to wait until the new key is accepted: IAM takes up to a minute.

        Raises:
            KeyLimitError: the user has two keys already.
        """
        _check_days(days)
        old = self.key_to_replace(user_name)
        new = self._create(user_name, days)
        with self._deleted_on_failure(new):
            self._wait_until_accepted(new.key, is_accepted, wait)
            hand_over(new.key)
        self.deactivate(old.user_name, old.credential_id)
        return Rotation(new, replace(old, status="Inactive"))

    def key_to_replace(self, user_name: str) -> LongTermKey:
        """Return the key that `rotate` would replace.

        Raises:
            KeyLimitError: the user has two keys already.
            KeyLifecycleError: the user has none.
        """
        keys = self._check_room(user_name)
        if not keys:
            raise KeyLifecycleError(f"The user {user_name} has no key to replace: create one.")
        return keys[0]

    def find_orphaned_users(self) -> list[OrphanedUser]:
        """Return the users called `BedrockAPIKey-*` without a key, the oldest first.

        The AWS console makes such a user for each key and never removes it.
        """
        with_a_key = {key.user_name for key in self.list_keys()}
        with _translated("The users were not listed"):
            users = [
                OrphanedUser(user["UserName"], user["Arn"], user["CreateDate"].astimezone(UTC))
                for page in self._iam.get_paginator("list_users").paginate()
                for user in page["Users"]
            ]
        orphaned = [
            user
            for user in users
            if user.user_name.startswith(CONSOLE_USER_PREFIX) and user.user_name not in with_a_key
        ]
        return sorted(orphaned, key=lambda user: user.created_at)

    def remove_user(self, user_name: str) -> None:
        """Remove a user that has no key, with the managed policies attached to it.

        Raises:
            KeyLifecycleError: it has a key, or IAM refuses.
        """
        if self.list_keys(user_name):
            raise KeyLifecycleError(f"The user {user_name} has a key, and is not removed.")
        self._remove(user_name)

    def _remove(self, user_name: str) -> None:
        with _translated(f"The user {user_name} was not removed"):
            for page in self._iam.get_paginator("list_attached_user_policies").paginate(
                UserName=user_name
            ):
                for policy in page["AttachedPolicies"]:
                    self._iam.detach_user_policy(UserName=user_name, PolicyArn=policy["PolicyArn"])
            self._iam.delete_user(UserName=user_name)

    def _create(self, user_name: str, days: int | None) -> NewKey:
        age = {} if days is None else {"CredentialAgeDays": days}
        refused = partial(_creation_refused, days=days)
        with _translated(f"No key was made for the user {user_name}", refused):
            answer = self._iam.create_service_specific_credential(
                UserName=user_name, ServiceName=BEDROCK_SERVICE, **age
            )
        return _taken(cast("dict[str, Any]", answer["ServiceSpecificCredential"]))

    def _check_room(self, user_name: str) -> list[LongTermKey]:
        keys = self.list_keys(user_name)
        if len(keys) < KEYS_PER_USER:
            return keys
        held = " and ".join(f"{key.credential_id} ({key.status})" for key in keys)
        raise KeyLimitError(
            f"The user {user_name} has two keys, the most that IAM allows: {held}. Delete one that "
            "is not in use any more."
        )

    def _set_status(self, user_name: str, credential_id: str, status: Any) -> None:
        with _translated(f"The key {credential_id} of {user_name} was not made {status}"):
            self._iam.update_service_specific_credential(
                UserName=user_name, ServiceSpecificCredentialId=credential_id, Status=status
            )

    def _wait_until_accepted(
        self, key: ApiKey, is_accepted: Callable[[ApiKey], bool], wait: float
    ) -> None:
        give_up_at = self._monotonic() + wait
        while not is_accepted(key):
            if self._monotonic() >= give_up_at:
                raise KeyLifecycleError(
                    f"Bedrock did not accept the new key within {wait:g} s; the old one is "
                    "unchanged."
                )
            self._sleep(_SECONDS_BETWEEN_PROBES)

    @contextmanager
    def _deleted_on_failure(self, new: NewKey) -> Iterator[None]:
        """Delete a new key that nobody got."""
        try:
            yield
        except BaseException:
            listed = new.listed
            try:
                self.delete(listed.user_name, listed.credential_id)
            except BedrockError as error:
                logger.warning("A key that nobody got is left behind. %s", error)
            raise

    def _removed_again(self, user_name: str, error: BaseException) -> str:
        """Remove a user that was made for a key, and say how that went."""
        try:
            self._remove(user_name)
        except BedrockError as left_behind:
            if isinstance(error, KeyCreationDeniedError):
                error.orphaned_user = user_name
            said = f"The user {user_name}, made for it, is left behind. {left_behind.message}"
            logger.warning("%s", said)
            return said
        return f"The user {user_name}, made for it, was removed again."


def write_key_file(
    key: ApiKey, path: str | os.PathLike[str], *, replace_existing: bool = False
) -> None:
    """Write a key into a file that its owner alone can read (mode 0600), whole or not at all.

    Args:
        key: the key.
        path: the file; of a link, what it leads to.
        replace_existing: whether a file that exists is replaced.

    Raises:
        ConfigurationError: it cannot be written, or exists.
    """
    target = os.path.realpath(os.path.expanduser(path))
    check_key_file(target, replace_existing=replace_existing)
    written = f"{target}.{secrets.token_hex(4)}" if replace_existing else target
    problem: str | None = None
    try:
        file = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(file, "w") as stream:
                stream.write(key.get_secret_value() + "\n")
            if replace_existing:
                os.replace(written, target)
        except OSError:
            os.unlink(written)
            raise
    except OSError as error:
        problem = error.strerror or type(error).__name__
    if problem is not None:
        raise ConfigurationError(f"The key file {target} cannot be written: {problem}.")


def check_key_file(path: str | os.PathLike[str], *, replace_existing: bool = False) -> None:
    """Raise now what `write_key_file` would, before there is a key to lose.

    Raises:
        ConfigurationError: the file cannot be written, or exists.
    """
    target = os.path.realpath(os.path.expanduser(path))
    directory = os.path.dirname(target)
    if os.path.isdir(target) or not os.path.isdir(directory):
        raise ConfigurationError(f"The key file {target} cannot be written: no such directory.")
    if not os.access(directory, os.W_OK | os.X_OK):
        raise ConfigurationError(f"The key file {target} cannot be written: permission denied.")
    if os.path.exists(target) and not replace_existing:
        raise ConfigurationError(f"The file {target} exists already, and is not overwritten.")


def _default_client() -> Any:
    try:
        import boto3
    except ImportError:
        problem = "The lifecycle of keys needs boto3: pip install 'bedrock-bearer[aws]'."
        raise ConfigurationError(problem) from None
    with _translated("IAM was not asked"):
        # The Region decides on the partition; a new session reads the credentials anew.
        return boto3.Session(region_name=region_of_environment()).client("iam")


def _check_days(days: int | None) -> None:
    if days is None:
        return
    if isinstance(days, bool) or not isinstance(days, int) or not 1 <= days <= LONGEST_DAYS:
        raise ConfigurationError(f"days= takes a whole number from 1 to {LONGEST_DAYS}.")


def _console_user_name() -> str:
    letters = string.ascii_lowercase + string.digits
    return CONSOLE_USER_PREFIX + "".join(secrets.choice(letters) for _ in range(4))


def _pages(call: Callable[..., Any], name: str, **arguments: Any) -> Iterator[dict[str, Any]]:
    """Give the members of a list that boto3 has no paginator for."""
    while True:
        page = call(**arguments)
        yield from page[name]
        if not page.get("IsTruncated"):
            return
        arguments["Marker"] = page["Marker"]


def _listed(credential: dict[str, Any]) -> LongTermKey:
    expires_at = credential.get("ExpirationDate")
    return LongTermKey(
        user_name=credential["UserName"],
        credential_id=credential["ServiceSpecificCredentialId"],
        alias=credential.get("ServiceCredentialAlias") or credential.get("ServiceUserName"),
        status=credential["Status"],
        created_at=credential["CreateDate"].astimezone(UTC),
        expires_at=expires_at.astimezone(UTC) if expires_at else None,
    )


def _taken(credential: dict[str, Any]) -> NewKey:
    """Return the key out of IAM's answer, and leave none of it there."""
    listed = _listed(credential)
    texts = [text for text in credential.values() if isinstance(text, str)]
    credential.clear()
    key = _key_among(texts, listed)
    texts.clear()
    if isinstance(key, ApiKey):
        return NewKey(key, listed)
    raise KeyLifecycleError(
        f"IAM made the key {listed.credential_id} of {listed.user_name}, but what it gave is no "
        "API key of Bedrock. Delete it and try again."
    )


def _key_among(texts: list[str], listed: LongTermKey) -> ApiKey | None:
    # The field is called ServiceCredentialSecret or ServiceApiKeyValue: what it holds is sure.
    with suppress(InvalidApiKeyError, StopIteration):
        text = next(text for text in texts if text.startswith(LONG_TERM_PREFIX))
        return ApiKey.parse(text, source=f"IAM, {listed.credential_id}")
    return None


def _refused(what: str, error: ClientError) -> KeyLifecycleError:
    return KeyLifecycleError(
        f"{what}: {_code(error)}: {_sentence(error)}", request_id=_request_id(error)
    )


def _creation_refused(what: str, error: ClientError, *, days: int | None) -> KeyLifecycleError:
    if _code(error) == "LimitExceeded":
        return KeyLimitError(f"{what}: {_sentence(error)}", request_id=_request_id(error))
    if _code(error) != "AccessDenied":
        return _refused(what, error)
    # Only a refusal needs it.
    from bedrock_bearer.access import Denial

    sentence = _sentence(error)
    denial = Denial.parse(sentence)
    condition_key, value = _AGE, None if days is None else str(days)
    if days is None and denial is not None and denial.effect == "explicit":
        # A limit on the age does not match a request that names none.
        condition_key, value = _SERVICE, BEDROCK_SERVICE
    asked = f"{value} was asked for" if value else "a key without an end was asked for"
    return KeyCreationDeniedError(
        f"{what}: {sentence} AWS never names the condition; most likely it is {condition_key} "
        f"({asked}).",
        denial=denial,
        condition_key=condition_key,
        condition_value=value,
        request_id=_request_id(error),
    )


@contextmanager
def _translated(
    what: str, refused: Callable[[str, ClientError], KeyLifecycleError] = _refused
) -> Iterator[None]:
    """Raise what boto3 raises as an error of this library.

    Args:
        what: what did not happen, for the message.
        refused: makes the error for an answer of IAM.
    """
    from botocore import exceptions
    from botocore.parsers import ResponseParserError

    try:
        yield
    except exceptions.ClientError as error:
        raise refused(what, error) from None
    except (
        exceptions.NoCredentialsError,
        exceptions.PartialCredentialsError,
        exceptions.CredentialRetrievalError,
    ) as error:
        raise ConfigurationError(
            f"{what}: {error}. Keys are managed with AWS credentials, not with an API key: set "
            "AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        ) from None
    except exceptions.ConnectionError as error:
        raise ConnectError(f"{what}: {error}") from None
    except exceptions.HTTPClientError as error:
        raise TransportError(f"{what}, as far as can be told: {error}") from None
    except ResponseParserError:
        raise KeyLifecycleError(
            f"{what}, as far as can be told: the answer is not the XML that IAM gives. Does the "
            "endpoint lead to IAM?"
        ) from None
    except exceptions.BotoCoreError as error:
        raise KeyLifecycleError(f"{what}: {error}") from None


def _code(error: ClientError) -> str:
    return error.response["Error"].get("Code", "")


def _sentence(error: ClientError) -> str:
    return error.response["Error"].get("Message", "")


def _request_id(error: ClientError) -> str | None:
    return error.response.get("ResponseMetadata", {}).get("RequestId")
