"""The inference parameters of a Converse request.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InferenceConfiguration.html
"""

from bedrock_bearer.converse.base import Integer, Number, WireModel

__all__ = ["InferenceConfiguration"]


class InferenceConfiguration(WireModel):
    """How the model writes. `temperature` and `top_p` are from 0 to 1."""

    max_tokens: Integer | None = None
    temperature: Number | None = None
    top_p: Number | None = None
    stop_sequences: list[str] | None = None
