"""An STS that answers what a test wants, for all that moto never says. Every request's signature is compared with the
one that botocore computes for the same input."""

import base64
import json
import re
import subprocess
import threading
import urllib.parse
import uuid
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from xml.sax.saxutils import escape

from support.foreign_guest_bus import LoopbackServer

ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/web"
NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"


class Key:
    """The owner's own credentials."""

    def __init__(self, access_key_id, secret_access_key, session_token=None):
        self.access_key_id = access_key_id
        self.secret_access_key = secret_access_key
        self.session_token = session_token

    def lines(self):
        """As they are written in a section of ~/.aws/credentials."""
        lines = [f"aws_access_key_id = {self.access_key_id}", f"aws_secret_access_key = {self.secret_access_key}"]
        if self.session_token:
            lines.append(f"aws_session_token = {self.session_token}")
        return "\n".join(lines) + "\n"

    @property
    def process_document(self):
        """As a credential_process prints them."""
        document = {"Version": 1, "AccessKeyId": self.access_key_id, "SecretAccessKey": self.secret_access_key}
        if self.session_token:
            document["SessionToken"] = self.session_token
        return json.dumps(document)


OWNER = Key("AKIAOWNEROWNEROWNER1", "owner/secret+key/with=every+kind/of=char1")
OWNER_SESSION = Key("ASIAOWNEROWNEROWNER2", "owner/session+secret/key0123456789abcdef", "owner+session/token==" * 20)
# What the guest is given.
GUEST = Key("ASIAGUESTGUESTGUEST1", "guest/secret+key/0123456789abcdefABCDEF1", "guest+session/token==" * 30)
OWNERS_SECRETS = [OWNER.secret_access_key, OWNER_SESSION.secret_access_key, OWNER_SESSION.session_token]
SECRETS = [*OWNERS_SECRETS, GUEST.secret_access_key, GUEST.session_token]


class Answer:
    """`release` (an Event) is waited for before it is sent."""

    def __init__(self, body, status=200, headers=(), release=None):
        self.body = body if isinstance(body, bytes) else body.encode()
        self.status = status
        self.headers = dict(headers)
        self.release = release


def timestamp(when):
    return when.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def in_(**delta):
    return datetime.now(timezone.utc) + timedelta(**delta)


def success(parameters, expiration=None, key=GUEST):
    """What STS answers. `expiration` is a time, by default the one that was asked for."""
    expiration = expiration or in_(seconds=int(parameters["DurationSeconds"]))
    name = parameters["RoleSessionName"]
    arn = parameters["RoleArn"].replace(":iam:", ":sts:").replace(":role/", ":assumed-role/") + f"/{name}"
    return Answer(f"""<AssumeRoleResponse xmlns="{NAMESPACE}"><AssumeRoleResult>
  <AssumedRoleUser><AssumedRoleId>AROAEXAMPLE:{escape(name)}</AssumedRoleId><Arn>{escape(arn)}</Arn></AssumedRoleUser>
  <Credentials>
    <AccessKeyId>{key.access_key_id}</AccessKeyId><SecretAccessKey>{escape(key.secret_access_key)}</SecretAccessKey>
    <SessionToken>{escape(key.session_token)}</SessionToken><Expiration>{timestamp(expiration)}</Expiration>
  </Credentials><PackedPolicySize>6</PackedPolicySize>
</AssumeRoleResult><ResponseMetadata><RequestId>{uuid.uuid4()}</RequestId></ResponseMetadata></AssumeRoleResponse>""")


def error(status, code, message, request_id="c6104cbe-af31-11e0-8154-cbc7ccf896c7", **more):
    return Answer(f"""<ErrorResponse xmlns="{NAMESPACE}"><Error><Type>Sender</Type><Code>{escape(code)}</Code>
<Message>{escape(message)}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>""", status, **more)


def date_header(**delta):
    return {"Date": format_datetime(in_(**delta), usegmt=True)}


class BotocoreSigner:
    """botocore's own signer, in a process of its own: the tests' Python has no botocore."""

    def __init__(self, python):
        program = Path(__file__).with_name("botocore_signer.py")
        self._process = subprocess.Popen([python, program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._lock = threading.Lock()
        # To load botocore takes seconds on a busy machine, and who asks an STS waits for three.
        self.headers(url="http://127.0.0.1/", content_type="text/plain", body="", time="20260101T000000Z",
                     region="us-east-1", service="sts", access_key_id="x", secret_access_key="x", session_token=None)

    def headers(self, **wanted):
        """The headers that botocore sends for it."""
        with self._lock:
            self._process.stdin.write(json.dumps(wanted) + "\n")
            self._process.stdin.flush()
            return json.loads(self._process.stdout.readline())

    def close(self):
        self._process.stdin.close()
        self._process.wait(20)
        self._process.stdout.close()


class StsFake:
    """`answer` is a function of the request's parameters. Answers of 200 are `success` by default."""

    def __init__(self, signer, keys=(OWNER, OWNER_SESSION)):
        self.answer = success
        self.requests = []      # the parameters of each, as a dictionary
        self.raw = []           # (headers, body)
        self.bad_signatures = []
        self.arrived = threading.Semaphore(0)
        self._signer = signer
        self._keys = {key.access_key_id: key for key in keys}
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                parameters = dict(urllib.parse.parse_qsl(body.decode(), keep_blank_values=True))
                fake.check_signature(self.path, self.headers, body)
                fake.raw.append((self.headers, body))
                fake.requests.append(parameters)
                fake.arrived.release()
                answer = fake.answer(parameters)
                if answer.release is not None:
                    answer.release.wait(60)
                self.send_response_only(answer.status)
                headers = {"Content-Type": "text/xml", "Date": self.date_time_string(),
                           "Content-Length": str(len(answer.body)), **answer.headers}
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer.body)

            def log_message(self, *_):
                """Silent: the test looks at `requests`."""

        self._server = LoopbackServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def check_signature(self, path, headers, body):
        authorization = headers.get("Authorization", "")
        scope = re.match(r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request", authorization)
        key = scope and self._keys.get(scope[1])
        if not key:
            self.bad_signatures.append(f"a key that nobody has: {authorization}")
            return
        ours = {name: headers.get(name) for name in ("Authorization", "X-Amz-Date", "X-Amz-Security-Token")}
        signed = self._signer.headers(
            url=f"http://{headers['Host']}{path}", content_type=headers["Content-Type"],
            body=base64.b64encode(body).decode(), time=headers["X-Amz-Date"], region=scope[3], service=scope[4],
            access_key_id=key.access_key_id, secret_access_key=key.secret_access_key, session_token=key.session_token)
        if ours != {name: signed.get(name) for name in ours}:
            self.bad_signatures.append(f"ours {ours}, botocore's {signed}")

    def close(self):
        self._server.shutdown()
        self._server.server_close()
