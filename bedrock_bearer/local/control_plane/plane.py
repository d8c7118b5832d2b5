"""Leads a request to the service that it is for."""

from __future__ import annotations

from bedrock_bearer.local.control_plane import analyzer, organizations, toolbox
from bedrock_bearer.local.control_plane.account import Account, ControlPlaneError
from bedrock_bearer.local.control_plane.iam import Iam
from bedrock_bearer.local.control_plane.json_protocols import json_error
from bedrock_bearer.local.http import LocalRequest, LocalResponse, json_response


class ControlPlane:
    """IAM, STS, Organizations, IAM Toolbox and Access Analyzer, for one account."""

    def __init__(self, account: Account) -> None:
        self._iam = Iam(account)
        self._organizations = organizations.Organizations(account)
        self._toolbox = toolbox.Toolbox(account)
        self._analyzer = analyzer.Analyzer(account)

    def handle(self, request: LocalRequest, request_id: str) -> LocalResponse | None:
        """Answer one request; None if it is for none of these services."""
        target = request.headers.get("x-amz-target", "")
        if request.method == "GET" and request.path.startswith(toolbox.PATH_PREFIX):
            answer = self._toolbox.answer
        elif (request.method, request.path) == ("POST", analyzer.PATH):
            answer = self._analyzer.answer
        elif (request.method, request.path) != ("POST", "/"):
            return None
        elif target.startswith(organizations.TARGET_PREFIX):
            answer = self._organizations.answer
        else:
            return self._iam.handle(request, request_id)
        try:
            return json_response(200, answer(request))
        except ControlPlaneError as error:
            return json_error(error)
