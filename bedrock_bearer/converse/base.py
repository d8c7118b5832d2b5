"""What every model of the Converse API shares: wire names, wire values, open unions.

Modules with models do not use `from __future__ import annotations`: pydantic would then compile
every annotation again, which takes a fifth of the time of the import.
"""

from __future__ import annotations

import binascii
import json
import math
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from importlib import import_module
from threading import RLock
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Strict, StrictBool
from pydantic_core import (
    CoreSchema,
    PydanticCustomError,
    PydanticSerializationError,
    core_schema,
    from_json,
)

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler

__all__ = ["UnknownMember", "WireModel"]

MAX_SHOWN = 80
"""How many characters of a text a repr shows."""

ModelT = TypeVar("ModelT", bound="WireModel")


def camel_case(name: str) -> str:
    """Return the name of a field on the wire: `toolUseId` for `tool_use_id`."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


class WireModel(BaseModel):
    """A structure of the API: snake_case in Python, AWS's names and values on the wire.

    Unknown fields and values are kept, and `to_wire` gives back exactly what was read. Instances
    are frozen.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="allow",
        alias_generator=camel_case,
        validate_by_name=True,
        validate_by_alias=True,
        defer_build=True,
        hide_input_in_errors=True,
        protected_namespaces=(),
    )

    if not TYPE_CHECKING:
        # Each of these builds the class first, under the lock of `build`.
        def __init__(self, /, **data):
            build(type(self))
            super().__init__(**data)

        # Without this, pydantic would call our `__init__` for every dict that it reads.
        __init__.__pydantic_base_init__ = True

        @classmethod
        def model_validate(cls, obj, **options):
            build(cls)
            return super().model_validate(obj, **options)

        @classmethod
        def model_validate_json(cls, json_data, **options):
            build(cls)
            return super().model_validate_json(json_data, **options)

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        # Long texts and data would hide the rest; "p" is the padding of events.
        extra = getattr(self, "__pydantic_extra__", None) or {}
        for name, value in {**self.__dict__, **extra}.items():
            if value is not None and name != "p":
                yield name, shortened(value)

    def to_wire(self) -> dict[str, Any]:
        """Return the structure as JSON data under AWS's names: exactly what was read or set."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)

    def to_wire_json(self) -> bytes:
        """Return what `to_wire` returns, as JSON text in UTF-8."""
        try:
            return self.__pydantic_serializer__.to_json(self, by_alias=True, exclude_unset=True)
        except PydanticSerializationError:
            # Half of a surrogate pair, which a model may write, has an escape in JSON but no UTF-8.
            return json.dumps(self.to_wire()).encode("ascii")


UNCOUNTED_BYTES = 500_000
"""JSON up to here is parsed whatever it holds."""

MAX_VALUES = 2_000_000
"""How much the JSON of one reply may hold; see `values_in`."""


class _Shown:
    """Something with a repr of its own."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def shortened(value: Any) -> Any:
    """Return a value as a repr shows it: bytes are counted, and long texts are cut."""
    if isinstance(value, bytes):
        return _Shown(f"<{len(value)} bytes>")
    if isinstance(value, str) and len(value) > MAX_SHOWN:
        return _Shown(f"{value[:MAX_SHOWN]!r}...")
    return value


def build(model: type[BaseModel]) -> None:
    """Build a model that is used for the first time, in one thread at a time.

    Before pydantic 2.14, another thread that uses the model meanwhile reads it as its parent class.
    """
    if model.__pydantic_complete__:
        return
    with _build_lock:
        model.model_rebuild()


_build_lock = RLock()


def read_model(model: type[ModelT], value: Any) -> ModelT:
    """Do what `model.model_validate(value)` does, without the cost of its options."""
    if not model.__pydantic_complete__:
        build(model)
    instance: ModelT = model.__pydantic_validator__.validate_python(value)
    return instance


def values_in(data: bytes) -> int:
    """Return how many values some JSON holds at most, where a container counts as ten."""
    # An object of two bytes takes 64 and more in memory, as a model up to a thousand.
    return 10 * (data.count(b"{") + data.count(b"[")) + data.count(b",")


def check_values(data: bytes) -> None:
    """Raise ValueError if some JSON holds more values than any reply."""
    if len(data) > UNCOUNTED_BYTES and values_in(data) > MAX_VALUES:
        raise ValueError("the JSON holds more values than any reply")


def load_json(data: bytes) -> Any:
    """Parse JSON as `json.loads` does, but in most cases much faster.

    Raises:
        ValueError: the data is not JSON, or holds more values than any reply.
        RecursionError: the data is nested too deeply.
    """
    if len(data) > UNCOUNTED_BYTES:
        check_values(data)
    try:
        return from_json(data)
    except ValueError:
        # json accepts what pydantic's parser does not, such as half of a surrogate pair.
        return json.loads(data)


class UnknownMember(WireModel):
    """A member of a union that this version does not know. `to_wire()` gives it back unchanged."""


Reader = Callable[[Any], WireModel]
"""Reads one value of a union. What is a model of the union already is returned as it is."""


