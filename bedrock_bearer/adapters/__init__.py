"""One API key, or several that fall back, for other SDKs, and their errors in our words.

`source` is what `BedrockClient(api_key=...)` takes: a key, a function, `FileKey(path)`,
`FallbackKeys(first, second)`. The key is read for every request.

boto3, and langchain-aws, strands and pydantic-ai on top of it:

    session = boto3_session(source, region_name="us-east-1")
    client = session.client("bedrock-runtime")
    ChatBedrockConverse(model=model, client=client, bedrock_client=session.client("bedrock"))
    BedrockModel(boto_session=session, model_id=model)
    BedrockConverseModel(model, provider=BedrockProvider(bedrock_client=client))

openai and anthropic (`AsyncOpenAI` takes an `httpx2.AsyncClient` in the same way):

    auth = BearerAuth(source)
    url = "https://bedrock-runtime.us-east-1.amazonaws.com"
    OpenAI(base_url=f"{url}/openai/v1", api_key="-", http_client=httpx2.Client(auth=auth))
    Anthropic(base_url=f"{url}/anthropic", auth_token="-", http_client=httpx2.Client(auth=auth))

Without falling back, a function is enough. anthropic takes it wrapped; 0 lets it ask each time:

    OpenAI(base_url=f"{url}/openai/v1", api_key=token_provider(source))
    token = token_provider(source)
    Anthropic(base_url=f"{url}/anthropic", credentials=lambda **_: AccessToken(token(), 0))

litellm takes an HTTP handler for each call, `HTTPHandler` or, for `acompletion`, the async one. A
router and a proxy make handlers of their own: `api_key=token_provider(source)()` for each call then
reads the key anew, without falling back.

    handler = HTTPHandler(client=httpx.Client(auth=BearerAuth(source)))
    litellm.completion("bedrock/converse/...", messages, api_key="-", client=handler)

Whatever one of them raises:

    except Exception as error:
        raise translate_error(error) or error from None
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bedrock_bearer.lazy import lazy_names

if TYPE_CHECKING:
    from bedrock_bearer.adapters.bearer_auth import BearerAuth
    from bedrock_bearer.adapters.errors import translate_error
    from bedrock_bearer.adapters.session import boto3_session
    from bedrock_bearer.adapters.tokens import async_token_provider, token_provider

__all__ = [
    "BearerAuth",
    "async_token_provider",
    "boto3_session",
    "token_provider",
    "translate_error",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(
        __name__, ["tokens", "bearer_auth", "session", "errors"], __all__
    )
