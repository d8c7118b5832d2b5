"""Why AWS said no: the refusal, the policy that governs, and IAM policy documents.

The refusal is read on every start; policy documents, which need pydantic's models, when used.
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
    from bedrock_bearer.access.fetch import FetchedPolicies, fetch_policies
    from bedrock_bearer.access.located import LocatedStatement
    from bedrock_bearer.access.location import locate

_HOMES = {
    "Decision": "evaluation",
    "FetchedPolicies": "fetch",
    "LocatedStatement": "located",
    "NamedPolicy": "evaluation",
    "PolicyDocument": "document",
    "PolicySet": "evaluation",
    "Statement": "document",
    "allow_only": "build",
    "deny_all_keys": "build",
    "deny_key_creation": "build",
    "deny_use": "build",
    "evaluate": "evaluation",
    "fetch_policies": "fetch",
    "limit_key_age": "build",
    "locate": "location",
    "read_document": "document",
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
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
