"""A typed client for Amazon Bedrock API keys."""
