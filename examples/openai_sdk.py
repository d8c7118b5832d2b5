"""The openai package with one of our keys, its fallback and its errors explained.

`python examples/openai_sdk.py` runs on the Bedrock on this machine; it needs `pip install openai`
(from version 3 on; older ones take an `httpx.Client`).
"""

import ssl

import httpx2
from openai import OpenAI, OpenAIError

from bedrock_bearer import FallbackKeys
from bedrock_bearer.access import deny_use
from bedrock_bearer.adapters import BearerAuth, translate_error
from bedrock_bearer.local import LocalBedrock, LocalServer

bedrock = LocalBedrock()
bedrock.attach_policy(None, deny_use("SHORT_TERM"))
denied, spare = bedrock.mint_key("SHORT_TERM"), bedrock.mint_key("LONG_TERM")

with LocalServer(bedrock, tls=True) as server:
    # Against AWS: https://bedrock-runtime.us-east-1.amazonaws.com, without `origin` and `verify`.
    url, trusted = f"{server.url}/openai/v1", ssl.create_default_context(cafile=server.ca_file)
    for keys in (FallbackKeys(denied, spare), denied):
        with (
            httpx2.Client(auth=BearerAuth(keys, origin=server.url), verify=trusted) as http_client,
            OpenAI(base_url=url, api_key="-", http_client=http_client) as client,
        ):
            try:
                completion = client.chat.completions.create(
                    model="openai.gpt-oss-20b-1:0", messages=[{"role": "user", "content": "Hello"}]
                )
                print(completion.choices[0].message.content)
            except OpenAIError as error:
                print(repr(translate_error(error)))
