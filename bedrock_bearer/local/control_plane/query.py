"""The query protocol of IAM and STS: form parameters in, XML out.

See https://docs.aws.amazon.com/IAM/latest/UserGuide/programming.html.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from bedrock_bearer.local.control_plane.account import ControlPlaneError
from bedrock_bearer.local.http import LocalRequest, LocalResponse, whole_response

IAM_NAMESPACE = "https://iam.amazonaws.com/doc/2010-05-08/"
STS_NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"
PAGE_SIZE = 100
LONGEST_NUMBER = 9

Parameters = Mapping[str, str]
Result = dict[str, Any] | None
Operations = dict[str, Callable[[Any, Parameters], Result]]
"""What runs, by the action: takes the user, role or group and the parameters."""


def read_parameters(request: LocalRequest) -> dict[str, str]:
    """Return the parameters of a request."""
    return dict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))


def query_response(action: str, result: Result, request_id: str, namespace: str) -> LocalResponse:
    """Return the answer to an action."""
    inner = "" if result is None else f"<{action}Result>{_xml(result)}</{action}Result>"
    body = (
        f'<{action}Response xmlns="{namespace}">{inner}'
        f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>"
        f"</{action}Response>"
    )
    return whole_response(200, body.encode(), "text/xml")


def query_error(refusal: ControlPlaneError, request_id: str) -> LocalResponse:
    """Return a refusal as IAM writes it."""
    body = (
        f'<ErrorResponse xmlns="{IAM_NAMESPACE}"><Error><Type>Sender</Type>'
        f"<Code>{refusal.code}</Code><Message>{escape(refusal.message)}</Message></Error>"
        f"<RequestId>{request_id}</RequestId></ErrorResponse>"
    )
    return whole_response(refusal.status, body.encode(), "text/xml")


def members_of(given: Parameters, name: str) -> list[dict[str, str]]:
    """Return a list parameter: for each member its own parameters, `""` for a plain value."""
    members: dict[int, dict[str, str]] = {}
    prefix = f"{name}.member."
    for parameter, value in given.items():
        if parameter.startswith(prefix):
            number, _, rest = parameter[len(prefix) :].partition(".")
            if is_whole_number(number):
                members.setdefault(int(number), {})[rest] = value
    return [members[number] for number in sorted(members)]


def texts_of(given: Parameters, name: str) -> list[str]:
    """Return a list parameter of plain values."""
    return [member.get("", "") for member in members_of(given, name)]


def page_of(name: str, items: Sequence[Any], given: Parameters) -> dict[str, Any]:
    """Return one page of a list; the marker is the index of the next item."""
    start = _whole_number(given, "Marker", 0)
    end = start + (_whole_number(given, "MaxItems", PAGE_SIZE) or PAGE_SIZE)
    page: dict[str, Any] = {name: list(items[start:end]), "IsTruncated": end < len(items)}
    return page | ({"Marker": str(end)} if end < len(items) else {})


def is_whole_number(text: str) -> bool:
    """Return whether a text is a whole number, and not one of unreasonable length."""
    return text.isascii() and text.isdigit() and len(text) <= LONGEST_NUMBER


def timestamp(moment: datetime) -> str:
    """Return a moment as IAM writes it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def no_such_entity(message: str) -> ControlPlaneError:
    """Return IAM's refusal to act on something that does not exist."""
    return ControlPlaneError(404, "NoSuchEntity", message)


def already_exists(message: str) -> ControlPlaneError:
    """Return IAM's refusal to make something that exists."""
    return ControlPlaneError(409, "EntityAlreadyExists", message)


def delete_conflict(message: str) -> ControlPlaneError:
    """Return IAM's refusal to delete something that is in use."""
    return ControlPlaneError(409, "DeleteConflict", message)


def _whole_number(given: Parameters, name: str, default: int) -> int:
    text = given.get(name)
    if not text:
        return default
    if is_whole_number(text):
        return int(text)
    raise ControlPlaneError(400, "ValidationError", f"{name} is not a whole number.")


def _xml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "".join(
            f"<{name}>{_xml(item)}</{name}>" for name, item in value.items() if item is not None
        )
    if isinstance(value, list):
        return "".join(f"<member>{_xml(item)}</member>" for item in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return escape(str(value))
