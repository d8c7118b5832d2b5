"""The least IAM policy that each command needs."""

from __future__ import annotations

from typing import Any

from bedrock_bearer.facts import BEDROCK_SERVICE, SERVICE_NAME_KEY

_LIST = "iam:ListServiceSpecificCredentials"
_CREATE = "iam:CreateServiceSpecificCredential"
_UPDATE = "iam:UpdateServiceSpecificCredential"
_DELETE = "iam:DeleteServiceSpecificCredential"
_NEW_USER = ("iam:CreateUser", "iam:AttachUserPolicy")
_REMOVE_USER = ("iam:ListAttachedUserPolicies", "iam:DetachUserPolicy", "iam:DeleteUser")

COMMANDS: dict[str, tuple[str, ...]] = {
    "create": (_LIST, _CREATE, _DELETE),
    "create --new-user": (_LIST, _CREATE, _DELETE, *_NEW_USER, *_REMOVE_USER),
    "list": (_LIST, "iam:ListUsers"),
    "list USER": (_LIST,),
    "rotate": (_LIST, _CREATE, _DELETE),
    "rotate --retire-old": (_LIST, _CREATE, _DELETE, _UPDATE),
    "retire": (_LIST, _UPDATE),
    "retire --delete": (_LIST, _DELETE),
    "orphans": (_LIST, "iam:ListUsers"),
    "orphans --delete": (_LIST, "iam:ListUsers", *_REMOVE_USER),
}
"""The actions of each `bedrock-bearer key` command; deleting is there to take back what failed."""


def permissions(command: str) -> dict[str, Any]:
    """Return the least IAM policy for a command, as a document.

    Args:
        command: one of `COMMANDS`.

    See https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html.
    """
    actions = COMMANDS[command]
    statements: list[dict[str, Any]] = [
        {
            "Effect": "Allow",
            "Action": [action for action in actions if action != _CREATE],
            "Resource": "*",
        }
    ]
    if _CREATE in actions:
        condition = {"StringEquals": {SERVICE_NAME_KEY: BEDROCK_SERVICE}}
        create = {"Effect": "Allow", "Action": _CREATE, "Resource": "*", "Condition": condition}
        statements.append(create)
    return {"Version": "2012-10-17", "Statement": statements}
