"""A policy document as part of a Terraform configuration or a CloudFormation template."""

from __future__ import annotations

import json

from bedrock_bearer.access.document import PolicyDocument

_NAME = "bedrock-api-keys"


def to_terraform(document: PolicyDocument, *, scp: bool = False) -> str:
    """Return a Terraform resource: an IAM policy, or with `scp` a service control policy."""
    content = document.to_json().replace("${", "$${").replace("%{", "%%{").replace("\n", "\n  ")
    if scp:
        return (
            'resource "aws_organizations_policy" "bedrock_api_keys" {\n'
            f'  name    = "{_NAME}"\n'
            '  type    = "SERVICE_CONTROL_POLICY"\n'
            f"  content = jsonencode({content})\n"
            "}"
        )
    return (
        'resource "aws_iam_policy" "bedrock_api_keys" {\n'
        f'  name   = "{_NAME}"\n'
        f"  policy = jsonencode({content})\n"
        "}"
    )


def to_cloudformation(document: PolicyDocument, *, scp: bool = False) -> str:
    """Return a CloudFormation template in JSON, with one policy."""
    if scp:
        resource = {
            "Type": "AWS::Organizations::Policy",
            "Properties": {
                "Name": _NAME,
                "Type": "SERVICE_CONTROL_POLICY",
                "Content": document.to_wire(),
            },
        }
    else:
        resource = {
            "Type": "AWS::IAM::ManagedPolicy",
            "Properties": {"PolicyDocument": document.to_wire()},
        }
    template = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Resources": {"BedrockApiKeys": resource},
    }
    return json.dumps(template, indent=2)
