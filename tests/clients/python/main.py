"""Prints the ARN of the credentials that the SDK's default chain finds."""

import sys

import boto3
import botocore.exceptions


def main():
    try:
        print(boto3.client("sts").get_caller_identity()["Arn"])
    except botocore.exceptions.BotoCoreError as error:
        return f"{type(error).__name__}: {error}"
    except botocore.exceptions.ClientError as error:
        return str(error)
    return 0


if __name__ == "__main__":
    sys.exit(main())
