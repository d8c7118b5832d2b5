"""IAM policy documents: models that read what IAM takes and say where another text is wrong.

See https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic.alias_generators import to_pascal

from bedrock_bearer.access.conditions import is_operator

Scalar = str | bool | int | float

_ACTION = re.compile(r"\*|[A-Za-z0-9-]+:[A-Za-z0-9*?_.-]+")


def _check_operators(block: dict[str, Any]) -> dict[str, Any]:
    unknown = next((name for name in block if not is_operator(name)), None)
    if unknown is not None:
        raise ValueError(f"{unknown!r} is not a condition operator")
    return block


def _is_list_or_text(value: object) -> object:
    if not isinstance(value, (str, list)) or not value:
        raise ValueError("must be a text or a list of texts, and not empty")
    return value


def _check_actions(value: str | list[str]) -> str | list[str]:
    for text in as_texts(value):
        if not _ACTION.fullmatch(text):
            raise ValueError(
                f"{text!r} is not an action that IAM takes: it is * or SERVICE:ACTION, with "
                "wildcards in the ACTION alone"
            )
    return value


Texts = Annotated[str | list[str], BeforeValidator(_is_list_or_text)]
Actions = Annotated[Texts, AfterValidator(_check_actions)]
Principals = Literal["*"] | dict[str, str | list[str]]
Conditions = Annotated[
    dict[str, dict[str, Scalar | list[Scalar]]], AfterValidator(_check_operators)
]


class Element(BaseModel):
    """A part of a policy document: AWS's names in JSON, snake_case in Python."""

    model_config = ConfigDict(
        alias_generator=to_pascal,
        validate_by_name=True,
        validate_by_alias=True,
        extra="forbid",
        frozen=True,
    )

    def to_wire(self) -> dict[str, Any]:
        """Return the element as AWS writes it."""
        return self.model_dump(by_alias=True, exclude_unset=True)


class Statement(Element):
    """A statement of a policy document."""

    sid: str | None = None
    effect: Literal["Allow", "Deny"]
    principal: Principals | None = None
    not_principal: Principals | None = None
    action: Actions | None = None
    not_action: Actions | None = None
    resource: Texts | None = None
    not_resource: Texts | None = None
    condition: Conditions = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check_alternatives(self) -> Self:
        if (self.action is None) == (self.not_action is None):
            raise ValueError("needs either Action or NotAction")
        has_principal = self.principal is not None or self.not_principal is not None
        if self.resource is not None and self.not_resource is not None:
            raise ValueError("must not have both Resource and NotResource")
        # Only a role's trust policy, which names who may assume the role, has no Resource.
        if self.resource is None and self.not_resource is None and not has_principal:
            raise ValueError("needs either Resource or NotResource")
        if self.principal is not None and self.not_principal is not None:
            raise ValueError("must not have both Principal and NotPrincipal")
        return self


class PolicyDocument(Element):
    """An IAM policy document.

    Attributes:
        version: the version of the policy language; before `2012-10-17` there are no variables.
        id: the document's own id, or None.
        statement: one statement, or a list of them.
    """

    version: Literal["2008-10-17", "2012-10-17"] = "2008-10-17"
    id: str | None = None
    statement: Statement | list[Statement]

    @property
    def statements(self) -> list[Statement]:
        """The statements as a list."""
        return self.statement if isinstance(self.statement, list) else [self.statement]

    def to_json(self, *, indent: int | None = 2) -> str:
        """Return the document as JSON, ready to attach; without an indent, as short as it gets."""
        separators = (",", ":") if indent is None else None
        return json.dumps(self.to_wire(), indent=indent, separators=separators)


def as_texts(value: str | Sequence[str] | None) -> list[str]:
    """Return the texts of an element that may be one, a list, or left out."""
    if value is None:
        return []
    return [value] if isinstance(value, str) else list(value)


def read_document(document: PolicyDocument | Mapping[str, Any] | str) -> PolicyDocument:
    """Read a policy document: a model, the dict that AWS writes, or its JSON.

    Raises:
        ValueError: IAM would not take it; the text says in one line where and why.
    """
    if isinstance(document, PolicyDocument):
        return document
    given = _from_json(document) if isinstance(document, str) else document
    try:
        return PolicyDocument.model_validate(given, by_alias=True, by_name=False)
    except ValidationError as error:
        problem = _first_problem(error, given)
    raise ValueError(problem)


def _from_json(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        problem = f"line {error.lineno} column {error.colno}: {error.msg}"
    except _RepeatedNameError as error:
        problem = f"{error.args[0]!r} is there twice in one JSON object"
    except RecursionError:
        problem = "it is nested too deeply"
    raise ValueError(problem)


class _RepeatedNameError(Exception):
    """A JSON object has two members of one name."""


def _object(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object; IAM takes none with a member twice, of which one would be lost."""
    made: dict[str, Any] = {}
    for name, value in members:
        if name in made:
            raise _RepeatedNameError(name)
        made[name] = value
    return made


def _first_problem(error: ValidationError, document: object) -> str:
    # Of the alternatives of a union, the one that went deepest tells most.
    problems = error.errors(include_input=False, include_url=False)
    places = [_place(problem["loc"], document) for problem in problems]
    deepest = max(range(len(places)), key=lambda index: len(places[index]))
    message = problems[deepest]["msg"].removeprefix("Value error, ")
    return f"{places[deepest] or 'the document'}: {message[:1].lower()}{message[1:]}"


def _place(location: tuple[int | str, ...], document: Any) -> str:
    """Return the place in the document; pydantic's names for the parts of unions are left out."""
    place = ""
    for part in location:
        if isinstance(document, list) and isinstance(part, int) and part < len(document):
            place += f"[{part}]"
        elif isinstance(document, dict) and part in document:
            place += f".{part}"
        else:
            continue
        document = document[part]
    return place.removeprefix(".")
