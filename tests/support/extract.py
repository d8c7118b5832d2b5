"""The part of AWS's service model that the local Bedrock carries.

    python tests/support/extract.py

writes it from the installed botocore, which has to be the one of `COMPARED_WITH`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.service_model import SHAPES, reachable

REQUESTS = (
    "ConverseRequest",
    "ConverseStreamRequest",
    "CountTokensRequest",
    "ApplyGuardrailRequest",
)
FILE = Path(__file__).parents[2] / "bedrock_bearer" / "local" / "service_model.json"

_KEPT = ("document", "enum", "max", "min", "pattern", "required", "sensitive", "type", "union")


def extract() -> str:
    """Return the shapes that these requests hold, without documentation, one on each line."""
    names = sorted(reachable(*REQUESTS))
    lines = [f"{json.dumps(name)}: {json.dumps(_slim(SHAPES[name]))}" for name in names]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _slim(shape: dict[str, Any]) -> dict[str, Any]:
    slim = {name: shape[name] for name in _KEPT if name in shape}
    for part in ("key", "member", "value"):
        if part in shape:
            slim[part] = shape[part]["shape"]
    if "members" in shape:
        slim["members"] = {name: member["shape"] for name, member in shape["members"].items()}
    return slim


if __name__ == "__main__":
    FILE.write_text(extract())