class OpenUnion:
    """Reads a union by the key of the dict. The last class of the union reads unknown members.

    The classes are built when they are first used, not when the union is declared.
    """

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.reader(get_args(source)))

    def reader(self, members: tuple[type[WireModel], ...]) -> Reader:
        """Return the function that reads a value of the union of these classes."""
        unknown = members[-1]
        by_key: dict[str, type[WireModel]] = {}
        for member in members[:-1]:
            by_key[_key_of(member)] = member
        keys = ", ".join(f"'{key}'" for key in by_key)
        for member in members[:-1]:
            by_key.setdefault(next(iter(member.model_fields)), member)
        readers: dict[str, Reader] = {}

        def prepare(key: str) -> Reader:
            build(by_key[key])
            # Looked up once: a long stream reads the same member again and again.
            readers[key] = by_key[key].__pydantic_validator__.validate_python
            return readers[key]

        def read(value: Any) -> WireModel:
            if not isinstance(value, dict):
                if isinstance(value, members):
                    return value
                raise PydanticCustomError(
                    "union_type",
                    "Input should be a dict with one of the keys {keys}, or the model of one of "
                    "them; it is a {kind}",
                    {"keys": keys, "kind": type(value).__name__},
                )
            for key in value:
                if key in by_key and value[key] is not None:
                    return (readers.get(key) or prepare(key))(value)
            return read_model(unknown, value)

        return read


class DeferredUnion:
    """An `OpenUnion` in a module that is imported only for a value that is not a `first`.

    `home` is `module:Union`.
    """

    def __init__(self, first: type[WireModel], home: str) -> None:
        self.first = first
        self.home = home

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        first, first_key = self.first, _key_of(self.first)
        read_any: Reader | None = None

        def read(value: Any) -> WireModel:
            nonlocal read_any
            if isinstance(value, dict):
                if next(iter(value), None) == first_key and value[first_key] is not None:
                    return read_model(first, value)
            elif isinstance(value, first):
                return value
            if read_any is None:
                members, open_union = get_args(_imported(self.home))
                read_any = open_union.reader(get_args(members))
            return read_any(value)

        return core_schema.no_info_plain_validator_function(read)


def _key_of(member: type[WireModel]) -> str:
    """Return the key by which a union knows a member on the wire."""
    name, field = next(iter(member.model_fields.items()))
    return field.alias or camel_case(name)


def _imported(home: str) -> Any:
    module, _, name = home.partition(":")
    return getattr(import_module(module), name)


class ReadBy:
    """Reads a value by a function alone; what it returns is written as it is."""

    def __init__(self, read: Callable[[Any], Any]) -> None:
        self._read = read

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self._read)


class Deferred(ReadBy):
    """A model in a module that is imported when it is first used; `home` is `module:Class`."""

    def __init__(self, home: str) -> None:
        def read(value: Any) -> WireModel:
            model: type[WireModel] = _imported(home)
            return value if isinstance(value, model) else read_model(model, value)

        self.home = home
        super().__init__(read)


class OpenEnum:
    """Any string. The literals of the annotation are the values that AWS documents today."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.str_schema()


class EncodedBytes(bytes):
    """Bytes from base64 text that is not in standard form; `text` is that text."""

    text: str


def read_blob(value: Any) -> bytes:
    """Return the bytes of raw bytes or of base64 text."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return value if isinstance(value, bytes) else bytes(value)
    if not isinstance(value, str):
        raise PydanticCustomError(
            "blob_type",
            "Input should be bytes, or a string of base64; it is a {kind}",
            {"kind": type(value).__name__},
        )
    try:
        data = b64decode(value, validate=True)
        if b64encode(data).decode() == value:
            return data
    except binascii.Error:
        pass
    return _read_unusual_base64(value)


def _read_unusual_base64(text: str) -> EncodedBytes:
    standard = "".join(text.split()).rstrip("=").replace("-", "+").replace("_", "/")
    try:
        data = EncodedBytes(b64decode(standard + "=" * (-len(standard) % 4), validate=True))
    except ValueError:
        raise PydanticCustomError(
            "blob_text", "Input should be bytes, or a string of base64"
        ) from None
    data.text = text
    return data


def write_blob(value: bytes) -> str:
    """Return standard base64 with padding, the only form that AWS takes."""
    return value.text if isinstance(value, EncodedBytes) else b64encode(value).decode()


class _BlobSchema:
    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            read_blob,
            serialization=core_schema.plain_serializer_function_ser_schema(
                write_blob, return_schema=core_schema.str_schema(), when_used="json"
            ),
        )


def read_number(value: Any) -> int | float:
    """Return a finite number as it is: 1 is not turned into 1.0."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise PydanticCustomError("number_type", "Input should be a number")
    if not math.isfinite(value):
        raise PydanticCustomError("finite_number", "Input should be a finite number")
    return value


def read_document(value: Any) -> Any:
    """Return a JSON document as it is, and refuse what JSON cannot hold."""
    todo = [value]
    while todo:
        item = todo.pop()
        if isinstance(item, dict):
            if not all(isinstance(key, str) for key in item):
                raise PydanticCustomError("json_key", "Input should have strings as its keys")
            todo.extend(item.values())
        elif isinstance(item, (list, tuple)):
            todo.extend(item)
        elif isinstance(item, float) and not math.isfinite(item):
            raise PydanticCustomError(
                "json_number", "Input should hold finite numbers only, JSON has no NaN or infinity"
            )
        elif item is not None and not isinstance(item, (str, int, float)):
            raise PydanticCustomError(
                "json_type",
                "Input should be JSON (dict, list, str, int, float, bool, None); it holds a {kind}",
                {"kind": type(item).__name__},
            )
    return value


Blob = Annotated[bytes, _BlobSchema()]
Boolean = StrictBool
Document = Annotated[Any, ReadBy(read_document)]
Integer = Annotated[int, Strict()]
Number = Annotated[int | float, ReadBy(read_number)]
