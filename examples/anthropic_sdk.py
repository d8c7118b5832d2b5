"""The anthropic package with one of our keys: `python examples/anthropic_sdk.py`

It runs on the Bedrock on this machine and needs `pip install anthropic` (from version 2 on).
"""

import ssl

import httpx2
from anthropic import Anthropic

from bedrock_bearer.adapters import BearerAuth
from bedrock_bearer.local import LocalBedrock, LocalServer

bedrock = LocalBedrock()
key = bedrock.mint_key("LONG_TERM")

with LocalServer(bedrock, tls=True) as server:
    # Against AWS: https://bedrock-runtime.us-east-1.amazonaws.com, without `origin` and `verify`.
    trusted = ssl.create_default_context(cafile=server.ca_file)
    with (
        httpx2.Client(auth=BearerAuth(key, origin=server.url), verify=trusted) as http_client,
        Anthropic(
            base_url=f"{server.url}/anthropic", auth_token="-", http_client=http_client
        ) as client,
    ):
        message = client.messages.create(
            model="us.anthropic.claude-3-5-haiku-20241022-v1:0",
            max_tokens=100,
            messages=[{"role": "user", "content": "Hello"}],
        )
        print(message.content[0].text if message.content[0].type == "text" else message)
