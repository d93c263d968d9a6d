"""Debian's docker-registry on a free loopback port, with TLS, and an image that goes into it."""

import base64
import gzip
import hashlib
import http.client
import io
import json
import platform
import re
import shutil
import ssl
import tarfile
from pathlib import Path

import bcrypt

from support.waiting import patience

MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG_TYPE = "application/vnd.docker.container.image.v1+json"
LAYER_TYPE = "application/vnd.docker.image.rootfs.diff.tar.gzip"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


class Image:
    """One layer with one file, as the folder that skopeo calls `dir:`. The manifest is of Docker's older kind: the
    docker client of Debian 12 asks for no other."""

    def __init__(self, folder, content=b"brokered\n"):
        self.folder = Path(folder)
        self.folder.mkdir()
        layer = self._layer(content)
        config = json.dumps({
            "architecture": ARCHITECTURES.get(platform.machine(), platform.machine()), "os": "linux",
            "created": "2026-01-01T00:00:00Z", "config": {},
            "rootfs": {"type": "layers", "diff_ids": [digest(layer)]},
            "history": [{"created": "2026-01-01T00:00:00Z", "created_by": "test"}]}).encode()
        manifest = json.dumps({
            "schemaVersion": 2, "mediaType": MANIFEST_TYPE, "config": self._blob(CONFIG_TYPE, config),
            "layers": [self._blob(LAYER_TYPE, gzip.compress(layer, mtime=0))]}).encode()
        (self.folder / "manifest.json").write_bytes(manifest)
        (self.folder / "version").write_text("Directory Transport Version: 1.1\n")
        self.digest = digest(manifest)
        self.layers = [entry["digest"] for entry in json.loads(manifest)["layers"]]

    @staticmethod
    def _layer(content):
        layer = io.BytesIO()
        with tarfile.open(fileobj=layer, mode="w") as tar:
            entry = tarfile.TarInfo("file")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
        return layer.getvalue()

    def _blob(self, media_type, content):
        name = digest(content)
        (self.folder / name.partition(":")[2]).write_bytes(content)
        return {"mediaType": media_type, "size": len(content), "digest": name}

    def blobs(self):
        """Digest to content of what the manifest names."""
        manifest = json.loads((self.folder / "manifest.json").read_bytes())
        names = [entry["digest"] for entry in [manifest["config"], *manifest["layers"]]]
        return {name: (self.folder / name.partition(":")[2]).read_bytes() for name in names}


def digest(content):
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


class Login:
    def __init__(self, user, password):
        self.user = user
        self.password = password

    @property
    def auth(self):
        """As `auth` of an inline login and the Authorization header have it."""
        return base64.b64encode(f"{self.user}:{self.password}".encode()).decode()


class Registry:
    """One running registry. With `login` nobody else may read or write."""

    def __init__(self, programs, env, folder, authority, login=None):
        program = shutil.which("docker-registry", path=env["PATH"])
        assert program, "docker-registry is missing: run scripts/install-deps --test"
        self.login = login
        self._tls = ssl.create_default_context(cafile=authority.file)
        folder.mkdir()
        certificate = authority.certificate(folder.name)
        settings = {
            "version": "0.1",
            "log": {"level": "info", "formatter": "text", "accesslog": {"disabled": False}},
            "storage": {"filesystem": {"rootdirectory": str(folder / "storage")},
                        "maintenance": {"uploadpurging": {"enabled": False}}},
            "http": {"addr": "127.0.0.1:0", "secret": "of the test",
                     "tls": {"certificate": str(certificate.file), "key": str(certificate.key)}},
        }
        if login:
            hashed = bcrypt.hashpw(login.password.encode(), bcrypt.gensalt(4)).decode()
            (folder / "htpasswd").write_text(f"{login.user}:{hashed}\n")
            settings["auth"] = {"htpasswd": {"realm": "test", "path": str(folder / "htpasswd")}}
        # YAML has JSON in it.
        (folder / "config.yml").write_text(json.dumps(settings))
        self.program = programs.start([program, "serve", folder / "config.yml"], env)
        # The registry says the port that the kernel chose.
        self.port = int(self.program.wait_for_stderr(r"listening on 127\.0\.0\.1:(\d+)", 60)[1])
        self.host = f"localhost:{self.port}"

    def reference(self, repository):
        """Of an image, as skopeo wants it."""
        return f"docker://{self.host}/{repository}"

    def put(self, repository, image):
        """Stores an image as `latest`, with no client between."""
        for name, content in image.blobs().items():
            place = self._request("POST", f"/v2/{repository}/blobs/uploads/", 202).headers["Location"]
            path = re.sub("^https://[^/]+", "", place)
            self._request("PUT", f"{path}{'&' if '?' in path else '?'}digest={name}", 201, content)
        self._request("PUT", f"/v2/{repository}/manifests/latest", 201,
                      (image.folder / "manifest.json").read_bytes(), {"Content-Type": MANIFEST_TYPE})

    def digest(self, repository):
        """The digest of `latest`; None where there is none."""
        answer = self._request("GET", f"/v2/{repository}/manifests/latest", None, headers={"Accept": MANIFEST_TYPE})
        return answer.headers["Docker-Content-Digest"] if answer.status == 200 else None

    def _request(self, method, path, status, body=None, headers=None):
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=patience(20), context=self._tls)
        login = {"Authorization": f"Basic {self.login.auth}"} if self.login else {}
        try:
            connection.request(method, path, body, {**login, **(headers or {})})
            answer = connection.getresponse()
            text = answer.read()
            assert status in (None, answer.status), f"registry: {method} {path}: {answer.status} {text}"
            return answer
        finally:
            connection.close()
