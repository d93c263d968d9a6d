#!/usr/bin/env python3
"""Writes sigv4.json beside itself: requests, and the headers that botocore's own signer gives them.

Run by hand, with botocore installed, when a vector is added:  ./make_sigv4_vectors.py
"""

import datetime
import json
import pathlib

import botocore.auth
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

FORM = "application/x-www-form-urlencoded; charset=utf-8"
ASSUME = (
    "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fdev"
    "&RoleSessionName=shed-web-1700000000&DurationSeconds=3600"
)
TOKEN = "IQoJb3JpZ2luX2VjEXAMPLE//////////wEaCXVzLWVhc3QtMSJHMEUCIQD+/=="

PLAIN = {
    "key": "AKIAIOSFODNN7EXAMPLE",
    "secret": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "token": "",
    "region": "us-east-1",
    "service": "sts",
    "unix": 1700000000,
    "scheme": "https",
    "host": "sts.us-east-1.amazonaws.com",
    "path": "/",
    "content_type": FORM,
    "body": ASSUME,
    "body_repeated": 1,
}

CASES = [
    {"name": "long-lived keys"},
    {"name": "a session token", "key": "ASIAIOSFODNN7EXAMPLE", "token": TOKEN},
    {"name": "a long session token", "token": TOKEN * 30},
    {"name": "an empty body", "body": ""},
    {"name": "a body that is not ASCII", "body": "Policy=\u00e4\u00f6\u00fc \u65e5\u672c\u8a9e \U0001f511"},
    {"name": "a long body", "body": ASSUME + "&", "body_repeated": 600},
    {"name": "a body of line ends", "body": "\r\n\n\r\n"},
    {"name": "a port in the host", "scheme": "http", "host": "localhost:4566"},
    {"name": "an IPv6 literal", "scheme": "http", "host": "[::1]:5000"},
    {"name": "China", "region": "cn-north-1", "host": "sts.cn-north-1.amazonaws.com.cn"},
    {"name": "GovCloud", "region": "us-gov-west-1", "host": "sts.us-gov-west-1.amazonaws.com"},
    {"name": "the global endpoint", "host": "sts.amazonaws.com"},
    {"name": "a path", "path": "/proxy/sts"},
    {"name": "a path that ends with a slash", "path": "/proxy/sts/"},
    {"name": "a path with dots and empty segments", "path": "/a//b/./../c"},
    {"name": "a path above the root", "path": "/../../x/.."},
    {"name": "a path that is encoded already", "path": "/a%20b/~c-d_e.f/g+h=i@j:k"},
    {"name": "no content type", "content_type": ""},
    {"name": "spaces in the content type", "content_type": "text/plain;   charset=utf-8"},
    {"name": "the first second of a day", "unix": 1709164800, "token": TOKEN},
    {"name": "the first second of all", "unix": 0},
    {"name": "a secret with every sign of base64", "secret": "+/" * 20},
    {"name": "a short secret", "secret": "s"},
    {"name": "a secret longer than a block of the hash", "secret": "0123456789abcdef" * 8},
]


def headers_of(case):
    """What is to be sent, in the order in which we send it."""
    moment = datetime.datetime.fromtimestamp(case["unix"], datetime.timezone.utc)
    botocore.auth.get_current_datetime = lambda *args, **kwargs: moment
    request = AWSRequest(
        method="POST",
        url=f"{case['scheme']}://{case['host']}{case['path']}",
        data=case["body"].encode() * case["body_repeated"],
    )
    request.headers["Host"] = case["host"]
    if case["content_type"]:
        request.headers["Content-Type"] = case["content_type"]
    credentials = Credentials(case["key"], case["secret"], case["token"] or None)
    SigV4Auth(credentials, case["service"], case["region"]).add_auth(request)
    names = ["X-Amz-Date"] + (["X-Amz-Security-Token"] if case["token"] else []) + ["Authorization"]
    return "".join(f"{name.lower()}: {request.headers[name]}\r\n" for name in names)


def main():
    vectors = []
    for case in CASES:
        vector = {**PLAIN, **case}
        vectors.append({"name": vector.pop("name"), **vector, "headers": headers_of(vector)})
    path = pathlib.Path(__file__).with_name("sigv4.json")
    path.write_text(json.dumps({"vectors": vectors}, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


main()
