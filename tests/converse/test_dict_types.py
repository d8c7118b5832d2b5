"""The TypedDicts of what requests take, which a script writes from the models."""

from __future__ import annotations

import typing

from support.dict_types import FILE, Writer

from bedrock_bearer.converse import dicts, inputs


def test_the_dict_types_are_those_of_the_models() -> None:
    problem = "the models have changed: run python tests/support/dict_types.py"
    assert FILE.read_text(encoding="utf-8") == Writer().text(), problem


def test_every_annotation_of_the_dict_types_can_be_resolved() -> None:
    for module in (dicts, inputs):
        for name in module.__all__:
            if typing.is_typeddict(getattr(module, name)):
                assert typing.get_type_hints(getattr(module, name)) is not None
