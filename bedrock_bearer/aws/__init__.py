"""AWS's control plane, called with boto3 and AWS credentials. Needs the extra `[aws]`."""
