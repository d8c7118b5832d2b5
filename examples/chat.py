"""A conversation: each reply's message is appended as it is. `python examples/chat.py`

It runs on the Bedrock on this machine. Against AWS, use `BedrockClient()` instead.
"""

from bedrock_bearer import MessageInput
from bedrock_bearer.local import local_client

MODEL = "us.amazon.nova-micro-v1:0"

messages: list[MessageInput] = []
with local_client() as client:
    for question in ("Hello", "What is the capital of France?", "And of Spain?"):
        messages.append(question)
        reply = client.converse(MODEL, messages, system="Be brief.", max_tokens=100)
        messages.append(reply.message)
        print(f"> {question}\n{reply.text}")
    print(reply.usage.total_tokens, "tokens in the last call, by", reply.key)
