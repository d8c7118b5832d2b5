"""Writes `bedrock_bearer/converse/dicts.py`: our models as the dicts that boto3 takes.

Run it after a change of the models:

    python tests/support/dict_types.py
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType, NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from bedrock_bearer import converse
from bedrock_bearer.converse.apply_guardrail import ApplyGuardrailRequest
from bedrock_bearer.converse.base import (
    Blob,
    Deferred,
    DeferredUnion,
    Document,
    Number,
    OpenEnum,
    OpenUnion,
    UnknownMember,
    WireModel,
    camel_case,
)
from bedrock_bearer.converse.request import ConverseRequest

FILE = Path(converse.__file__).with_name("dicts.py")
MODULES = (
    "content",
    "media",
    "citations",
    "blocks",
    "tools",
    "inference",
    "configuration",
    "guardrail_content",
    "apply_guardrail",
)
REQUESTS: tuple[type[WireModel], ...] = (ConverseRequest, ApplyGuardrailRequest)
"""What these hold gets a TypedDict, not the requests themselves."""

# The service takes a list of blocks here; we take a text as well.
TEXT_TOO = {("Message", "content")}

HEAD = '''"""The dicts that requests take, as TypedDicts under AWS's names.

Written by tests/support/dict_types.py from the models: change those, and run it again.
Wherever one of these dicts may stand, the model may stand too, and so may a `dict[str, Any]`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Never, NotRequired, Protocol, TypeAlias, TypedDict

'''

UNTYPED = '''
class _UnknownKeyOrWrongValue(Sequence[Never]):
    """Never made: type checkers show this name for a dict that is none of those below."""


class UntypedDict(Protocol):
    """A dict that a type checker knows too little of to check it.

    That is a `dict[str, Any]`, or an unannotated variable whose values have several types. A
    dict written in place is not one: its values are not those that `__setitem__` has to take.
    """

    def __setitem__(self, key: str, value: _UnknownKeyOrWrongValue, /) -> None: ...


BlobValue: TypeAlias = bytes | bytearray | memoryview | str
"""Bytes, or base64 text as it is on the wire."""

'''


class Writer:
    """Collects the models that requests reach, and writes a TypedDict for each."""

    def __init__(self) -> None:
        self.names = _alias_names()
        self.imports: dict[str, set[str]] = {}
        self.models: dict[str, type[WireModel]] = {}
        self.unions: dict[str, list[str]] = {}

    def text(self) -> str:
        for request in REQUESTS:
            for _, field in _fields(request):
                self.type_of(field)
        bodies = [self.class_of(model) for _, model in self.each_model()]
        unions = [
            f"{name}Dict: TypeAlias = {' | '.join(members)}"
            for name, members in sorted(self.unions.items())
        ]
        imports = [
            f"from {module} import {', '.join(sorted(names))}"
            for module, names in sorted(self.imports.items())
        ]
        names = sorted(
            ["BlobValue", "UntypedDict"] + [f"{name}Dict" for name in [*self.models, *self.unions]]
        )
        exported = f"__all__ = {names!r}"
        return _formatted("\n".join([HEAD, *imports, exported, UNTYPED, *bodies, *unions]))

    def each_model(self) -> Iterator[tuple[str, type[WireModel]]]:
        """Go over the models by name; writing one may reveal others."""
        written: set[str] = set()
        while todo := sorted(set(self.models) - written):
            for name in todo:
                for _, field in _fields(self.models[name]):
                    self.type_of(field)
                written.add(name)
        yield from sorted(self.models.items())

    def class_of(self, model: type[WireModel]) -> str:
        lines = [f"class {model.__name__}Dict(TypedDict):", f'    """{model.__doc__}"""', ""]
        for name, field in _fields(model):
            written = self.type_of(field)
            if (model.__name__, name) in TEXT_TOO:
                written = f"str | {written}"
            if not model.model_fields[name].is_required():
                written = f"NotRequired[{written}]"
            lines.append(f"    {_wire_name(model, name)}: {written}")
        return "\n".join(lines) + "\n\n"

    def type_of(self, annotation: Any) -> str:
        if get_origin(annotation) is Annotated:
            return self.annotated(annotation)
        if get_origin(annotation) in (Union, UnionType):
            members = [part for part in get_args(annotation) if part is not NoneType]
            return " | ".join(self.type_of(part) for part in members)
        if get_origin(annotation) is list:
            return f"Sequence[{self.type_of(get_args(annotation)[0])}]"
        if get_origin(annotation) is dict:
            key, value = get_args(annotation)
            return f"dict[{self.type_of(key)}, {self.type_of(value)}]"
        if isinstance(annotation, type) and issubclass(annotation, WireModel):
            self.models[annotation.__name__] = annotation
            self.take(annotation.__name__, annotation.__module__)
            return f"{annotation.__name__} | {annotation.__name__}Dict | UntypedDict"
        return str(annotation.__name__)

    def annotated(self, annotation: Any) -> str:
        inner, mark, *_ = get_args(annotation)
        if annotation == Document:
            return "Any"
        if annotation == Blob:
            return "BlobValue"
        if annotation == Number:
            return "float"
        if isinstance(mark, (Deferred, DeferredUnion)) and mark.home:
            module, _, name = mark.home.partition(":")
            return self.type_of(getattr(import_module(module), name))
        if isinstance(mark, OpenEnum):
            name, module = self.names[id(mark)]
            self.take(name, module)
            return name
        if isinstance(mark, OpenUnion):
            return self.union(inner, *self.names[id(mark)])
        return self.type_of(inner)

    def union(self, inner: Any, name: str, module: str) -> str:
        self.take(name, module)
        if name not in self.unions:
            self.unions[name] = []
            for member in get_args(inner):
                if not issubclass(member, UnknownMember):
                    self.models[member.__name__] = member
                    self.unions[name].append(f"{member.__name__}Dict")
        return f"{name} | {name}Dict | UntypedDict"

    def take(self, name: str, module: str) -> None:
        self.imports.setdefault(module, set()).add(name)


def _alias_names() -> dict[int, tuple[str, str]]:
    """The name and the module of each union and enumeration, by the id of its mark."""
    found: dict[int, tuple[str, str]] = {}
    for module in map(_module, MODULES):
        for name, value in vars(module).items():
            if get_origin(value) is Annotated:
                mark = get_args(value)[1]
                if isinstance(mark, (OpenUnion, OpenEnum)):
                    found.setdefault(id(mark), (name, module.__name__))
    return found


def _module(name: str) -> ModuleType:
    return import_module(f"bedrock_bearer.converse.{name}")


def _fields(model: type[WireModel]) -> Iterator[tuple[str, Any]]:
    """The fields that go into the body, each with its whole annotation."""
    for name, field in model.model_fields.items():
        if not field.exclude:
            metadata = tuple(field.metadata)
            yield name, Annotated[(field.annotation, *metadata)] if metadata else field.annotation


def _wire_name(model: type[WireModel], name: str) -> str:
    return model.model_fields[name].alias or camel_case(name)


def _formatted(text: str) -> str:
    for command in (
        ["check", "-q", "--fix", "--unsafe-fixes", "--select", "I,F401"],
        ["format", "-q"],
    ):
        text = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--stdin-filename", str(FILE), "-"],
            input=text,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    return text


if __name__ == "__main__":
    FILE.write_text(Writer().text())
