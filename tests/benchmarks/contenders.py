"""The same work by each contender. Each imports its library where it is used, and only there.

A sync contender is made for a URL and has `call()` and `stream()`; an async one has the same as
coroutines, and `close()`. `call()` returns the reply's text; `stream()` the number of pieces of
text in a streamed reply. All read the JSON, verify TLS against the same bundle, may open 1,000
connections and do not retry.
"""

from __future__ import annotations

import importlib
import json
import os
import ssl
from typing import Any

CONNECTIONS = 1000
SECONDS = 300.0
PROMPT = "Say hi."

IMPORTS = {
    "ours": ("bedrock_bearer", "BedrockClient"),
    "boto3": ("boto3", "client"),
    "aiobotocore": ("aiobotocore.session", "get_session"),
    "httpx": ("httpx", "Client"),
    "socket": ("ssl", "SSLContext"),
}
"""What a user of each contender imports."""


def _path(model: str, verb: str) -> str:
    return f"/model/{model}/{verb}"


def _json_headers() -> dict[str, str]:
    return {
        "authorization": f"Bearer {os.environ['AWS_BEARER_TOKEN_BEDROCK']}",
        "content-type": "application/json",
        "accept": "application/json",
    }


def _json_body() -> bytes:
    return json.dumps({"messages": [{"role": "user", "content": [{"text": PROMPT}]}]}).encode()


def _text(reply: Any) -> str:
    text: str = reply["output"]["message"]["content"][0]["text"]
    return text


# ------------------------------------------------------------------------------------------ ours


class Ours:
    """`BedrockClient`."""

    def __init__(self, url: str, model: str) -> None:
        from bedrock_bearer import BedrockClient, RetryPolicy

        self._model = model
        self._client = BedrockClient(
            endpoint_url=url,
            max_connections=CONNECTIONS,
            timeout=SECONDS,
            retry=RetryPolicy(max_attempts=1),
        )

    def call(self) -> str:
        return self._client.converse(self._model, PROMPT).text

    def stream(self) -> int:
        with self._client.converse_stream(self._model, PROMPT) as stream:
            return sum(1 for event in stream if getattr(event, "text", None))


class OursAsync:
    """`AsyncBedrockClient`."""

    def __init__(self, url: str, model: str) -> None:
        from bedrock_bearer import AsyncBedrockClient, RetryPolicy

        self._model = model
        self._client = AsyncBedrockClient(
            endpoint_url=url,
            max_connections=CONNECTIONS,
            timeout=SECONDS,
            retry=RetryPolicy(max_attempts=1),
        )

    async def open(self) -> None:
        pass

    async def call(self) -> str:
        return (await self._client.converse(self._model, PROMPT)).text

    async def stream(self) -> int:
        count = 0
        async with self._client.converse_stream(self._model, PROMPT) as stream:
            async for event in stream:
                if getattr(event, "text", None):
                    count += 1
        return count

    async def close(self) -> None:
        await self._client.aclose()


# ----------------------------------------------------------------------------------------- boto3


def _boto_settings() -> dict[str, Any]:
    return {
        "max_pool_connections": CONNECTIONS,
        "retries": {"total_max_attempts": 1, "mode": "standard"},
        "connect_timeout": SECONDS,
        "read_timeout": SECONDS,
    }


def _boto_messages() -> list[Any]:
    return [{"role": "user", "content": [{"text": PROMPT}]}]


def _boto_has_text(event: Any) -> bool:
    return bool("contentBlockDelta" in event and event["contentBlockDelta"]["delta"]["text"])


class Boto3:
    """`boto3.client("bedrock-runtime")`."""

    def __init__(self, url: str, model: str) -> None:
        import boto3
        from botocore.config import Config

        self._model = model
        self._client: Any = boto3.client(
            "bedrock-runtime", endpoint_url=url, config=Config(**_boto_settings())
        )

    def call(self) -> str:
        return _text(self._client.converse(modelId=self._model, messages=_boto_messages()))

    def stream(self) -> int:
        reply = self._client.converse_stream(modelId=self._model, messages=_boto_messages())
        return sum(_boto_has_text(event) for event in reply["stream"])


class AioBotocore:
    """`aiobotocore.session.get_session().create_client("bedrock-runtime")`."""

    def __init__(self, url: str, model: str) -> None:
        session = importlib.import_module("aiobotocore.session").get_session()
        config = importlib.import_module("aiobotocore.config").AioConfig(**_boto_settings())
        self._model = model
        self._context = session.create_client("bedrock-runtime", endpoint_url=url, config=config)

    async def open(self) -> None:
        self._client = await self._context.__aenter__()

    async def call(self) -> str:
        reply = await self._client.converse(modelId=self._model, messages=_boto_messages())
        return _text(reply)

    async def stream(self) -> int:
        reply = await self._client.converse_stream(modelId=self._model, messages=_boto_messages())
        count = 0
        async for event in reply["stream"]:
            count += _boto_has_text(event)
        return count

    async def close(self) -> None:
        await self._context.__aexit__(None, None, None)


# ----------------------------------------------------------------------------------------- httpx


