"""An agent of strands with one of our keys that falls back (`pip install strands-agents`).

`python examples/strands_agent.py` runs on the Bedrock on this machine.
"""

import os

from strands import Agent
from strands.models import BedrockModel

from bedrock_bearer import FallbackKeys
from bedrock_bearer.access import deny_use
from bedrock_bearer.adapters import boto3_session
from bedrock_bearer.local import LocalBedrock, LocalServer

bedrock = LocalBedrock()
bedrock.attach_policy(None, deny_use("SHORT_TERM"))
keys = FallbackKeys(bedrock.mint_key("SHORT_TERM"), bedrock.mint_key("LONG_TERM"))

with LocalServer(bedrock, tls=True) as server:
    # These two lead boto3 to this machine. Against AWS, leave them out.
    os.environ |= {"AWS_ENDPOINT_URL": server.url, "AWS_CA_BUNDLE": server.ca_file or ""}
    session = boto3_session(keys, region_name="us-east-1")
    agent = Agent(
        model=BedrockModel(boto_session=session, model_id="us.amazon.nova-micro-v1:0"),
        callback_handler=None,
    )
    print(agent("Hello"))
