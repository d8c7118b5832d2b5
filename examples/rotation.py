"""The fallback check of a rotation, before the old key is retired.

`python examples/rotation.py` runs on the Bedrock on this machine.
"""

from bedrock_bearer import check_keys
from bedrock_bearer.local import LocalBedrock
from bedrock_bearer.local.transport import local_http_client

bedrock = LocalBedrock()
old, new = bedrock.mint_key("LONG_TERM"), bedrock.mint_key("LONG_TERM")

with local_http_client(bedrock) as http_client:
    report = check_keys([old, new], region="us-east-1", http_client=http_client)

for check in report.checks:
    print(check.name, check.status)
print(
    "safe to retire the first" if report.safe_to_retire else "not safe", *report.reasons, sep="\n"
)
