"""Key pairs made by ssh-keygen, and the check of a signature with OpenSSL (through Python's cryptography)."""

import base64
import shutil
import subprocess
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils

from support.agent_wire import fingerprint, take_string

KINDS = {  # the name used in tests: arguments of ssh-keygen
    "ed25519": ["-t", "ed25519"],
    "ecdsa256": ["-t", "ecdsa", "-b", "256"],
    "ecdsa384": ["-t", "ecdsa", "-b", "384"],
    "ecdsa521": ["-t", "ecdsa", "-b", "521"],
    "rsa2048": ["-t", "rsa", "-b", "2048"],
}


def keygen(*arguments):
    subprocess.run(["ssh-keygen", "-q", *map(str, arguments)], check=True, capture_output=True, timeout=60)


class KeyPair:
    """`private` is the key file; `public` is a copy of the public half in a folder without the private one, so that
    whoever uses `public` can sign only through an agent."""

    def __init__(self, folder, name, arguments=None, comment=None):
        self.name = name
        self.comment = comment or f"{name} of the tests"
        self.private = Path(folder) / name
        keygen(*(arguments or KINDS[name]), "-N", "", "-C", self.comment, "-f", self.private)
        only_public = Path(folder) / "public"
        only_public.mkdir(exist_ok=True)
        self.public = Path(shutil.copy(f"{self.private}.pub", only_public))
        self.line = self.public.read_text().strip()
        self.type = self.line.split()[0]
        self.blob = base64.b64decode(self.line.split()[1])
        self.fingerprint = fingerprint(self.blob)


def make_keys(folder):
    return {name: KeyPair(folder, name) for name in KINDS}


HASHES = {
    "ssh-rsa": hashes.SHA1(), "rsa-sha2-256": hashes.SHA256(), "rsa-sha2-512": hashes.SHA512(),
    "ecdsa-sha2-nistp256": hashes.SHA256(), "ecdsa-sha2-nistp384": hashes.SHA384(),
    "ecdsa-sha2-nistp521": hashes.SHA512(),
}


def verifies(key, signature, data):
    """True when the SSH signature (string algorithm, string blob) is one of `key` over `data`."""
    algorithm, rest = take_string(signature)
    blob, rest = take_string(rest)
    algorithm = algorithm.decode()
    public = serialization.load_ssh_public_key(key.line.encode())
    try:
        if rest:
            return False
        if isinstance(public, ed25519.Ed25519PublicKey):
            public.verify(blob, data)
        elif isinstance(public, rsa.RSAPublicKey):
            public.verify(blob, data, padding.PKCS1v15(), HASHES[algorithm])
        else:
            r, s = take_string(blob)
            s, _ = take_string(s)
            der = utils.encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))
            public.verify(der, data, ec.ECDSA(HASHES[algorithm]))
        return algorithm == key.type or isinstance(public, rsa.RSAPublicKey)
    except InvalidSignature:
        return False


def algorithm_of(signature):
    return take_string(signature)[0].decode()
