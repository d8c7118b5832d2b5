"""IAM policy documents."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel


class Statement(BaseModel):
    """A statement of a policy document."""

    sid: str | None = None

    def to_wire(self) -> dict[str, Any]:
        """The statement as AWS writes it."""
        return {} if self.sid is None else {"Sid": self.sid}
