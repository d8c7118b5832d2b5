"""The tags of users and roles, which are condition keys of their requests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bedrock_bearer.local.control_plane.query import Parameters, Result, members_of, page_of
from bedrock_bearer.local.principals import Principal


class Tags:
    """The operations on the tags of users or of roles.

    Args:
        kind: `User` or `Role`, as the operations are named.
    """

    def __init__(self, kind: str) -> None:
        self.operations: dict[str, Callable[[Any, Parameters], Result]] = {
            f"Tag{kind}": self._tag,
            f"List{kind}Tags": self._list,
        }

    def _tag(self, principal: Principal, given: Parameters) -> Result:
        for tag in members_of(given, "Tags"):
            principal.tags[tag.get("Key", "")] = tag.get("Value", "")
        return None

    def _list(self, principal: Principal, given: Parameters) -> Result:
        return page_of("Tags", tag_shapes(principal).get("Tags", []), given)


def tag_shapes(principal: Principal) -> dict[str, Any]:
    """Return the member of a user's or role's shape that lists its tags."""
    tags = [{"Key": name, "Value": value} for name, value in principal.tags.items()]
    return {"Tags": tags} if tags else {}
