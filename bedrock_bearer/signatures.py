"""Signatures and help that name every option of a call."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from textwrap import indent
from typing import Any, TypeVar

Method = TypeVar("Method", bound=Callable[..., object])


def spell_out_options(options: type) -> Callable[[Method], Method]:
    """Name the options of a TypedDict in a method's signature and help, instead of `**options`."""
    parameters = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=getattr(annotation, "__forward_arg__", annotation),
        )
        for name, annotation in options.__annotations__.items()
    ]
    meanings = inspect.cleandoc(options.__doc__ or "").partition("Attributes:\n")[2].rstrip()

    def spell_out(method: Method) -> Method:
        signature = inspect.signature(method)
        *named, _ = signature.parameters.values()
        spelled_out: Any = method
        spelled_out.__signature__ = signature.replace(parameters=[*named, *parameters])
        place = f"            options: see `{options.__name__}`."
        method.__doc__ = (method.__doc__ or "").replace(place, indent(meanings, " " * 8))
        return method

    return spell_out
