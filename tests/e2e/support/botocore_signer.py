"""Run by the venv's Python: signs with botocore what is asked for on stdin, one JSON object a line."""

import base64
import datetime
import json
import sys

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials


def sign(wanted):
    now = datetime.datetime.strptime(wanted["time"], "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)
    botocore.auth.get_current_datetime = lambda *_, **__: now
    request = AWSRequest("POST", wanted["url"], {"Content-Type": wanted["content_type"]},
                         base64.b64decode(wanted["body"]))
    credentials = Credentials(wanted["access_key_id"], wanted["secret_access_key"], wanted["session_token"])
    botocore.auth.SigV4Auth(credentials, wanted["service"], wanted["region"]).add_auth(request)
    return dict(request.headers.items())


for line in sys.stdin:
    print(json.dumps(sign(json.loads(line))), flush=True)
