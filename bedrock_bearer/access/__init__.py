"""Why AWS said no: the denial, the policy that refused, and IAM policy documents.

Policy documents need pydantic's models and are loaded when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from bedrock_bearer.access.denial import Denial
from bedrock_bearer.access.governing import GoverningPolicy

if TYPE_CHECKING:
    from bedrock_bearer.access.build import (
        allow_only,
        deny_all_keys,
        deny_key_creation,
        deny_use,
        limit_key_age,
    )
    from bedrock_bearer.access.document import PolicyDocument, Statement, read_document
    from bedrock_bearer.access.evaluation import Decision, NamedPolicy, PolicySet, evaluate
    from bedrock_bearer.access.located import LocatedStatement
    from bedrock_bearer.access.location import locate

_HOMES = {
    # These two need boto3 and so have another room; only their names are here.
    "Decision": "bedrock_bearer.access.evaluation",
    "FetchedPolicies": "bedrock_bearer.aws.policies",
    "LocatedStatement": "bedrock_bearer.access.located",
    "NamedPolicy": "bedrock_bearer.access.evaluation",
    "PolicyDocument": "bedrock_bearer.access.document",
    "PolicySet": "bedrock_bearer.access.evaluation",
    "Statement": "bedrock_bearer.access.document",
    "allow_only": "bedrock_bearer.access.build",
    "deny_all_keys": "bedrock_bearer.access.build",
    "deny_key_creation": "bedrock_bearer.access.build",
    "deny_use": "bedrock_bearer.access.build",
    "evaluate": "bedrock_bearer.access.evaluation",
    "fetch_policies": "bedrock_bearer.aws.policies",
    "limit_key_age": "bedrock_bearer.access.build",
    "locate": "bedrock_bearer.access.location",
    "read_document": "bedrock_bearer.access.document",
}

__all__ = [
    "Decision",
    "Denial",
    "FetchedPolicies",
    "GoverningPolicy",
    "LocatedStatement",
    "NamedPolicy",
    "PolicyDocument",
    "PolicySet",
    "Statement",
    "allow_only",
    "deny_all_keys",
    "deny_key_creation",
    "deny_use",
    "evaluate",
    "fetch_policies",
    "limit_key_age",
    "locate",
    "read_document",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
