"""A policy denies short-term keys; the refusal is explained, and a long-term key steps in.

`python examples/governing_policy.py` runs on the Bedrock on this machine.
"""

from bedrock_bearer import BearerTokenDeniedError, FallbackKeys
from bedrock_bearer.access import PolicySet, deny_use
from bedrock_bearer.local import LocalBedrock, local_client

MODEL = "us.amazon.nova-micro-v1:0"

bedrock = LocalBedrock()
short_term = bedrock.mint_key("SHORT_TERM")
long_term = bedrock.mint_key("LONG_TERM")
policy = deny_use("SHORT_TERM")
bedrock.attach_policy(None, policy)

with local_client(bedrock, api_key=short_term) as client:
    try:
        client.converse(MODEL, "Hello")
    except BearerTokenDeniedError as error:
        if error.governing_policy is not None:
            print(error.governing_policy.explain())
            # With the policies at hand, more can be said. `fetch_policies` reads them from AWS.
            located = error.governing_policy.located_in(PolicySet(identity=[policy]))
            print(f"\nWith the policy at hand:\n{located.explain()}")

with local_client(bedrock, api_key=FallbackKeys(short_term, long_term)) as client:
    print("\nanswered by", client.converse(MODEL, "Hello").key)
