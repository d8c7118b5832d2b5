"""Policy files on the command line: the kinds of policy, and how a file is read."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from bedrock_bearer.cli.outcome import USAGE, print_failure
from bedrock_bearer.keys.recognition import without_secrets

if TYPE_CHECKING:
    from bedrock_bearer.access.policy_set import NamedPolicy


class LayerOption(NamedTuple):
    """A kind of policy: AWS's name of it, and the member of a `PolicySet` that holds it."""

    policy_type: str
    member: str


LAYERS = {
    "identity": LayerOption("identity-based policy", "identity"),
    "scp": LayerOption("service control policy", "service_control"),
    "rcp": LayerOption("resource control policy", "resource_control"),
    "boundary": LayerOption("permissions boundary", "boundary"),
    "session": LayerOption("session policy", "session"),
    "vpc-endpoint": LayerOption("VPC endpoint policy", "vpc_endpoint"),
}


def read_policy(path: str, *, as_json: bool) -> NamedPolicy:
    """Read a policy file, or say in one line what is wrong with it and exit with code 2."""
    from bedrock_bearer.access.document import read_document
    from bedrock_bearer.access.policy_set import NamedPolicy

    try:
        return NamedPolicy(read_document(Path(path).read_text(encoding="utf-8-sig")), name=path)
    except (OSError, ValueError) as error:
        refuse(f"{path}: {_problem(error)}", as_json=as_json)


def _problem(error: OSError | ValueError) -> str:
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else str(error)


def refuse(problem: str, *, as_json: bool) -> NoReturn:
    """Say in one line what is wrong with what was given, and exit."""
    print_failure("UsageError", without_secrets(problem), USAGE, as_json=as_json)
    sys.exit(USAGE)
