"""A reply as an object of a class, checked: `python examples/structured_output.py`

It runs on the Bedrock on this machine, which makes up a value that fits.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from bedrock_bearer import OutputError
from bedrock_bearer.local import local_client


class City(BaseModel):
    """A city of Europe."""

    name: str
    country: Literal["France", "Germany", "Spain"]
    inhabitants: Annotated[int, Field(ge=0, description="In the city proper.")]
    rivers: list[str] = []


with local_client() as client:
    try:
        reply = client.converse(
            "us.anthropic.claude-haiku-4-5-20251001-v1:0", "Tell me about Bonn.", output_type=City
        )
    except OutputError as error:
        print(f"The model's reply does not fit: {error}\n{error.reply.text}")
    else:
        print(reply.parsed.name, reply.parsed.country, reply.parsed.inhabitants)
