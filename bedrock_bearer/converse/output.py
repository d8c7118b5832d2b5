"""Structured output: a reply as an instance of a class.

A model writes it either under `outputConfig`, where AWS holds it to a JSON Schema, or as the input
of a tool that it has to call. What a model does not take, AWS refuses with a 400, which is not
billed: the next way is tried at once, and remembered for the type.

See https://docs.aws.amazon.com/bedrock/latest/userguide/structured-output.html.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from functools import lru_cache
from inspect import isroutine
from types import UnionType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Generic,
    Literal,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from pydantic import TypeAdapter, ValidationError, create_model

from bedrock_bearer.converse.output_models import OUTPUT_CONFIG_MODELS
from bedrock_bearer.converse.problems import sentence
from bedrock_bearer.converse.request import checked_tools
from bedrock_bearer.converse.schemas import name_of, output_schema, tool_schema, written_out

if TYPE_CHECKING:
    from bedrock_bearer.converse.response import ConverseResponse

OutputT = TypeVar("OutputT")

OUTPUT_CONFIG = "outputConfig"
FORCED_TOOL = "forced tool"
OFFERED_TOOL = "offered tool"

# A message about results is about the conversation: tools that were called and not answered.
_ABOUT_TOOLS = re.compile(r"(?!.*tool_?result).*tool", re.I | re.S)
_REFUSALS = {
    OUTPUT_CONFIG: re.compile(
        r".*(output_?config|text_?format|structured|schema|grammar)", re.I | re.S
    ),
    FORCED_TOOL: _ABOUT_TOOLS,
    OFFERED_TOOL: _ABOUT_TOOLS,
}
"""What a 400 says if it is about that way, and not about something else in the request."""

_CUT_OFF = ("max_tokens", "model_context_window_exceeded")


class Output(Generic[OutputT]):
    """How a type is asked for, and how it is read out of a reply."""

    def __init__(self, output_type: type[OutputT]) -> None:
        """Raise ValueError if no JSON Schema can describe the type."""
        if isroutine(output_type):
            # pydantic would take it, and call it.
            raise ValueError(
                f"output_type has no JSON Schema: {output_type.__name__} is a function"
            )
        annotation: Any = output_type
        try:
            if sys.version_info < (3, 12):
                annotation = _accepted(output_type, {})
            self._adapter: TypeAdapter[Any] = TypeAdapter(annotation)
            schema = self._adapter.json_schema()
            self.name = name_of(schema.get("title") or _plain_name(output_type))
            self._schema, is_recursive = written_out(schema)
            # A tool's input and `outputConfig` are objects: anything else goes into one.
            self._is_wrapped = "properties" not in self._schema
            if self._is_wrapped:
                self._adapter = TypeAdapter(create_model("Output", value=(annotation, ...)))
                self._schema, is_recursive = written_out(self._adapter.json_schema())
        except Exception as error:  # noqa: BLE001
            # Annotations may name what cannot be found, or what pydantic does not know.
            problem = f"{type(error).__name__}: {error}".partition("\n")[0]
        else:
            self._output_schema = output_schema(self._schema, is_recursive=is_recursive)
            self._first_ways: dict[str, str] = {}
            return
        raise ValueError(f"output_type has no JSON Schema: {problem}")

    @property
    def tool_name(self) -> str:
        """The name of the tool whose input is the output."""
        return f"answer_with_{self.name}"

    # ------------------------------------------------------------------------------- asking for it

    def ways(self, model_id: str) -> list[str]:
        """Return the ways to ask a model for the output, the best one first."""
        tools = [FORCED_TOOL, OFFERED_TOOL]
        config = [] if self._output_schema is None else [OUTPUT_CONFIG]
        ways = config + tools if _has_output_config(model_id) else tools + config
        first = self._first_ways.get(model_id)
        return ways[ways.index(first) :] if first in ways else ways

    def is_refusal(self, way: str, message: str) -> bool:
        """Return whether a 400 of AWS refuses this way of asking."""
        return _REFUSALS[way].match(message) is not None

    def remember(self, model_id: str, way: str) -> None:
        """Start with this way in later calls."""
        if len(self._first_ways) < 1000:
            self._first_ways[model_id] = way

    def options_with_output(self, way: str, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options of a call with the output asked for."""
        if way == OUTPUT_CONFIG:
            return {**options, "output_config": self._output_config(options)}
        config, tools = _wire(options, "tool_config"), checked_tools(options.get("tools") or ())
        if way == FORCED_TOOL and not config.get("toolChoice"):
            is_alone = not config.get("tools") and not tools
            config["toolChoice"] = {"tool": {"name": self.tool_name}} if is_alone else {"any": {}}
        return {**options, "tool_config": config, "tools": [*tools, self._tool()]}

    def _output_config(self, options: Mapping[str, Any]) -> dict[str, Any]:
        definition = {"name": self.name, "schema": json.dumps(self._output_schema)}
        text_format = {"type": "json_schema", "structure": {"jsonSchema": definition}}
        return {**_wire(options, "output_config"), "textFormat": text_format}

    def _tool(self) -> dict[str, Any]:
        about = f" {self._schema['description']}" if "description" in self._schema else ""
        return {
            "name": self.tool_name,
            "description": f"Call this tool to give your final answer.{about}",
            "inputSchema": {"json": tool_schema(self._schema)},
        }

    # --------------------------------------------------------------------------------- reading it

    def is_in(self, reply: ConverseResponse[Any]) -> bool:
        """Return whether a reply is to hold the output: not if the model first asks for tools."""
        names = {tool.name for tool in reply.tool_uses if tool.type != "server_tool_use"}
        return not names or self.tool_name in names

    def read(self, reply: ConverseResponse[Any]) -> OutputT:
        """Return the output in a reply. Raise ValueError if it does not fit the type."""
        cause: Exception | None = None
        try:
            value = self._adapter.validate_json(self._json(reply))
        except ValidationError as error:
            # Not the cause of the error below: it holds the reply's content.
            problem = sentence(error, skipped=1 if self._is_wrapped else 0)
        except _NotOneOutputError as error:
            problem = str(error)
        except Exception as error:  # noqa: BLE001
            # A validator of the class may raise anything. Its traceback helps to mend it.
            problem, cause = f"{type(error).__name__}: {error}", error
        else:
            output: OutputT = value.value if self._is_wrapped else value
            return output
        raise ValueError(
            f"The reply does not fit {self.name}: {problem}.{_ending(reply)}"
        ) from cause

    def _json(self, reply: ConverseResponse[Any]) -> str:
        inputs = [tool.input for tool in reply.tool_uses if tool.name == self.tool_name]
        if not inputs:
            return _object_in(reply.text.strip())
        if len(inputs) > 1:
            raise _NotOneOutputError(f"it calls {self.tool_name} {len(inputs)} times")
        if reply.stop_reason in _CUT_OFF:
            # What is there may fit, and still be only the beginning.
            raise _NotOneOutputError(f"the input of {self.tool_name} may be incomplete")
        return inputs[0] if isinstance(inputs[0], str) else json.dumps(inputs[0])


