"""Signatures, help and errors that name the options of a call."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from textwrap import dedent, indent
from typing import Any, TypeVar

Method = TypeVar("Method", bound=Callable[..., object])


def spell_out_options(options: type, default: object = None) -> Callable[[Method], Method]:
    """Name the options of a TypedDict in a method's signature and help, instead of `**options`."""
    parameters = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=default,
            annotation=getattr(annotation, "__forward_arg__", annotation),
        )
        for name, annotation in options.__annotations__.items()
    ]
    meanings = dedent(
        inspect.cleandoc(options.__doc__ or "").partition("Attributes:\n")[2].rstrip()
    )
    place = f"options: see `{options.__name__}`."

    def spell_out(method: Method) -> Method:
        signature = inspect.signature(method)
        *named, _ = signature.parameters.values()
        spelled_out: Any = method
        spelled_out.__signature__ = signature.replace(parameters=[*named, *parameters])
        method.__doc__ = "\n".join(
            # From Python 3.13 on, docstrings come without their indentation.
            indent(meanings, line.partition("o")[0]) if line.strip() == place else line
            for line in (method.__doc__ or "").split("\n")
        )
        return method

    return spell_out


def check_options(method: str, given: Mapping[str, Any], options: type) -> None:
    """Raise TypeError if an option is not one of a TypedDict, as Python does for a parameter."""
    known = options.__annotations__
    for name in given:
        if name not in known:
            from difflib import get_close_matches

            close = get_close_matches(name, known, n=1, cutoff=0.7)
            hint = (
                f"Did you mean {close[0]!r}?" if close else f"help(client.{method}) has them all."
            )
            raise TypeError(f"{method}() got an unexpected keyword argument {name!r}. {hint}")
