"""Before a policy goes live: what does it let through, and does the service's key still work?

`python examples/policy_in_ci.py [FILE]` ends with exit code 1 if the policy would stop the key or
has a finding that is more than information. Nothing is sent. On the command line:
`bedrock-bearer policy lint` and `bedrock-bearer policy explain`.
"""

import sys
from pathlib import Path

from bedrock_bearer.access import PolicySet, deny_use, evaluate, lint, read_document

KEY_OF_THE_SERVICE = {"bedrock:bearerTokenType": "LONG_TERM"}
ALLOW = {"Effect": "Allow", "Action": "bedrock:CallWithBearerToken", "Resource": "*"}

text = Path(sys.argv[1]).read_text() if sys.argv[1:] else deny_use("SHORT_TERM").to_json()
document = read_document(text)
findings = lint(document, "identity")
for finding in findings:
    print(f"{finding.severity}: {finding.message}")

allowing = read_document({"Version": "2012-10-17", "Statement": [ALLOW]})
policies = PolicySet(identity=[allowing, document])
decision = evaluate(policies, "bedrock:CallWithBearerToken", KEY_OF_THE_SERVICE)
print(f"A key of the service: {decision.outcome}")

sys.exit(not decision.allowed or any(finding.severity != "information" for finding in findings))
