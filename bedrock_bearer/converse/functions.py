"""Python functions as tools: their specification, and running them for a reply.

    reply = client.converse(model_id, messages, tools=[get_weather])
    while reply.stop_reason == "tool_use":
        messages += [reply.message, run_tools(reply, [get_weather])]
        reply = client.converse(model_id, messages, tools=[get_weather])

See https://docs.aws.amazon.com/bedrock/latest/userguide/tool-use.html.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, get_type_hints

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, create_model
from pydantic_core import to_jsonable_python

from bedrock_bearer.converse.base import WireModel
from bedrock_bearer.converse.blocks import (
    JsonContent,
    ToolResultBlock,
    ToolResultContent,
    ToolUseBlock,
)
from bedrock_bearer.converse.content import TextContent
from bedrock_bearer.converse.message import Message
from bedrock_bearer.converse.problems import sentence
from bedrock_bearer.converse.schemas import name_of, tool_schema, written_out
from bedrock_bearer.converse.tools import (
    ToolFunction,
    ToolInputSchema,
    ToolSpecification,
    ToolSpecTool,
)

if TYPE_CHECKING:
    from bedrock_bearer.converse.response import ConverseResponse

__all__ = ["Functions", "run_tools", "run_tools_async"]

Functions: TypeAlias = Iterable[ToolFunction] | Mapping[str, ToolFunction]
"""Functions by their own names, or by the names that the model knows them under."""

_SECTION = re.compile(
    r"^\s*(Args|Arguments|Parameters|Returns|Raises|Yields|Example|Examples):\s*$"
)
_ARGUMENT = re.compile(r"^\s+\*{0,2}(\w+)(?:\s*\([^)]*\))?:\s*(.*)$")
_FIELD = re.compile(r"^\s*:param\s+(?:[^:]*\s)?(\w+):\s*(.*)$")


class FunctionTool:
    """A function, how a model is told about it, and how it is called."""

    def __init__(self, function: Any) -> None:
        """Raise ValueError if the function cannot be a tool."""
        self.function: Callable[..., Any] = function
        self.name = name_of(getattr(function, "__name__", "") or type(function).__name__)
        self._about, arguments = _described(inspect.getdoc(function) or "")
        problem = ""
        try:
            self._fields = _fields(function, arguments)
            model = create_model("Arguments", __config__=_CONFIG, **self._fields)
            self._adapter: TypeAdapter[Any] = TypeAdapter(model)
            schema, _ = written_out(self._adapter.json_schema())
        except Exception as error:  # noqa: BLE001
            # Annotations may name what cannot be found, or what pydantic does not know.
            problem = str(error).partition("\n")[0]
        if problem:
            raise ValueError(f"the function {self.name} cannot be a tool: {problem}")
        self._schema = tool_schema(schema)

    def specification(self) -> ToolSpecTool:
        """Return the tool as a request offers it."""
        schema = ToolInputSchema(json=self._schema)
        if not self._about:
            return ToolSpecTool(tool_spec=ToolSpecification(name=self.name, input_schema=schema))
        return ToolSpecTool(
            tool_spec=ToolSpecification(
                name=self.name, description=self._about, input_schema=schema
            )
        )

    def arguments(self, given: Any) -> dict[str, Any]:
        """Return the keyword arguments that a model wrote, as the function's own types.

        Raises:
            ValidationError: they do not fit the signature.
        """
        text = given if isinstance(given, str) else json.dumps(given)
        model = self._adapter.validate_json(text or "{}")
        return {
            str(type(model).model_fields[name].alias): getattr(model, name)
            for name in model.model_fields_set
        }


_CONFIG = ConfigDict(extra="forbid", arbitrary_types_allowed=False)


def function_tool(function: ToolFunction) -> FunctionTool:
    """Return the tool of a function, built once for each.

    Raises:
        ValueError: the function cannot be a tool.
    """
    try:
        tool: FunctionTool = _cached(function)
        return tool
    except TypeError:
        # The function, such as a partial with a list, cannot be hashed.
        return FunctionTool(function)


_cached: Any = lru_cache(maxsize=256)(FunctionTool)


def tool_of(given: Any) -> Any:
    """Return what a caller passed as a tool in the form that a request has it.

    Raises:
        ValueError: it is a function that cannot be a tool.
    """
    if isinstance(given, ToolSpecification):
        return ToolSpecTool(tool_spec=given)
    if isinstance(given, Mapping):
        return {"toolSpec": given} if "name" in given else given
    if callable(given) and not isinstance(given, WireModel):
        return function_tool(given).specification()
    return given


def _fields(function: Callable[..., Any], meanings: Mapping[str, str]) -> dict[str, Any]:
    hints = _hints(function)
    fields: dict[str, Any] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise ValueError(f"a model cannot pass {parameter}")
        annotation = hints.get(name, Any)
        if name in meanings:
            annotation = Annotated[annotation, Field(description=meanings[name])]
        is_required = parameter.default is parameter.empty
        # The field has a name of its own: a parameter may be called like a method of pydantic's.
        default = ... if is_required else None
        fields[f"argument_{name}"] = (annotation, Field(default, alias=name))
    return fields


def _hints(function: Any) -> dict[str, Any]:
    while isinstance(function, partial):
        function = function.func
    if inspect.isclass(function):
        made_by: Any = function.__init__
        return get_type_hints(function, include_extras=True) | get_type_hints(made_by)
    if not inspect.isroutine(function):
        function = type(function).__call__
    return get_type_hints(inspect.unwrap(function), include_extras=True)


def _described(docstring: str) -> tuple[str, dict[str, str]]:
    """Return what a docstring says of a function, and of each of its arguments."""
    about: list[str] = []
    arguments: dict[str, str] = {}
    section, current = "", ""
    for line in docstring.splitlines():
        if found := _SECTION.match(line):
            section, current = found[1], ""
        elif found := _FIELD.match(line):
            section, current = "Args", found[1]
            arguments[current] = found[2]
        elif line.lstrip().startswith(":return"):
            section = "Returns"
        elif section.startswith(("Arg", "Param")):
            if found := _ARGUMENT.match(line):
                current = found[1]
                arguments[current] = found[2]
            elif current and line.strip():
                arguments[current] = f"{arguments[current]} {line.strip()}".strip()
        elif not section:
            about.append(line)
    return "\n".join(about).strip(), {name: text for name, text in arguments.items() if text}


# --------------------------------------------------------------------------------- running tools


def run_tools(reply: ConverseResponse[Any], functions: Functions) -> Message:
    """Call the functions that a reply asks for, and return the message with their results.

    Append the reply's message and this one, and call the model again. A result is sent as text, or
    as JSON for a dict, a dataclass or a pydantic model; content blocks are sent as they are. If a
    function raises, if its arguments do not fit, or if there is none of that name, the model is
    told so by an error result.

    Args:
        reply: a reply with `stop_reason` "tool_use".
        functions: the functions, or a dict of them by the names that the model knows.

    Raises:
        ValueError: the reply asks for no tool.
        TypeError: a function is async; use `run_tools_async`.
    """
    tools = _by_name(functions)
    results: list[Any] = []
    for use in _uses(reply):
        result = _called(tools, use)
        if inspect.isawaitable(result):
            _close(result)
            raise TypeError(f"{use.name} is async: await run_tools_async(reply, functions).")
        results.append(result)
    return _message(reply, results)


async def run_tools_async(reply: ConverseResponse[Any], functions: Functions) -> Message:
    """Do what `run_tools` does; async functions run at the same time."""
    tools = _by_name(functions)

    async def result_of(use: ToolUseBlock) -> Any:
        result = _called(tools, use)
        if not inspect.isawaitable(result):
            return result
        try:
            return await result
        except Exception as error:  # noqa: BLE001
            return _Failure(_told(error))

    return _message(reply, await asyncio.gather(*map(result_of, _uses(reply))))


class _Failure(str):
    """What the model is told of a tool that failed."""


def _by_name(functions: Functions) -> dict[str, FunctionTool]:
    if isinstance(functions, Mapping):
        return {name: function_tool(function) for name, function in functions.items()}
    return {tool.name: tool for tool in map(function_tool, functions)}


def _uses(reply: ConverseResponse[Any]) -> list[ToolUseBlock]:
    """Return the tools that the caller is to run: the service runs its own."""
    uses = [use for use in reply.tool_uses if use.type != "server_tool_use"]
    if not uses:
        raise ValueError(f"The reply asks for no tool: it stopped with {reply.stop_reason!r}.")
    return uses


def _called(tools: Mapping[str, FunctionTool], use: ToolUseBlock) -> Any:
    tool = tools.get(use.name)
    if tool is None:
        return _Failure(f"There is no tool {use.name!r}. The tools are: {', '.join(tools)}.")
    try:
        arguments = tool.arguments(use.input)
    except ValidationError as error:
        return _Failure(f"The arguments do not fit. {sentence(error)}")
    try:
        return tool.function(**arguments)
    except Exception as error:  # noqa: BLE001
        return _Failure(_told(error))


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _close(result: Any) -> None:
    """Close a coroutine that nobody will await, so that Python does not warn of it."""
    if inspect.iscoroutine(result):
        result.close()


def _message(reply: ConverseResponse[Any], results: list[Any]) -> Message:
    blocks = [
        ToolResultContent(tool_result=_result_block(use, result))
        for use, result in zip(_uses(reply), results, strict=True)
    ]
    return Message.model_validate({"role": "user", "content": blocks})


def _result_block(use: ToolUseBlock, result: Any) -> ToolResultBlock:
    if isinstance(result, _Failure):
        return ToolResultBlock(
            tool_use_id=use.tool_use_id, content=[TextContent(text=str(result))], status="error"
        )
    try:
        content = _content(result)
    except Exception as error:  # noqa: BLE001
        return _result_block(use, _Failure(_told(error)))
    return ToolResultBlock(tool_use_id=use.tool_use_id, content=content)


def _content(result: Any) -> list[Any]:
    if isinstance(result, str):
        return [TextContent(text=result)]
    blocks = result if isinstance(result, (list, tuple)) else [result]
    if blocks and all(isinstance(block, WireModel) for block in blocks):
        return list(blocks)
    value = to_jsonable_python(result)
    # AWS takes JSON in a result only as an object.
    if isinstance(value, dict):
        return [JsonContent(json=value)]
    return [TextContent(text=json.dumps(value, ensure_ascii=False))]
