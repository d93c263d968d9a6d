#!/usr/bin/env python3
"""Writes vectors.json: signatures by every type of key and certificate, each accepted by the real ssh-keygen.

ssh-keygen makes all but those by security keys, which are put together here: an ordinary signature over
SHA-256 of the application, flags, counter and SHA-256 of the data (OpenSSH's PROTOCOL.u2f).
"""
import base64
import hashlib
import json
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils

MESSAGE = b"a message\n"
NAMESPACE = "git"
APPLICATION = b"ssh:"
VALIDITY = ["-n", "alice,bob", "-V", "20200101000000Z:20300101000000Z"]
KEYS = {
    "ed25519": ["-t", "ed25519"],
    "ecdsa256": ["-t", "ecdsa", "-b", "256"],
    "ecdsa384": ["-t", "ecdsa", "-b", "384"],
    "ecdsa521": ["-t", "ecdsa", "-b", "521"],
    "rsa": ["-t", "rsa", "-b", "2048"],
    "rsa1024": ["-t", "rsa", "-b", "1024"],
}
# Certificates of one key that ssh-keygen does not accept for everything.
ODD_CERTIFICATES = {
    "host": ["-h", *VALIDITY],
    "no-principals": ["-V", "20200101000000Z:20300101000000Z"],
    "expired": ["-n", "alice", "-V", "20200101000000Z:20210101000000Z"],
    "force-command": ["-O", "force-command=ls", *VALIDITY],
}


def string(data):
    return struct.pack(">I", len(data)) + data


def mpint(number):
    return string(number.to_bytes(number.bit_length() // 8 + 1, "big"))


class SecurityKey:
    def __init__(self, kind, flags, counter):
        self.rest = struct.pack(">BI", flags, counter)
        if kind == "sk-ed25519":
            self.type = b"sk-ssh-ed25519@openssh.com"
            self.key = ed25519.Ed25519PrivateKey.generate()
            point = self.key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
            fields = string(point)
        else:
            self.type = b"sk-ecdsa-sha2-nistp256@openssh.com"
            self.key = ec.generate_private_key(ec.SECP256R1())
            point = self.key.public_key().public_bytes(
                serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
            fields = string(b"nistp256") + string(point)
        self.blob = string(self.type) + fields + string(APPLICATION)

    def line(self):
        return f"{self.type.decode()} {base64.b64encode(self.blob).decode()}"

    def sign(self, data):
        signed = hashlib.sha256(APPLICATION).digest() + self.rest + hashlib.sha256(data).digest()
        if isinstance(self.key, ed25519.Ed25519PrivateKey):
            raw = self.key.sign(signed)
        else:
            r, s = utils.decode_dss_signature(self.key.sign(signed, ec.ECDSA(hashes.SHA256())))
            raw = mpint(r) + mpint(s)
        return string(self.type) + string(raw) + self.rest

    def armor(self, public_blob):
        digest = hashlib.sha512(MESSAGE).digest()
        common = string(NAMESPACE.encode()) + string(b"") + string(b"sha512")
        signature = self.sign(b"SSHSIG" + common + string(digest))
        blob = b"SSHSIG" + struct.pack(">I", 1) + string(public_blob) + common + string(signature)
        text = base64.b64encode(blob).decode()
        lines = [text[at:at + 70] for at in range(0, len(text), 70)]
        return "\n".join(["-----BEGIN SSH SIGNATURE-----", *lines, "-----END SSH SIGNATURE-----", ""])


class Generator:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.vectors = []
        self.authority = self.make_key("authority", ["-t", "ed25519"])
        (self.folder / "message").write_bytes(MESSAGE)

    def run(self, *command, **options):
        return subprocess.run(["ssh-keygen", *command], cwd=self.folder, check=True, capture_output=True, **options)

    def make_key(self, name, options):
        self.run("-q", "-N", "", "-C", name, *options, "-f", name)
        return self.line(f"{name}.pub")

    def line(self, name):
        return " ".join((self.folder / name).read_text().split()[:2])

    def certify(self, name, options):
        self.run("-q", "-s", "authority", "-I", name, *options, f"{name}.pub")
        return self.line(f"{name}-cert.pub")

    def sign(self, key_file, *options):
        self.run("-Y", "sign", "-n", NAMESPACE, "-f", key_file, *options, "message")
        signature = self.folder / "message.sig"
        text = signature.read_text()
        signature.unlink()
        return text

    def add(self, name, key, armor, hash_name="sha512"):
        (self.folder / "signature").write_text(armor)
        self.run("-Y", "check-novalidate", "-n", NAMESPACE, "-s", "signature", input=MESSAGE)
        self.vectors.append({"name": name, "key": key, "hash": hash_name, "armor": armor})

    def key_vectors(self):
        for name, options in KEYS.items():
            key = self.make_key(name, options)
            self.add(name, key, self.sign(name))
            self.add(f"{name}-sha256", key, self.sign(name, "-Ohashalg=sha256"), "sha256")
            certificate = self.certify(name, VALIDITY)
            self.add(f"{name}-cert", certificate, self.sign(f"{name}-cert.pub"))

    def odd_vectors(self):
        for name, options in ODD_CERTIFICATES.items():
            shutil.copy(self.folder / "ed25519", self.folder / name)
            shutil.copy(self.folder / "ed25519.pub", self.folder / f"{name}.pub")
            certificate = self.certify(name, options)
            self.add(name, certificate, self.sign(f"{name}-cert.pub"))

    def security_key_vectors(self):
        # One touched, one not, with a counter of four bytes.
        for kind, flags, counter in (("sk-ed25519", 1, 7), ("sk-ecdsa", 0, 0x01020304)):
            key = SecurityKey(kind, flags, counter)
            (self.folder / f"{kind}.pub").write_text(key.line() + "\n")
            self.add(kind, key.line(), key.armor(key.blob))
            certificate = self.certify(kind, VALIDITY)
            blob = base64.b64decode(certificate.split()[1])
            self.add(f"{kind}-cert", certificate, key.armor(blob))


def main():
    with tempfile.TemporaryDirectory() as folder:
        generator = Generator(folder)
        generator.key_vectors()
        generator.odd_vectors()
        generator.security_key_vectors()
        document = {
            "message": MESSAGE.decode(),
            "namespace": NAMESPACE,
            "authority": generator.authority,
            "vectors": generator.vectors,
        }
    target = pathlib.Path(__file__).with_name("vectors.json")
    target.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
