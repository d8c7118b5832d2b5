"""Creates, lists, rotates and retires long-term keys over IAM. Needs the extra `[aws]`.

This takes AWS credentials: an API key cannot manage keys. See
https://docs.aws.amazon.com/bedrock/latest/userguide/api-keys-generate.html.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, cast

from bedrock_bearer.access.denial import Denial
from bedrock_bearer.access.explanation import about_authorization_id
from bedrock_bearer.aws.handover import Handover
from bedrock_bearer.aws.long_term_keys import LongTermKey, NewKey, console_user_name
from bedrock_bearer.aws.session import Refusal, RefusalToError, aws_client, aws_errors
from bedrock_bearer.errors import (
    BedrockError,
    ConfigurationError,
    KeyCreationDeniedError,
    KeyLifecycleError,
    KeyLimitError,
)
from bedrock_bearer.facts import (
    AGE_KEY,
    BEDROCK_SERVICE,
    CONSOLE_USER_PREFIX,
    CREATE_KEY,
    KEYS_PER_USER,
    LIMITED_ACCESS_ARN,
    LONGEST_AGE_DAYS,
    SERVICE_NAME_KEY,
)

logger = logging.getLogger("bedrock_bearer")


@dataclass(frozen=True, slots=True)
class OrphanedUser:
    """An IAM user that was made for a key and has none.

    Attributes:
        user_name: its name.
        arn: its ARN.
        created_at: when it was made, in UTC.
    """

    user_name: str
    arn: str
    created_at: datetime


class KeyLifecycle:
    """Creates, lists, rotates and retires the long-term keys of IAM users.

    Args:
        iam: boto3's client of IAM. Default: one of a new session.

    Raises:
        ConfigurationError: boto3 is not installed, or no AWS credentials were found.
        KeyLifecycleError: IAM refuses or fails.
        TransportError: IAM cannot be reached, or the connection broke.

    See https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateServiceSpecificCredential.html.
    """

    def __init__(self, iam: Any = None) -> None:
        self._iam = aws_client("iam", "IAM was not called") if iam is None else iam

    def create(
        self,
        user_name: str,
        *,
        days: int | None = None,
        handover: Handover | None = None,
    ) -> NewKey:
        """Create a key for a user.

        Args:
            user_name: an IAM user that exists.
            days: days until the key expires, 1 to 36600. Default: it never does.
            handover: puts the key where it is used. If the key has certainly not arrived there, it
                is deleted again; if that is not known, it stays, and the error names it.

        Raises:
            KeyCreationDeniedError: a policy refuses it.
            KeyLimitError: the user has two keys already, the most that IAM allows.
        """
        _check_days(days)
        try:
            self._check_room(user_name)
        except KeyLimitError:
            raise
        except KeyLifecycleError as error:
            # Credentials that may not list keys may still be allowed to create one.
            logger.debug("%s", error)
        new = self.create_only(user_name, days=days)
        if handover is not None:
            self._hand_over(new, handover)
        return new

    def create_with_user(
        self,
        user_name: str | None = None,
        *,
        days: int | None = None,
        policy_arn: str = LIMITED_ACCESS_ARN,
        handover: Handover | None = None,
    ) -> NewKey:
        """Create a new user and a key for it, as the AWS console does.

        If the key cannot be created, the user is removed again. If that fails too, the error names
        the user.

        Args:
            user_name: the new user. Default: a name such as `BedrockAPIKey-a1b2`.
            days: as for `create`.
            policy_arn: the managed policy to attach to the user.
            handover: as for `create`.

        Raises:
            KeyCreationDeniedError: a policy refuses the key.
        """
        _check_days(days)
        name = user_name or console_user_name()
        with _iam_errors(f"The user {name} was not made"):
            self._iam.create_user(UserName=name)
        try:
            with _iam_errors(f"The policy {policy_arn} was not attached to the user {name}"):
                self._iam.attach_user_policy(UserName=name, PolicyArn=policy_arn)
            new = self.create(name, days=days)
        except BaseException as error:
            tell(error, self._removed_again(name, error))
            raise
        if handover is None:
            return new
        try:
            self._hand_over(new, handover)
        except BaseException as error:
            # Where the key may have arrived it stays, and its user with it.
            if handover.has_not_arrived(error):
                tell(error, self._removed_again(name, error))
            raise
        return new

    def list_keys(self, user_name: str | None = None) -> list[LongTermKey]:
        """Return the keys of a user, or of all users of the account, the oldest first."""
        whose = {"UserName": user_name} if user_name else {"AllUsers": True}
        with _iam_errors(f"The keys of {user_name or 'the account'} were not listed"):
            credentials = list(
                _pages(
                    self._iam.list_service_specific_credentials,
                    "ServiceSpecificCredentials",
                    ServiceName=BEDROCK_SERVICE,
                    **whose,
                )
            )
        return sorted(
            (LongTermKey.from_wire(each) for each in credentials), key=lambda key: key.created_at
        )

    def deactivate(self, user_name: str, credential_id: str) -> None:
        """Deactivate a key: Bedrock no longer accepts it. `reactivate` undoes this."""
        self._set_status(user_name, credential_id, "Inactive")

    def reactivate(self, user_name: str, credential_id: str) -> None:
        """Activate a deactivated key: Bedrock accepts it again."""
        self._set_status(user_name, credential_id, "Active")

    def reset(
        self,
        user_name: str,
        credential_id: str,
        *,
        handover: Handover | None = None,
    ) -> NewKey:
        """Give a key a new secret. The old secret stops working at once, wherever it is used."""
        with _iam_errors(f"The key {credential_id} of {user_name} was not reset"):
            answer = self._iam.reset_service_specific_credential(
                UserName=user_name, ServiceSpecificCredentialId=credential_id
            )
        new = NewKey.take_from(cast("dict[str, Any]", answer["ServiceSpecificCredential"]))
        if handover is not None:
            handover.deliver(new)
        return new

    def delete(self, user_name: str, credential_id: str) -> None:
        """Delete a key for good."""
        with _iam_errors(f"The key {credential_id} of {user_name} was not deleted"):
            self._iam.delete_service_specific_credential(
                UserName=user_name, ServiceSpecificCredentialId=credential_id
            )

    def key_to_replace(self, user_name: str) -> LongTermKey:
        """Return a user's only key, which a rotation replaces.

        Raises:
            KeyLimitError: the user has two keys already.
            KeyLifecycleError: the user has none.
        """
        keys = self._check_room(user_name)
        if not keys:
            raise KeyLifecycleError(f"The user {user_name} has no key to replace. Create one.")
        return keys[0]

    def find_orphaned_users(self) -> list[OrphanedUser]:
        """Return the users called `BedrockAPIKey-*` without a key, the oldest first.

        The AWS console makes such a user for each key and never removes it.
        """
        with_a_key = {key.user_name for key in self.list_keys()}
        users = self._console_users()
        return [user for user in users if user.user_name not in with_a_key]

    def _console_users(self) -> list[OrphanedUser]:
        with _iam_errors("The users were not listed"):
            users = [
                OrphanedUser(user["UserName"], user["Arn"], user["CreateDate"].astimezone(UTC))
                for page in self._iam.get_paginator("list_users").paginate()
                for user in page["Users"]
                if user["UserName"].startswith(CONSOLE_USER_PREFIX)
            ]
        return sorted(users, key=lambda user: user.created_at)

    def remove_user(self, user_name: str) -> None:
        """Remove a user that has no key, and detach its managed policies.

        Raises:
            KeyLifecycleError: the user has a key, or IAM refuses.
        """
        if self.list_keys(user_name):
            raise KeyLifecycleError(f"The user {user_name} has a key and is not removed.")
        self._remove(user_name)

    def _remove(self, user_name: str) -> None:
        with _iam_errors(f"The user {user_name} was not removed"):
            for page in self._iam.get_paginator("list_attached_user_policies").paginate(
                UserName=user_name
            ):
                for policy in page["AttachedPolicies"]:
                    self._iam.detach_user_policy(UserName=user_name, PolicyArn=policy["PolicyArn"])
            self._iam.delete_user(UserName=user_name)

    def create_only(self, user_name: str, *, days: int | None = None) -> NewKey:
        """Create a key for a user, without looking at the keys that there are.

        Args and errors are those of `create`.
        """
        _check_days(days)
        age = {} if days is None else {"CredentialAgeDays": days}
        refused = partial(_creation_refused, days=days)
        with _iam_errors(f"No key was made for the user {user_name}", refused):
            answer = self._iam.create_service_specific_credential(
                UserName=user_name, ServiceName=BEDROCK_SERVICE, **age
            )
        return NewKey.take_from(cast("dict[str, Any]", answer["ServiceSpecificCredential"]))

    def _check_room(self, user_name: str) -> list[LongTermKey]:
        keys = self.list_keys(user_name)
        if len(keys) < KEYS_PER_USER:
            return keys
        held = " and ".join(f"{key.credential_id} ({key.status})" for key in keys)
        raise KeyLimitError(
            f"The user {user_name} has two keys, the most that IAM allows: {held}. "
            f"{_how_to_make_room(keys)}"
        )

    def _set_status(self, user_name: str, credential_id: str, status: Any) -> None:
        with _iam_errors(f"The key {credential_id} of {user_name} was not made {status}"):
            self._iam.update_service_specific_credential(
                UserName=user_name, ServiceSpecificCredentialId=credential_id, Status=status
            )

    def _hand_over(self, new: NewKey, handover: Handover) -> None:
        """Put a new key where it is used; delete it if it has certainly not arrived there."""
        try:
            handover.deliver(new)
        except BaseException as error:
            tell(error, self._after_failed_handover(new, is_lost=handover.has_not_arrived(error)))
            raise

    def _after_failed_handover(self, new: NewKey, *, is_lost: bool) -> str:
        """Delete a key that nobody got; return a sentence on what exists now."""
        listed = new.listed
        if not is_lost:
            return (
                f"The new key {listed.credential_id} exists and is active, as it may have arrived. "
                + how_to_delete(listed)
            )
        try:
            self.delete(listed.user_name, listed.credential_id)
        except BedrockError as left_behind:
            return f"The new key is left behind. {left_behind.message} {how_to_delete(listed)}"
        return f"The new key {listed.credential_id} was deleted again."

    def _removed_again(self, user_name: str, error: BaseException) -> str:
        """Remove a user that was made for a key; return a sentence on the outcome."""
        try:
            self._remove(user_name)
        except BedrockError as left_behind:
            if isinstance(error, KeyCreationDeniedError):
                error.orphaned_user = user_name
            said = f"The user {user_name}, made for it, is left behind. {left_behind.message}"
            logger.warning("%s", said)
            return said
        return f"The user {user_name}, made for it, was removed again."


def how_to_delete(key: LongTermKey) -> str:
    """Return a sentence with the commands that delete an active key."""
    command = key.retire_command
    return f"If nobody uses it, delete it: {command} && {command} --delete"


def tell(error: BaseException, sentence: str) -> None:
    """Add a sentence to an error's message; of an interrupt, which has none, log it."""
    if isinstance(error, BedrockError):
        error.message = f"{error.message} {sentence}"
    else:
        logger.warning("%s", sentence)


