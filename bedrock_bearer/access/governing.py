"""The policy that refused the use of an API key, and how much is known of it.

AWS never names the condition that decided. `certainty` says what the verdict rests on. See
https://docs.aws.amazon.com/bedrock/latest/userguide/api-keys-permissions.html.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

from bedrock_bearer.access.denial import Denial, Effect
from bedrock_bearer.access.document import as_texts
from bedrock_bearer.access.explanation import (
    ROTATE,
    about_authorization_id,
    about_quarantine,
    every,
    is_quarantine,
    mask,
    refused_by,
    who_can_change,
)
from bedrock_bearer.access.request_context import (
    DIRECT_CALL,
    LONG_TERM_KEY,
    principal_context,
    user_names,
)
from bedrock_bearer.facts import TOKEN_TYPE_KEYS
from bedrock_bearer.keys.description import KeyDescription, TokenType

if TYPE_CHECKING:
    from bedrock_bearer.access.located import LocatedStatement
    from bedrock_bearer.access.policy_set import Policy, PolicySet

Certainty = Literal["inferred", "consistent", "located", "simulated", "confirmed"]

_RANKS: tuple[Certainty, ...] = get_args(Certainty)
_NUMBER = r"\+[0-9]+$"


@dataclass(frozen=True, slots=True)
class GoverningPolicy:
    """The policy that refused the use of an API key.

    Attributes:
        action: `bedrock:CallWithBearerToken` or `bedrock-mantle:CallWithBearerToken`.
        token_type: the type of the key that was refused, or None if unknown.
        condition_key: the condition key that tells the two types apart for this action.
        condition_value: the value that this key has for it, or None if unknown.
        effect: `explicit`, `implicit`, or None if AWS did not say.
        policy_type: the policy type that AWS named, or None.
        policy_arn: the policy that AWS named, or None.
        principal_arn: the principal that AWS named, or None.
        account_id: the account of that principal, else the one decoded from the key.
        certainty: what the verdict rests on, from least to most. `inferred`: AWS's sentence and
            the key's type. `consistent`: a key of the other type of the same principal was
            accepted. `located`: in the policies given, exactly one statement applies for certain
            (of an implicit denial: the only Allow about the action does not). `simulated`: IAM's
            simulator refuses this type and allows the other. `confirmed`: AWS named the statement.
        key: a description of the key that was refused, or None.
        statement: the statement that refused, if it was found.
        other_type_accepted: whether a key of the other type of the same principal was accepted;
            None if unknown.
        decided_by: the condition keys that the statement tests, `()` if it is unconditional; None
            if the statement is not known.
        authorization_id: the id that `GetRequestAuthorizationDetails` takes, or None.
        authorization_region: the Region to ask in, or None.
        through: the second policy type that AWS named, or None.
        other_type_is_denied: whether a key of the other type is known to be denied as well, by the
            policies given or by IAM's simulator.
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
    other_type_accepted: bool | None = None
    decided_by: tuple[str, ...] | None = None
    authorization_id: str | None = None
    authorization_region: str | None = None
    through: str | None = None
    other_type_is_denied: bool = False

    @classmethod
    def from_denial(cls, denial: Denial, key: KeyDescription | None) -> GoverningPolicy | None:
        """Return what a denial and the key say; None unless it is on `CallWithBearerToken`."""
        if not denial.is_bearer_token_denial:
            return None
        token_type = (key.token_type if key else None) or denial.token_type
        service = denial.action.split(":", 1)[0].lower()
        return cls(
            action=denial.action,
            token_type=token_type,
            condition_key=TOKEN_TYPE_KEYS[service],
            condition_value=token_type.value if token_type else None,
            effect=denial.effect,
            policy_type=denial.policy_type,
            policy_arn=denial.policy_arn,
            principal_arn=denial.principal_arn,
            account_id=denial.account_id or (key.account_id if key else None),
            key=key,
            authorization_id=denial.authorization_id,
            authorization_region=denial.authorization_region,
            through=denial.through,
        )

    @property
    def resource(self) -> str:
        """The resource of the action: it has none, and policies name `*`."""
        return "*"

    @property
    def other_type(self) -> TokenType | None:
        """The type that the refused key does not have; None if that is unknown."""
        if self.token_type is None:
            return None
        is_short = self.token_type is TokenType.SHORT_TERM
        return TokenType.LONG_TERM if is_short else TokenType.SHORT_TERM

    def known_context(self) -> dict[str, Any]:
        """Return the condition keys of the refused call that are known."""
        known = {**DIRECT_CALL, **principal_context(self.principal_arn)}
        if self.answered_for_another_principal:
            # Of the credential that was used, nothing is known but the principal.
            return known
        if self.token_type is TokenType.LONG_TERM:
            known |= LONG_TERM_KEY
        if self.condition_value is not None:
            known[self.condition_key] = self.condition_value
        if self.key is not None and self.key.region is not None:
            known["aws:RequestedRegion"] = self.key.region
        return known

    def with_other_type(self, accepted: bool | None) -> GoverningPolicy:
        """Return the same with what a key of the other type of the same principal got."""
        evident: Certainty = "consistent" if accepted else "inferred"
        weaker = self.certainty in ("inferred", "consistent")
        return replace(
            self, other_type_accepted=accepted, certainty=evident if weaker else self.certainty
        )

    def located_in(
        self,
        policies: PolicySet | Sequence[Policy],
        context: Mapping[str, Any] | None = None,
    ) -> GoverningPolicy:
        """Return the same, `located` if the statement that refused is proven by these policies.

        Args:
            policies: the policies to look in, as for `locate`.
            context: more condition keys of the refused call.

        Raises:
            ValueError: a policy is not valid.
        """
        from bedrock_bearer.access.location import denies, prove

        statement = prove(self, policies, context)
        if statement is None:
            return self
        of_other_type = self._of_other_type()
        is_denied = of_other_type is not None and denies(of_other_type, policies, context)
        return replace(self.located(statement), other_type_is_denied=is_denied)

    def _of_other_type(self) -> GoverningPolicy | None:
        """Return the refusal that a key of the other type would get from any explicit deny."""
        if self.other_type is None:
            return None
        return replace(
            self,
            token_type=self.other_type,
            condition_value=self.other_type.value,
            effect="explicit",
            policy_type=None,
            policy_arn=None,
        )

    def located(self, statement: LocatedStatement) -> GoverningPolicy:
        """Return the same with the statement that is proven to refuse in the policies given."""
        return self._raised("located", statement)

    def simulated(self) -> GoverningPolicy:
        """Return the same once IAM's simulator refuses this type and allows the other."""
        return self._raised("simulated", self.statement)

    def confirmed(self, statement: LocatedStatement | None) -> GoverningPolicy:
        """Return the same with the statement that AWS itself named; None if its text is unknown."""
        return self._raised("confirmed", statement)

    def _raised(self, certainty: Certainty, statement: LocatedStatement | None) -> GoverningPolicy:
        higher = max(certainty, self.certainty, key=_RANKS.index)
        if self.certainty == "confirmed" and certainty != "confirmed":
            statement = self.statement
        decided_by = statement.condition_keys if statement else None
        return replace(self, certainty=higher, statement=statement, decided_by=decided_by)

    def explain(self, redact: bool = False) -> str:
        """Say in a few lines what was refused, by what, how sure that is and what to change.

        Args:
            redact: mask account ids and ARNs.
        """
        lines = [
            self._what(),
            self._this_key(),
            self._condition(),
            f"Statement: {self.statement.describe()}." if self.statement else "",
            f"Certainty: {self.certainty}, {self._evidence()}",
            self._mismatch(),
            f"To change: {self._change()}",
            who_can_change(self.policy_type, self.principal_arn, self.account_id),
            about_quarantine(self.policy_arn),
            about_authorization_id(self.authorization_id, self.authorization_region),
        ]
        text = "\n".join(line for line in lines if line)
        return mask(text) if redact else text

    @property
    def answered_for_another_principal(self) -> bool:
        """Whether AWS names a principal that cannot be the one of the key."""
        if self.key is None or self.principal_arn is None:
            return False
        account = principal_context(self.principal_arn).get("aws:PrincipalAccount")
        if account is None:
            return False
        if self.key.account_id and self.key.account_id != account:
            return True
        if self.key.user_name is None:
            return False
        user = user_names(self.principal_arn)
        return user is None or not _may_be_same_user(user[1], self.key.user_name)

    def _what(self) -> str:
        kind = f"a {self.token_type} key" if self.token_type else "an API key"
        who = f" by {self.principal_arn}" if self.principal_arn else ""
        reason = refused_by(self.effect, self.policy_type, self.policy_arn, self.through)
        return f"Refused: {self.action} with {kind}{who}: {reason}."

    def _this_key(self) -> str:
        if self.condition_value is None:
            return f"This key: its value of {self.condition_key} is unknown."
        return f"This key: {self.condition_key} = {self.condition_value}."

    def _condition(self) -> str:
        if self.statement is not None:
            return self._condition_of_statement(self.statement)
        if self.certainty == "confirmed":
            return "Condition: not known, the statement that AWS names could not be read."
        if self.certainty in ("consistent", "simulated"):
            return f"Condition: a rule on {self.condition_key} fits. AWS does not name it."
        if self.effect == "implicit":
            return (
                "Condition: no Allow matched this call. AWS does not say whether there is none, or "
                "one whose conditions (token type, address, MFA, tags, time, Region) do not hold."
            )
        if self.effect is None:
            return "Condition: AWS does not say what decided."
        return (
            "Condition: the deny matched this call. AWS does not say whether by token type, by "
            "something else (address, MFA, tags, time, Region) or unconditionally."
        )

    def _condition_of_statement(self, statement: LocatedStatement) -> str:
        if statement.looks_at(self.condition_key):
            return f"Condition: the statement tests {', '.join(statement.condition_keys)}."
        tested = ", ".join(statement.condition_keys)
        rest = f"it tests {tested}" if tested else "it is unconditional"
        covers = "" if self.effect == "implicit" else " It covers keys of both types."
        return f"Condition: the statement does not look at {self.condition_key}: {rest}.{covers}"

    def _evidence(self) -> str:
        if self.certainty == "confirmed":
            return "AWS itself named the statement."
        if self.certainty == "simulated":
            return (
                f"IAM's simulator refuses {self.token_type} keys and allows {self.other_type} keys "
                "for this principal."
            )
        if self.certainty == "located":
            if self.effect == "implicit":
                return "it is the only Allow about this action in the policies given."
            return (
                "of the policies given, exactly this statement applies for certain: every "
                "condition key it tests is known."
            )
        if self.certainty == "consistent":
            return (
                f"a {self.other_type} key of the same principal is accepted. Other differences "
                "between the two keys (MFA, issue time) are not ruled out."
            )
        text = "from AWS's sentence and the type of the key; AWS never names the condition."
        if self.other_type_accepted is False:
            text += (
                f" A {self.other_type} key of the same principal is refused in the same words: "
                "the other type does not help."
            )
        return text

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
        if is_quarantine(self.policy_arn):
            return ROTATE
        if self.effect is None and self.statement is None:
            return f"find the policy that refuses {self.action}; AWS does not say which it is."
        remove = f"remove or narrow the statement that denies {self.action}"
        if not self._is_about_the_type() or self.other_type is None:
            return f"{remove}."
        is_denied = self.other_type_is_denied and not self.other_type_accepted
        if is_denied or self.other_type_accepted is False:
            return f"{remove} for {self.token_type}. A {self.other_type} key is refused as well."
        return f"use a {self.other_type} key, or {remove} for {self.token_type}."

    def _change_implicit(self) -> str:
        other = self.other_type
        if self.statement is not None:
            if self._names_a_resource(self.statement):
                return (
                    f"this Allow names a Resource, and {self.action} has none: it never matches. "
                    "Use Resource * in a statement of its own."
                )
            if self._is_about_the_type() and other is not None:
                return f"this Allow covers {other} only: widen it or add one."
        missing = f"an Allow for {self.action} on Resource * is missing"
        if self.policy_type:
            missing += f" in {every(self.policy_type)}"
        if other is None:
            return f"{missing}. An Allow limited to the other token type looks the same."
        if self.other_type_accepted is False:
            return f"{missing}."
        return (
            f"{missing}. An Allow limited to {other} keys ({self.condition_key} = {other}) looks "
            "the same."
        )

    def _names_a_resource(self, statement: LocatedStatement) -> bool:
        given = as_texts(statement.statement.resource or "*")
        return not any(text.strip("*") == "" for text in given)

    def _is_about_the_type(self) -> bool:
        """Return whether the evidence speaks for a rule that spares the other type."""
        if self.statement is None:
            return self.certainty in ("consistent", "simulated")
        if self.other_type is None or self.answered_for_another_principal:
            return False
        if not self.statement.looks_at(self.condition_key):
            return False
        matches_other = self.statement.matches_value(self.condition_key, self.other_type.value)
        return matches_other if self.effect == "implicit" else not matches_other


def _may_be_same_user(name: str, key_user: str) -> bool:
    # IAM appends "+N" to the name in a user's second key, and in that of a user made anew.
    return re.sub(_NUMBER, "", name) == re.sub(_NUMBER, "", key_user)
