"""The bytes of which none may ever be in a guest: of private keys, and of secrets that are text; and the search."""

import base64

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

# How a number lies in memory depends on who computes with it.
BYTE_ORDERS = ("big", "little")
PAGE = 4096
EMPTY = bytes(PAGE)


def is_public(line, key):
    """True for base64 of which a half is of the public key, which guests are given."""
    public = [base64.b64encode(bytes(offset) + key.blob).decode() for offset in range(3)]
    return any(half in text for half in (line[:len(line) // 2], line[len(line) // 2:]) for text in public)


def private_numbers(key):
    """(name, number, its bytes) of each number of a private key that suffices to sign or to break it."""
    private = serialization.load_ssh_private_key(key.private.read_bytes(), password=None)
    numbers = private.private_numbers()
    if isinstance(private, ec.EllipticCurvePrivateKey):
        return [("scalar", numbers.private_value, (private.key_size + 7) // 8)]
    half = private.key_size // 16
    return [("p", numbers.p, half), ("q", numbers.q, half), ("d", numbers.d, 2 * half),
            ("dmp1", numbers.dmp1, half), ("dmq1", numbers.dmq1, half), ("iqmp", numbers.iqmp, half)]


def secret_bytes_of_key(key):
    """{what it is: bytes}, for the raw key and for its file."""
    private = serialization.load_ssh_private_key(key.private.read_bytes(), password=None)
    if isinstance(private, ed25519.Ed25519PrivateKey):
        seed = private.private_bytes(serialization.Encoding.Raw, serialization.PrivateFormat.Raw,
                                     serialization.NoEncryption())
        found = {f"{key.name}: seed": seed}
    else:
        found = {f"{key.name}: {name}, {order} endian": number.to_bytes(length, order)
                 for name, number, length in private_numbers(key) for order in BYTE_ORDERS}
    for line in key.private.read_text().splitlines():
        # The file has the public half, too. The last line may be too short to be told from chance.
        if not line.startswith("-----") and len(line) >= 24 and not is_public(line, key):
            found[f"{key.name}: '{line[:8]}...' of the key file"] = line.encode()
    return found


def spellings(name, secret):
    """{what it is: bytes} for a secret text as it is, in base64 at every offset, and in hexadecimal."""
    data = secret.encode()
    found = {name: data, f"{name}, hexadecimal": data.hex().encode()}
    for offset in range(3):
        # What is before and after decides over the first and the last characters.
        text = base64.b64encode(bytes(offset) + data).decode().rstrip("=")
        found[f"{name}, base64 at {offset}"] = text[(offset * 8 + 5) // 6:-1].encode()
    return found


def halves(wanted):
    """Both halves of each: what lies across the end of a page need not go on in the next one."""
    found = {}
    for name, data in wanted.items():
        middle = len(data) // 2
        assert middle >= 12, f"{name}: {len(data)} bytes may be found by chance"
        found[f"{name} (first half)"] = data[:middle]
        found[f"{name} (second half)"] = data[middle:]
    return found


def without_empty_pages(memory):
    """Most of a machine's memory was never written to, and takes long to search."""
    pages = (memory[start:start + PAGE] for start in range(0, len(memory), PAGE))
    return b"".join(page for page in pages if page != EMPTY)


def which_are_in(memory, wanted):
    """The names of those whose bytes are there."""
    return [name for name, data in wanted.items() if data in memory]