def _check_days(days: int | None) -> None:
    if days is None:
        return
    if isinstance(days, bool) or not isinstance(days, int) or not 1 <= days <= LONGEST_AGE_DAYS:
        raise ConfigurationError(f"days= takes a whole number from 1 to {LONGEST_AGE_DAYS}.")


def _how_to_make_room(keys: list[LongTermKey]) -> str:
    inactive = [key for key in keys if key.status == "Inactive"]
    if not inactive:
        return "Retire one that is no longer in use, and delete it: `bedrock-bearer key retire`."
    return f"Delete the inactive one: {inactive[0].retire_command} --delete"


def _pages(call: Callable[..., Any], name: str, **arguments: Any) -> Iterator[dict[str, Any]]:
    """Yield the members of a list that boto3 has no paginator for."""
    while True:
        page = call(**arguments)
        yield from page[name]
        if not page.get("IsTruncated"):
            return
        arguments["Marker"] = page["Marker"]


def _iam_errors(what: str, refused: RefusalToError | None = None) -> AbstractContextManager[None]:
    return aws_errors(what, refused or _refused)


def _refused(what: str, refusal: Refusal) -> KeyLifecycleError:
    message = f"{what}: {refusal}"
    if refusal.is_access_denied:
        message += (
            f" This needs the permission iam:{refusal.operation}; `bedrock-bearer key permissions` "
            "prints all that a command needs."
        )
    return KeyLifecycleError(message, request_id=refusal.request_id)


