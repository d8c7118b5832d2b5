"""The token-type policy that governs, as far as AWS's answer tells.

AWS never names the condition that decided. The token type comes from the key that was used;
`certainty` says how sure that makes us.
https://docs.aws.amazon.com/bedrock/latest/userguide/api-keys-permissions.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from bedrock_bearer.access.denial import Denial, Effect
from bedrock_bearer.keys.description import KeyDescription, TokenType

if TYPE_CHECKING:
    from bedrock_bearer.access.located import LocatedStatement

Certainty = Literal["inferred", "confirmed", "blanket"]

_WHO_CAN_CHANGE = {
    "identity-based policy": "an administrator of {account}, who manages the policies of the "
    "principal, its groups and its role",
    "service control policy": "the owner of the AWS organisation (its management account or a "
    "delegated administrator); no IAM change inside {account} helps",
    "resource control policy": "the owner of the AWS organisation (its management account or a "
    "delegated administrator); no IAM change inside {account} helps",
    "permissions boundary": "whoever set the permissions boundary of the principal in {account}; "
    "further Allow statements elsewhere do not help",
    "session policy": "whoever starts the session: the session policy is passed to AssumeRole or "
    "set by the federation, not attached to the principal",
    "VPC endpoint policy": "the owner of the network: the policy is set on the VPC endpoint that "
    "the call went through",
    "resource-based policy": "the owner of the resource",
    "role trust policy": "an administrator of the account that owns the role",
}

_ARN = re.compile(r"arn:([a-z0-9-]{1,30}):([a-z0-9-]{0,60}):[a-z0-9-]{0,60}:[^\s\"',;]{0,2048}")
_ACCOUNT_ID = re.compile(r"(?<![0-9])[0-9]{12}(?![0-9])")


@dataclass(frozen=True, slots=True)
class GoverningPolicy:
    """The policy that refused the use of an API key.

    Attributes:
        action: `bedrock:CallWithBearerToken` or `bedrock-mantle:CallWithBearerToken`.
        token_type: the type of the key that was refused, or None if it is not known.
        condition_key: the condition key that tells the two types apart for this action.
        condition_value: the value that this key has for it; None if unknown, or once both
            types were refused.
        effect: `explicit`, `implicit`, or None if AWS did not tell.
        policy_type: the policy type that AWS named, or None.
        policy_arn: the policy that AWS named, or None.
        principal_arn: the principal that AWS named, or None.
        account_id: the account of that principal, else the one decoded from the key.
        certainty: `inferred` from one key; `confirmed` once a key of the other type was
            accepted for the same account or the statement was located; `blanket` once both
            types were refused.
        key: a description of the key that was refused, or None.
        statement: the statement that governs, where it was located.
    """

    action: str
    token_type: TokenType | None
    condition_key: str
    condition_value: str | None
    effect: Effect | None
    policy_type: str | None
    policy_arn: str | None
    principal_arn: str | None
    account_id: str | None
    certainty: Certainty = "inferred"
    key: KeyDescription | None = None
    statement: LocatedStatement | None = None

    @classmethod
    def from_denial(cls, denial: Denial, key: KeyDescription | None) -> GoverningPolicy | None:
        """What a denial says together with the key; None unless it is on `CallWithBearerToken`."""
        if not denial.is_bearer_token_denial:
            return None
        token_type = key.token_type if key else None
        service = denial.action.split(":", 1)[0].lower()
        return cls(
            action=denial.action,
            token_type=token_type,
            condition_key=f"{service}:bearerTokenType",
            condition_value=token_type.value if token_type else None,
            effect=denial.effect,
            policy_type=denial.policy_type,
            policy_arn=denial.policy_arn,
            principal_arn=denial.principal_arn,
            account_id=denial.account_id or (key.account_id if key else None),
            key=key,
        )

    def with_certainty(self, certainty: Certainty) -> GoverningPolicy:
        """The same with another certainty. Under `blanket` no single value governs any more."""
        value = self.token_type.value if self.token_type else None
        return replace(
            self, certainty=certainty, condition_value=None if certainty == "blanket" else value
        )

    def located(self, statement: LocatedStatement) -> GoverningPolicy:
        """The same with the statement that governs, found in the policies themselves."""
        return replace(self.with_certainty("confirmed"), statement=statement)

    def explain(self, redact: bool = False) -> str:
        """Say in a few lines what was refused, by whom, how sure that is and what to change.

        Args:
            redact: mask account ids and ARNs.
        """
        lines = [
            self._what(),
            self._condition(),
            self._statement(),
            self._how_sure(),
            self._mismatch(),
            self._change(),
            self._who(),
        ]
        text = "\n".join(line for line in lines if line)
        return mask(text) if redact else text

    @property
    def answered_for_another_principal(self) -> bool:
        """Whether AWS names a principal that cannot be the one of the key."""
        if self.key is None or self.principal_arn is None:
            return False
        parts = self.principal_arn.split(":", 5)
        if len(parts) < 6:
            return False
        account, principal = parts[4], parts[5]
        if self.key.account_id and account and self.key.account_id != account:
            return True
        if self.key.user_name is None:
            return False
        name = principal.rsplit("/", 1)[-1]
        return not principal.startswith("user/") or not _same_user(name, self.key.user_name)

    def _what(self) -> str:
        kind = f"a {self.token_type} key" if self.token_type else "an API key"
        principal = f" by {self.principal_arn}" if self.principal_arn else ""
        arn = f" {self.policy_arn}" if self.policy_arn else ""
        if self.effect == "explicit":
            who = f"an explicit deny in {_with_article(self.policy_type)}{arn}"
        elif self.effect == "implicit":
            who = f"no {self.policy_type or 'policy'} allows it"
        else:
            who = "AWS does not say which policy"
        return f"Refused: {self.action} with {kind}{principal}: {who}."

    def _condition(self) -> str:
        if self.certainty == "blanket":
            return (
                f"Condition: none on {self.condition_key} as far as can be seen: "
                "SHORT_TERM and LONG_TERM keys are refused alike."
            )
        if self.statement is not None and not self.statement.looks_at(self.condition_key):
            return (
                f"Condition: the statement does not look at {self.condition_key}: "
                "it covers keys of both types."
            )
        if self.condition_value is None:
            return f"Condition: {self.condition_key} tells the types apart; this key's is unknown."
        return f"Condition: this key has {self.condition_key} = {self.condition_value}."

    def _statement(self) -> str:
        return f"Statement: {self.statement.describe()}." if self.statement else ""

    def _how_sure(self) -> str:
        if self.statement is not None:
            return "Certainty: confirmed, the statement was found in the policies given."
        if self.certainty == "confirmed":
            return "Certainty: confirmed, a key of the other type is accepted for the same account."
        if self.certainty == "blanket":
            return "Certainty: blanket, keys of both types were refused."
        covers = self.token_type or "this type"
        if self.effect == "implicit":
            return (
                "Certainty: inferred, AWS never names the condition. "
                f"No Allow covers {covers} keys; one may cover the other type."
            )
        return (
            "Certainty: inferred, AWS never names the condition. "
            f"The rule covers {covers} keys, or all API keys."
        )

    def _mismatch(self) -> str:
        if not self.answered_for_another_principal or self.key is None:
            return ""
        account = f"account {self.key.account_id}" if self.key.account_id else "another account"
        owner = self.key.principal_arn() or account
        return (
            f"Mismatch: the key belongs to {owner}, AWS answered {self.principal_arn}: another "
            "credential answered (a proxy that replaces the header, or access keys used instead)."
        )

    def _change(self) -> str:
        if self.effect == "implicit":
            return self._change_implicit()
        other = _other_type(self.token_type)
        if self._covers_both_types() or other is None:
            return f"To change: remove or narrow the statement that denies {self.action}."
        return (
            f"To change: use a {other} key if the rule spares that type, or remove or narrow the "
            f"statement that denies {self.action} for {self.token_type}."
        )

    def _covers_both_types(self) -> bool:
        if self.statement is None:
            return self.certainty == "blanket"
        return not self.statement.looks_at(self.condition_key)

    def _change_implicit(self) -> str:
        missing = f"To change: an Allow for {self.action} on Resource * is missing"
        if self.policy_type:
            missing += f" in {_every(self.policy_type)}"
        other = _other_type(self.token_type)
        if self.certainty == "blanket":
            return f"{missing}."
        if other is None:
            return f"{missing}. An Allow limited to the other token type looks the same."
        return (
            f"{missing}. An Allow limited to {other} keys "
            f"({self.condition_key} = {other}) looks the same."
        )

    def _who(self) -> str:
        account = f"account {self.account_id}" if self.account_id else "the account"
        who = _WHO_CAN_CHANGE.get(self.policy_type or "")
        if who is None:
            owner = (
                f"the owner of the {self.policy_type}" if self.policy_type else "not told by AWS"
            )
            return f"Who can change it: {owner}."
        return f"Who can change it: {who.format(account=account)}."


def mask(text: str) -> str:
    """Replace account ids and the telling part of every ARN by `***`."""
    return _ACCOUNT_ID.sub("***", _ARN.sub(_mask_arn, text))


def _mask_arn(found: re.Match[str]) -> str:
    tail = found[0][len(found[0].rstrip(".:")) :]
    return f"arn:{found[1]}:{found[2]}::***:***{tail}"


def _same_user(name: str, key_user: str) -> bool:
    # The second key of a user carries "+N" after the name, which a name may carry itself.
    return re.sub(r"\+[0-9]+$", "", name) == re.sub(r"\+[0-9]+$", "", key_user)


def _other_type(token_type: TokenType | None) -> TokenType | None:
    if token_type is None:
        return None
    return TokenType.LONG_TERM if token_type is TokenType.SHORT_TERM else TokenType.SHORT_TERM


def _with_article(policy_type: str | None) -> str:
    if policy_type is None:
        return "a policy that AWS does not name"
    return f"{'an' if policy_type[0] in 'aeioAEIO' else 'a'} {policy_type}"


def _every(policy_type: str) -> str:
    if policy_type == "identity-based policy":
        return "the principal's identity-based policies"
    if policy_type == "service control policy":
        return "the service control policies of the account or of a unit above it"
    return f"the {policy_type}"
