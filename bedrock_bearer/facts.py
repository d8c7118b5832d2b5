"""AWS's constants, each once: actions, condition keys, service names, limits, variable names."""

from __future__ import annotations

BEARER_SERVICES = ("bedrock", "bedrock-mantle")
"""The IAM namespaces in which an API key is used, each with an action and a condition key."""
CALL_WITH_BEARER_TOKEN = "CallWithBearerToken"
USE_KEY = "bedrock:CallWithBearerToken"
USE_KEY_ON_MANTLE = "bedrock-mantle:CallWithBearerToken"
USE_ACTIONS = {"bedrock": USE_KEY, "bedrock-mantle": USE_KEY_ON_MANTLE}
TOKEN_TYPE_KEY = "bedrock:bearerTokenType"
TOKEN_TYPE_KEYS = {"bedrock": TOKEN_TYPE_KEY, "bedrock-mantle": "bedrock-mantle:bearerTokenType"}

CREATE_KEY = "iam:CreateServiceSpecificCredential"
RESET_KEY = "iam:ResetServiceSpecificCredential"
AGE_KEY = "iam:ServiceSpecificCredentialAgeDays"
SERVICE_NAME_KEY = "iam:ServiceSpecificCredentialServiceName"

BEDROCK_SERVICE = "bedrock.amazonaws.com"
"""Bedrock as IAM names it, and the host that a short-term key is signed for."""
SHORT_TERM_PREFIX = "bedrock-api-key-"
LONG_TERM_PREFIX = "ABSK"

LONGEST_AGE_DAYS = 36_600
"""The longest life of a long-term key that has an end."""
KEYS_PER_USER = 2
LONGEST_SHORT_TERM_SECONDS = 12 * 3600

LIMITED_ACCESS_ARN = "arn:aws:iam::aws:policy/AmazonBedrockLimitedAccess"
"""The managed policy that the AWS console attaches to the IAM users it makes for keys."""
CONSOLE_USER_PREFIX = "BedrockAPIKey-"
"""The AWS console makes an IAM user with such a name for each key."""
IAM_REGIONS = {"aws": "us-east-1", "aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"}
"""IAM is a global service: all its requests are made to one Region of the partition."""
STATUS_OF_CODE = {
    "AccessDeniedException": 403,
    "ConflictException": 400,
    "ExpiredTokenException": 403,
    "InternalServerException": 500,
    "ModelErrorException": 424,
    "ModelNotReadyException": 429,
    "ModelStreamErrorException": 424,
    "ModelTimeoutException": 408,
    "ResourceNotFoundException": 404,
    "ServiceQuotaExceededException": 400,
    "ServiceUnavailableException": 503,
    "ThrottlingException": 429,
    "UnrecognizedClientException": 403,
    "ValidationException": 400,
}
"""https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html"""
DEFAULT_PORTS = {"http": 80, "https": 443}

KEY_VARIABLE = "AWS_BEARER_TOKEN_BEDROCK"
KEY_FILE_VARIABLE = "AWS_BEARER_TOKEN_BEDROCK_FILE"
FALLBACK_VARIABLE = "AWS_BEARER_TOKEN_BEDROCK_FALLBACK"
REGION_VARIABLES = ("AWS_REGION", "AWS_DEFAULT_REGION")
