"""A security key in software: what a FIDO authenticator would sign, with a touch."""

import base64
import hashlib
import struct

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils

from support.agent_wire import string

APPLICATION = b"ssh:"
TOUCHED = 1


def mpint(number):
    return string(number.to_bytes(number.bit_length() // 8 + 1, "big"))


class SecurityKey:
    """`kind` is sk-ed25519 or sk-ecdsa; every signature counts one up, as an authenticator's does."""

    def __init__(self, kind, counter=7):
        self.counter = counter
        if kind == "sk-ed25519":
            self.type = "sk-ssh-ed25519@openssh.com"
            self._key = ed25519.Ed25519PrivateKey.generate()
            fields = string(self._key.public_key().public_bytes(serialization.Encoding.Raw,
                                                                serialization.PublicFormat.Raw))
        else:
            self.type = "sk-ecdsa-sha2-nistp256@openssh.com"
            self._key = ec.generate_private_key(ec.SECP256R1())
            fields = string("nistp256") + string(self._key.public_key().public_bytes(
                serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint))
        self.blob = string(self.type) + fields + string(APPLICATION)
        self.line = f"{self.type} {base64.b64encode(self.blob).decode()}"

    def sign(self, data):
        """The signature as an agent answers it: type, signature, flags and counter."""
        self.counter += 1
        rest = struct.pack(">BI", TOUCHED, self.counter)
        signed = hashlib.sha256(APPLICATION).digest() + rest + hashlib.sha256(data).digest()
        if isinstance(self._key, ed25519.Ed25519PrivateKey):
            raw = self._key.sign(signed)
        else:
            r, s = utils.decode_dss_signature(self._key.sign(signed, ec.ECDSA(hashes.SHA256())))
            raw = mpint(r) + mpint(s)
        return string(self.type) + string(raw) + rest
