"""A question about an image and a document. `python examples/image_and_document.py`

It runs on the Bedrock on this machine. Against AWS, use `BedrockClient()` instead.
"""

import base64

from bedrock_bearer.local import local_client

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg=="
)

with local_client() as client:
    reply = client.converse(
        "us.amazon.nova-lite-v1:0",
        {
            "role": "user",
            "content": [
                {"image": {"format": "png", "source": {"bytes": PNG}}},
                {
                    "document": {
                        "name": "notes",
                        "format": "txt",
                        "source": {"bytes": b"Bonn is on the Rhine."},
                    }
                },
                {"text": "What is on the picture, and where is Bonn?"},
            ],
        },
    )
    print(reply.text, reply.usage.input_tokens)
