"""Before a policy goes live: what does it mean for the keys that are in use?

`python examples/policy_in_ci.py [FILE]` ends with exit code 1 if the policy would stop the
service's key. Nothing is sent anywhere.
"""

import json
import sys
from pathlib import Path

from bedrock_bearer.access import PolicySet, deny_use, evaluate, read_document

KEY_OF_THE_SERVICE = {"bedrock:bearerTokenType": "LONG_TERM"}

text = Path(sys.argv[1]).read_text() if sys.argv[1:] else deny_use("SHORT_TERM").to_json()
allow = {"Effect": "Allow", "Action": "bedrock:CallWithBearerToken", "Resource": "*"}
policies = PolicySet(
    identity=[
        read_document({"Version": "2012-10-17", "Statement": [allow]}),
        read_document(json.loads(text)),
    ]
)
decision = evaluate(policies, "bedrock:CallWithBearerToken", KEY_OF_THE_SERVICE)
print(f"The service's key: {decision.outcome}")
sys.exit(not decision.allowed)
