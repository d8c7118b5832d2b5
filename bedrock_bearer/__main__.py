"""`python -m bedrock_bearer`."""

from bedrock_bearer.cli import main

main()
