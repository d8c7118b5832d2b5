"""Why AWS said no: the denial, the policy that refused, and IAM policy documents.

Policy documents need pydantic's models and are loaded when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bedrock_bearer.lazy import lazy_names

if TYPE_CHECKING:
    from bedrock_bearer.access.build import (
        allow_only,
        deny_all_keys,
        deny_key_creation,
        deny_use,
        limit_key_age,
    )
    from bedrock_bearer.access.denial import Denial
    from bedrock_bearer.access.document import PolicyDocument, Statement, read_document
    from bedrock_bearer.access.evaluation import Decision, evaluate
    from bedrock_bearer.access.explanation import explain_denial
    from bedrock_bearer.access.governing import GoverningPolicy
    from bedrock_bearer.access.linting import Finding, lint
    from bedrock_bearer.access.located import LocatedStatement
    from bedrock_bearer.access.location import locate
    from bedrock_bearer.access.policy_set import NamedPolicy, PolicySet
    from bedrock_bearer.aws.policies import FetchedPolicies, fetch_policies

__all__ = [
    "Decision",
    "Denial",
    "FetchedPolicies",
    "Finding",
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
    "explain_denial",
    "fetch_policies",
    "limit_key_age",
    "lint",
    "locate",
    "read_document",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(
        __name__,
        [
            "denial",
            "governing",
            "document",
            "build",
            "evaluation",
            "location",
            "located",
            "policy_set",
            "explanation",
            "linting",
            "bedrock_bearer.aws.policies",
        ],
        __all__,
    )