def _creation_refused(what: str, refusal: Refusal, *, days: int | None) -> KeyLifecycleError:
    if refusal.code == "LimitExceeded":
        return KeyLimitError(f"{what}: {refusal.sentence}", request_id=refusal.request_id)
    if not refusal.is_access_denied:
        return _refused(what, refusal)
    denial = Denial.parse(refusal.sentence)
    asked = f"{days} days" if days else "a key that never expires"
    if denial is None or denial.effect != "explicit":
        problem = (
            f"No policy allows it: an Allow for {CREATE_KEY} is missing, or it does not cover this "
            f"user, this service or this age ({asked})."
        )
        condition_key, value = None, None
    else:
        # A limit on the age does not match a request that names none.
        condition_key, value = (AGE_KEY, str(days)) if days else (SERVICE_NAME_KEY, BEDROCK_SERVICE)
        problem = (
            "AWS does not name the condition of the deny. It may be "
            f"{condition_key} ({asked} was asked for), another one, or none."
        )
    if denial is not None and denial.authorization_id is not None:
        problem += " " + about_authorization_id(
            denial.authorization_id, denial.authorization_region
        )
    return KeyCreationDeniedError(
        f"{what}: {refusal.sentence} {problem}",
        denial=denial,
        condition_key=condition_key,
        condition_value=value,
        request_id=refusal.request_id,
    )
