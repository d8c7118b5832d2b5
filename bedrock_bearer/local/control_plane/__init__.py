"""The AWS services around Bedrock, on this machine: IAM and STS."""
