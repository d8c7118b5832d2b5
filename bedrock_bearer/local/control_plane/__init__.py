"""The AWS services around Bedrock, on this machine: IAM, STS, Organizations and their tools."""
