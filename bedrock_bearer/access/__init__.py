"""Why AWS said no: the refusal, the policy that governs, and IAM policy documents."""

from __future__ import annotations

from bedrock_bearer.access.denial import Denial
from bedrock_bearer.access.governing import GoverningPolicy

__all__ = ["Denial", "GoverningPolicy"]