class EventPayloads:
    """The least that reads an event stream: no checksum, no header, no limit."""

    def __init__(self) -> None:
        self._buffer = b""

    def texts(self, data: bytes) -> int:
        """Return how many pieces of text `data` completes."""
        self._buffer += data
        start, count = 0, 0
        while len(self._buffer) - start >= 12:
            total = int.from_bytes(self._buffer[start : start + 4], "big")
            if len(self._buffer) - start < total:
                break
            headers = int.from_bytes(self._buffer[start + 4 : start + 8], "big")
            event = json.loads(self._buffer[start + 12 + headers : start + total - 4])
            count += bool(event.get("delta", {}).get("text"))
            start += total
        self._buffer = self._buffer[start:]
        return count


def _httpx_settings(url: str) -> dict[str, Any]:
    import httpx

    return {
        "base_url": url,
        "timeout": SECONDS,
        "limits": httpx.Limits(
            max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS, keepalive_expiry=60
        ),
        "headers": _json_headers(),
    }


class Httpx:
    """`httpx.Client`, used as its documentation does."""

    def __init__(self, url: str, model: str) -> None:
        import httpx

        self._model = model
        self._client = httpx.Client(**_httpx_settings(url))

    def call(self) -> str:
        reply = self._client.post(_path(self._model, "converse"), content=_json_body())
        reply.raise_for_status()
        return _text(reply.json())

    def stream(self) -> int:
        payloads = EventPayloads()
        path = _path(self._model, "converse-stream")
        with self._client.stream("POST", path, content=_json_body()) as reply:
            return sum(payloads.texts(data) for data in reply.iter_bytes())


class HttpxAsync:
    """`httpx.AsyncClient`, used as its documentation does."""

    def __init__(self, url: str, model: str) -> None:
        import httpx

        self._model = model
        self._client = httpx.AsyncClient(**_httpx_settings(url))

    async def open(self) -> None:
        pass

    async def call(self) -> str:
        reply = await self._client.post(_path(self._model, "converse"), content=_json_body())
        reply.raise_for_status()
        return _text(reply.json())

    async def stream(self) -> int:
        payloads = EventPayloads()
        path = _path(self._model, "converse-stream")
        count = 0
        async with self._client.stream("POST", path, content=_json_body()) as reply:
            async for data in reply.aiter_bytes():
                count += payloads.texts(data)
        return count

    async def close(self) -> None:
        await self._client.aclose()


# ---------------------------------------------------------------------------------------- socket


def _address(url: str) -> tuple[str, int]:
    host, _, port = url.removeprefix("https://").partition(":")
    return host, int(port)


def _tls() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"])


def _raw_request(path: str) -> bytes:
    body = _json_body()
    lines = {"host": "127.0.0.1", "content-length": str(len(body)), **_json_headers()}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + body


def _content_length(head: bytes) -> int:
    return int(head.lower().partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0])


class BareSocket:
    """One socket with TLS for each thread, and HTTP written by hand."""

    def __init__(self, url: str, model: str) -> None:
        import threading

        self._model = model
        self._address = _address(url)
        self._tls = _tls()
        self._local = threading.local()

    def _file(self) -> Any:
        import socket

        if not hasattr(self._local, "file"):
            plain = socket.create_connection(self._address)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            secure = self._tls.wrap_socket(plain, server_hostname=self._address[0])
            self._local.socket, self._local.file = secure, secure.makefile("rb")
        return self._local.file

    def _send(self, verb: str) -> Any:
        file = self._file()
        self._local.socket.sendall(_raw_request(_path(self._model, verb)))
        head = file.readline()
        while (line := file.readline()) != b"\r\n":
            head += line
        return head, file

    def call(self) -> str:
        head, file = self._send("converse")
        return _text(json.loads(file.read(_content_length(head))))

    def stream(self) -> int:
        _, file = self._send("converse-stream")
        payloads = EventPayloads()
        count = 0
        while size := int(file.readline(), 16):
            count += payloads.texts(file.read(size))
            file.readline()
        file.readline()
        return count


class BareStreams:
    """asyncio's own streams, a list of unused ones, and HTTP written by hand."""

    def __init__(self, url: str, model: str) -> None:
        self._model = model
        self._address = _address(url)
        self._tls = _tls()
        self._free: list[Any] = []

    async def open(self) -> None:
        pass

    async def _send(self, verb: str) -> tuple[bytes, Any, Any]:
        import asyncio

        if self._free:
            reader, writer = self._free.pop()
        else:
            reader, writer = await asyncio.open_connection(
                *self._address, ssl=self._tls, ssl_handshake_timeout=SECONDS
            )
        writer.write(_raw_request(_path(self._model, verb)))
        return await reader.readuntil(b"\r\n\r\n"), reader, writer

    async def call(self) -> str:
        head, reader, writer = await self._send("converse")
        reply = json.loads(await reader.readexactly(_content_length(head)))
        self._free.append((reader, writer))
        return _text(reply)

    async def stream(self) -> int:
        _, reader, writer = await self._send("converse-stream")
        payloads = EventPayloads()
        count = 0
        while size := int(await reader.readline(), 16):
            count += payloads.texts(await reader.readexactly(size))
            await reader.readline()
        await reader.readline()
        self._free.append((reader, writer))
        return count

    async def close(self) -> None:
        for _, writer in self._free:
            writer.transport.abort()


SYNC: dict[str, Any] = {"ours": Ours, "boto3": Boto3, "httpx": Httpx, "socket": BareSocket}
ASYNC: dict[str, Any] = {
    "ours": OursAsync,
    "aiobotocore": AioBotocore,
    "httpx": HttpxAsync,
    "socket": BareStreams,
}
