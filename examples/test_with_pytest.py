"""How to test code that calls Bedrock: `pytest examples/test_with_pytest.py`

The fixtures come with the package. No time passes and nothing leaves this machine.
"""

import pytest

from bedrock_bearer import BedrockClient, ThrottlingError
from bedrock_bearer.testing import FakeBedrock, error_reply


def summary(client: BedrockClient, text: str) -> str:
    """The code under test."""
    reply = client.converse("us.amazon.nova-micro-v1:0", f"Summarize: {text}", max_tokens=50)
    return reply.text.strip()


def test_a_summary_is_stripped(fake_bedrock: FakeBedrock) -> None:
    fake_bedrock.reply("  Short. \n")

    assert summary(fake_bedrock.client(), "Long.") == "Short."
    assert fake_bedrock.requests[0].prompt == "Summarize: Long."


def test_a_client_that_the_code_makes_by_itself(served_fake_bedrock: FakeBedrock) -> None:
    served_fake_bedrock.answer("Summarize: Long.", "Short.")
    with BedrockClient() as client:
        assert summary(client, "Long.") == "Short."


def test_throttling_is_retried_and_then_raised(fake_bedrock: FakeBedrock) -> None:
    for _ in range(3):
        fake_bedrock.reply(error_reply("ThrottlingException"))

    with pytest.raises(ThrottlingError):
        summary(fake_bedrock.client(), "Long.")

    assert len(fake_bedrock.waits) == 2
