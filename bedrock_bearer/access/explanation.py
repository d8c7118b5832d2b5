"""The words in which a denial is explained: what was refused, what to change, who can.

AWS names the type of the policy at most. What it does not tell is said to be unknown.
"""

from __future__ import annotations

import re

from bedrock_bearer.access.denial import Denial, Effect

_OWNERS = {
    "identity-based policy": "an administrator of {account}, who manages the policies of the "
    "principal, its groups and its role",
    "service control policy": "the owner of the AWS organisation (its management account or a "
    "delegated administrator); no IAM change inside {account} helps",
    "resource control policy": "the owner of the AWS organisation (its management account or a "
    "delegated administrator); no IAM change inside {account} helps",
    "permissions boundary": "an administrator of {account}, who set the permissions boundary of "
    "the principal; further Allow statements elsewhere do not help",
    "session policy": "whoever starts the session: the session policy is passed to AssumeRole or "
    "set by the federation, not attached to the principal",
    "VPC endpoint policy": "the owner of the network: the policy is set on the VPC endpoint that "
    "the call went through",
    "resource-based policy": "the owner of the resource",
    "role trust policy": "an administrator of the account that owns the role",
}
_INVOKING = ("bedrock:invokemodel", "bedrock:invokemodelwithresponsestream")
_INVOKED = "the model or the inference profile, and each foundation model behind it"

_ARN = r"arn:([a-z0-9-]{1,30}):([a-z0-9-]{0,60}):[a-z0-9-]{0,60}:[^\s\"',;]{0,2048}"
_ACCOUNT_ID = r"(?<![0-9])[0-9]{12}(?![0-9])"
_QUARANTINE = "AWSCompromisedKeyQuarantine"
ROTATE = "rotate the credential that was exposed."
_SSO_ROLE = r"[:/]AWSReservedSSO_"


def explain_denial(denial: Denial, redact: bool = False) -> str:
    """Explain the refusal of any action: what was refused, what to change and who can.

    Args:
        denial: the denial.
        redact: mask account ids and ARNs.
    """
    who = f" by {denial.principal_arn}" if denial.principal_arn else ""
    on = f" on {denial.resource}" if denial.resource not in (None, "*") else ""
    reason = refused_by(denial.effect, denial.policy_type, denial.policy_arn, denial.through)
    lines = [
        f"Refused: {denial.action}{who}{on}: {reason}.",
        f"To change: {_change(denial)}",
        who_can_change(denial.policy_type, denial.principal_arn, denial.account_id),
        about_quarantine(denial.policy_arn),
        about_authorization_id(denial.authorization_id, denial.authorization_region),
    ]
    text = "\n".join(line for line in lines if line)
    return mask(text) if redact else text


def refused_by(
    effect: Effect | None, policy_type: str | None, policy_arn: str | None, through: str | None
) -> str:
    """Say which policy refused, as far as AWS tells."""
    arn = f" {policy_arn}" if policy_arn else ""
    via = f" (transitively through {_with_article(through)})" if through else ""
    if effect == "explicit":
        return f"an explicit deny in {_with_article(policy_type)}{arn}{via}"
    if effect == "implicit":
        return f"no {policy_type or 'policy'} allows it{via}"
    return "AWS does not say which policy"


def who_can_change(
    policy_type: str | None, principal_arn: str | None, account_id: str | None
) -> str:
    """Say who can change a policy of this type."""
    if policy_type == "identity-based policy" and re.search(_SSO_ROLE, principal_arn or ""):
        return (
            "Who can change it: the owner of the permission set in IAM Identity Center; a change "
            "to the role itself is overwritten."
        )
    owner = _OWNERS.get(policy_type or "")
    if owner is None:
        owner = f"the owner of the {policy_type}" if policy_type else "unknown, AWS does not say"
    account = f"account {account_id}" if account_id else "the account"
    return f"Who can change it: {owner.format(account=account)}."


def about_quarantine(policy_arn: str | None) -> str:
    """Say what the policy means that AWS attaches to exposed credentials; empty for others."""
    if not is_quarantine(policy_arn):
        return ""
    return (
        "Warning: AWS attached this policy because a credential of the principal was exposed. "
        "Rotate the credential and look for misuse; do not detach the policy before."
    )


def is_quarantine(policy_arn: str | None) -> bool:
    """Return whether AWS attaches this policy to principals whose credential was exposed."""
    return _QUARANTINE in (policy_arn or "")


def about_authorization_id(authorization_id: str | None, region: str | None) -> str:
    """Say how to ask AWS for the statement that refused; empty without an id."""
    if authorization_id is None:
        return ""
    where = f" --region {region}" if region else ""
    return (
        f"Authorization id: {authorization_id}. AWS names the statement for at least 24 hours: "
        "bedrock-bearer policy explain --from-aws --message - (with this text on standard input), "
        "or aws iam-toolbox get-request-authorization-details --authorization-id "
        f"{authorization_id}{where}"
    )


def every(policy_type: str) -> str:
    """Return where an Allow may be missing."""
    if policy_type == "identity-based policy":
        return "the principal's identity-based policies"
    if policy_type == "service control policy":
        return "the service control policies of the account or of a unit above it"
    return f"the {policy_type}"


def mask(text: str) -> str:
    """Replace account ids and the telling part of every ARN by `***`."""
    return re.sub(_ACCOUNT_ID, "***", re.sub(_ARN, _mask_arn, text))


def _mask_arn(found: re.Match[str]) -> str:
    tail = found[0][len(found[0].rstrip(".:")) :]
    return f"arn:{found[1]}:{found[2]}::***:***{tail}"


def _change(denial: Denial) -> str:
    if is_quarantine(denial.policy_arn):
        return ROTATE
    on = _INVOKED if denial.action.lower() in _INVOKING else None
    if on is None and denial.resource not in (None, "*"):
        on = denial.resource
    target = f"{denial.action} on {on}" if on else denial.action
    if denial.effect == "implicit":
        where = f" in {every(denial.policy_type)}" if denial.policy_type else ""
        return f"an Allow for {target} is missing{where}, or its conditions do not hold."
    if denial.effect == "explicit":
        return (
            f"remove or narrow the statement that denies {target}. AWS does not say on which "
            "condition it turns; a further Allow does not help."
        )
    return f"find the policy that refuses {target}; AWS does not say which it is."


def _with_article(policy_type: str | None) -> str:
    if policy_type is None:
        return "a policy that AWS does not name"
    return f"{'an' if policy_type[0] in 'aeioAEIO' else 'a'} {policy_type}"
