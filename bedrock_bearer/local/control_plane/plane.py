"""Leads a request to the service that it is for."""

from __future__ import annotations

from bedrock_bearer.local.control_plane import analyzer, organizations, toolbox
from bedrock_bearer.local.control_plane.account import Account
from bedrock_bearer.local.control_plane.iam import Iam
from bedrock_bearer.local.http import LocalRequest, LocalResponse


class ControlPlane:
    """IAM, STS, Organizations, IAM Toolbox and Access Analyzer, for one account."""

    def __init__(self, account: Account) -> None:
        self._iam = Iam(account)
        self._organizations = organizations.Organizations(account)
        self._toolbox = toolbox.Toolbox(account)
        self._analyzer = analyzer.Analyzer(account)

    def handle(self, request: LocalRequest, request_id: str) -> LocalResponse | None:
        """Answer one request; None if it is for none of these services."""
        if request.method == "GET" and request.path.startswith(toolbox.PATH_PREFIX):
            return self._toolbox.handle(request)
        if (request.method, request.path) == ("POST", analyzer.PATH):
            return self._analyzer.handle(request)
        if (request.method, request.path) != ("POST", "/"):
            return None
        if request.headers.get("x-amz-target", "").startswith(organizations.TARGET_PREFIX):
            return self._organizations.handle(request)
        return self._iam.handle(request, request_id)