class _NotOneOutputError(Exception):
    """The reply does not hold exactly one output."""


def _object_in(text: str) -> str:
    """Return the JSON object in a text, which may have words or a code fence around it."""
    start, end = text.find("{"), text.rfind("}")
    if start < 0 or text.startswith(("[", '"')):
        return text
    return text[start : end + 1] if end > start else text[start:]


def output_of(output_type: Any) -> Output[Any]:
    """Return the `Output` of a type, built once for each.

    Raises:
        ValueError: no JSON Schema can describe the type.
    """
    try:
        output: Output[Any] = _cached(output_type)
        return output
    except TypeError:
        # The type cannot be hashed.
        return Output(output_type)


_cached: Any = lru_cache(maxsize=256)(Output)


def _has_output_config(model_id: str) -> bool:
    """Return whether AWS documents structured output for a model or an inference profile."""
    name = model_id.rpartition("/")[2]
    return name in OUTPUT_CONFIG_MODELS or name.partition(".")[2] in OUTPUT_CONFIG_MODELS


def _ending(reply: ConverseResponse[Any]) -> str:
    """Return how the end of a reply may explain that it does not fit; empty if it does not."""
    if reply.stop_reason == "max_tokens":
        return " It was cut off at max_tokens."
    if reply.stop_reason in ("end_turn", "tool_use"):
        return ""
    return f" The model stopped with {reply.stop_reason!r}."


def _plain_name(output_type: Any) -> str:
    while get_origin(output_type) is Annotated:
        output_type = get_args(output_type)[0]
    return str(getattr(output_type, "__name__", "output"))


def _accepted(annotation: Any, made: dict[Any, Any]) -> Any:
    """Return a type with every TypedDict as one that pydantic takes before Python 3.12.

    `made` holds the classes that were replaced already: a TypedDict may contain itself.
    """
    if is_typeddict(annotation) and type(annotation).__module__ == "typing":
        return made.get(annotation) or _typed_dict(annotation, made)
    origin, arguments = get_origin(annotation), get_args(annotation)
    accepted = tuple(_accepted(argument, made) for argument in arguments)
    if accepted == arguments or origin in (Annotated, Literal):
        return annotation
    if origin is UnionType:
        return Union[accepted]  # noqa: UP007
    return origin[accepted[0] if len(accepted) == 1 else accepted]


def _typed_dict(annotation: Any, made: dict[Any, Any]) -> Any:
    import typing_extensions

    typed: Any = typing_extensions.TypedDict
    replacement = made[annotation] = typed(annotation.__name__, {})
    replacement.__doc__ = annotation.__doc__
    replacement.__required_keys__ = annotation.__required_keys__
    replacement.__optional_keys__ = annotation.__optional_keys__
    hints = get_type_hints(annotation, include_extras=True)
    replacement.__annotations__ = {name: _accepted(hint, made) for name, hint in hints.items()}
    return replacement


def _wire(options: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return a copy of a configuration that the caller gave, as a dict."""
    given = options.get(name) or {}
    if hasattr(given, "to_wire"):
        return dict(given.to_wire())
    if not isinstance(given, Mapping):
        raise ValueError(f"{name}: Input should be a dict or a model, not {type(given).__name__}")
    return dict(given)
