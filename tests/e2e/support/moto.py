"""moto's server: an STS and an IAM that nobody here wrote, on a loopback port, with the log that it keeps itself."""

import base64
import http.client
import json
import ssl
import subprocess
import urllib.parse
import xml.etree.ElementTree as tree

from support.waiting import patience

ACCOUNT = "123456789012"


class Owner:
    """What the owner of the host has in moto: a user with an access key, and a role that it may assume."""

    def __init__(self, user, access_key_id, secret_access_key, role_arn):
        self.user = user
        self.access_key_id = access_key_id
        self.secret_access_key = secret_access_key
        self.role_arn = role_arn

    @property
    def credentials_file(self):
        return (f"[default]\naws_access_key_id = {self.access_key_id}\n"
                f"aws_secret_access_key = {self.secret_access_key}\n")


class Moto:
    """One running server. With `authority` it speaks TLS with a certificate for 127.0.0.1."""

    def __init__(self, programs, python, env, folder, authority=None):
        tls = []
        self._tls = None
        if authority:
            certificate = authority.certificate("moto")
            tls = ["--ssl-cert", certificate.file, "--ssl-key", certificate.key]
            self._tls = ssl.create_default_context(cafile=authority.file)
        folder.mkdir()
        env = {**env, "MOTO_RECORDER_FILEPATH": str(folder / "recording"), "PYTHONUNBUFFERED": "1"}
        self.program = programs.start([python, "-m", "moto.server", "--host", "127.0.0.1", "--port", "0", *tls], env)
        # Werkzeug says the port that the kernel chose.
        self.port = int(self.program.wait_for_stderr(r"Running on https?://127\.0\.0\.1:(\d+)", 90)[1])
        self.url = f"{'https' if authority else 'http'}://127.0.0.1:{self.port}"
        # Moto loads a service when it is asked for it first, and who asks an STS waits for three seconds.
        self._query("sts", "2011-06-15", "GetCallerIdentity")

    def reset(self):
        """Forgets everything, the log too, and believes every signature."""
        self.demand_signatures(False)
        for path in ("reset", "recorder/reset-recording", "recorder/start-recording"):
            self._api(path)

    def demand_signatures(self, on=True):
        """From now on moto checks signatures and policies as AWS does."""
        self._api("reset-auth", "0" if on else "inf")

    def calls(self, action):
        """The requests for an action in moto's own log, as dictionaries of their parameters."""
        parameters = []
        for line in self._api("recorder/download-recording", method="GET").splitlines():
            entry = json.loads(line)
            body = base64.b64decode(entry["body"]).decode() if entry["body_encoded"] else entry["body"]
            parameters.append(dict(urllib.parse.parse_qsl(body)))
        return [call for call in parameters if call.get("Action") == action]

    @property
    def sessions(self):
        """The names of the sessions that were asked for."""
        return [call["RoleSessionName"] for call in self.calls("AssumeRole")]

    def make_owner(self, user="owner", role="web"):
        """A user who may assume the role, which trusts this user alone."""
        self._iam("CreateUser", UserName=user)
        key = self._iam("CreateAccessKey", UserName=user)
        self._iam("PutUserPolicy", UserName=user, PolicyName="assume", PolicyDocument=policy(
            Action="sts:AssumeRole", Resource="*"))
        trust = policy(Action="sts:AssumeRole", Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:user/{user}"})
        arn = self._iam("CreateRole", RoleName=role, AssumeRolePolicyDocument=trust)["Arn"]
        return Owner(user, key["AccessKeyId"], key["SecretAccessKey"], arn)

    def make_role(self, role, principal):
        """A role that trusts a principal (an ARN)."""
        trust = policy(Action="sts:AssumeRole", Principal={"AWS": principal})
        return self._iam("CreateRole", RoleName=role, AssumeRolePolicyDocument=trust)["Arn"]

    def allow_role(self, role, action):
        """Sessions of the role may do this."""
        self._iam("PutRolePolicy", RoleName=role, PolicyName="allowed", PolicyDocument=policy(
            Action=action, Resource="*"))

    def _iam(self, action, **parameters):
        return self._query("iam", "2010-05-08", action, **parameters)

    def _query(self, service, version, action, **parameters):
        body = urllib.parse.urlencode({"Action": action, "Version": version, **parameters})
        # Moto finds the service in the scope of the signature, which it does not check here.
        authorization = (f"AWS4-HMAC-SHA256 Credential=none/20260101/us-east-1/{service}/aws4_request, "
                         "SignedHeaders=host, Signature=none")
        answer = self._request("POST", "/", body, {"Authorization": authorization,
                                                   "Content-Type": "application/x-www-form-urlencoded"})
        return {element.tag.rpartition("}")[2]: element.text for element in tree.fromstring(answer).iter()}

    def _api(self, path, body="", method="POST"):
        return self._request(method, f"/moto-api/{path}", body, {})

    def _request(self, method, path, body, headers):
        if self._tls:
            connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=patience(20), context=self._tls)
        else:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=patience(20))
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            text = answer.read().decode()
            assert answer.status == 200, f"moto: {method} {path} {body}: {answer.status} {text}"
            return text
        finally:
            connection.close()


def policy(**statement):
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]})


class Certificate:
    def __init__(self, folder, name):
        self.file = folder / f"{name}.pem"
        self.key = folder / f"{name}.key"


class Authority:
    """A certificate authority of the test, made by openssl(1)."""

    def __init__(self, folder, name="Test Authority"):
        self._folder = folder
        folder.mkdir(exist_ok=True)
        self._authority = Certificate(folder, "authority")
        self.file = self._authority.file
        self.name = name
        openssl("req", "-x509", *NEW_KEY, "-keyout", self._authority.key, "-out", self.file, "-days", "2",
                "-subj", f"/CN={name}")

    def certificate(self, name, names="IP:127.0.0.1,DNS:localhost,DNS:sts.invalid,DNS:sts.eu-west-1.amazonaws.com"):
        """A certificate for these subject alternative names."""
        made = Certificate(self._folder, name)
        openssl("req", "-x509", *NEW_KEY, "-keyout", made.key, "-out", made.file, "-days", "2",
                "-subj", f"/CN={name}", "-CA", self.file, "-CAkey", self._authority.key,
                "-addext", f"subjectAltName={names}", "-addext", "basicConstraints=critical,CA:FALSE")
        return made


NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc"]


def openssl(*arguments):
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
