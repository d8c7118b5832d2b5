"""One call, and a conversation that goes on: `python examples/converse.py`.

It runs on the Bedrock on this machine. Against AWS, use `BedrockClient()` instead.
"""

from bedrock_bearer import MessageInput
from bedrock_bearer.local import local_client

MODEL = "amazon.nova-micro-v1:0"

with local_client() as client:
    messages: list[MessageInput] = [{"role": "user", "content": [{"text": "Hello"}]}]
    reply = client.converse(MODEL, messages, max_tokens=100)
    print(reply.text)

    messages += [reply.message, {"role": "user", "content": [{"text": "And now?"}]}]
    reply = client.converse(MODEL, messages)
    print(reply.text)
    print(reply.usage.total_tokens, "tokens,", reply.key)
