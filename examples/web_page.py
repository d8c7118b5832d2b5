"""A web page that shows a reply as it is written, with FastAPI (`pip install fastapi`).

`python examples/web_page.py` asks it once, on the Bedrock on this machine. To serve it against AWS,
use `AsyncBedrockClient()` and run `uvicorn web_page:app` in this folder.
"""

import asyncio
from collections.abc import AsyncIterator

import httpx
from fastapi import FastAPI
from fastapi.responses import StreamingResponse

from bedrock_bearer import BedrockError
from bedrock_bearer.local import local_async_client

app = FastAPI()
client = local_async_client()  # one for all requests: they share its connections


@app.get("/ask")
async def ask(question: str) -> StreamingResponse:
    """Answer with the text as it comes."""
    return StreamingResponse(answer(question), media_type="text/plain")


async def answer(question: str) -> AsyncIterator[str]:
    """Yield the reply piece by piece. A reader who goes away ends the call to Bedrock too."""
    try:
        async with client.converse_stream("us.amazon.nova-micro-v1:0", question) as stream:
            async for text in stream.text_stream:
                yield text
    except BedrockError as error:
        # The page has begun: its status can no longer say what happened.
        yield f"\n[{type(error).__name__}: request {error.request_id}]"


async def try_it() -> None:
    """Ask the page once."""
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://page") as browser:
        page = await browser.get("/ask", params={"question": "Hello"})
    print(page.status_code, page.text)


if __name__ == "__main__":
    asyncio.run(try_it())
