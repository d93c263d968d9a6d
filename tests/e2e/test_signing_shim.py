"""`ssh-agent-proxy-sign`: what it signs, byte for byte, and that it leaves nothing behind where it cannot."""

import os
import stat
import subprocess

import pytest

from support.keys import KeyPair
from support.signing import SHIM, Answer, PlayedProxy
from support.waiting import Stopwatch

MESSAGE = b"tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n\nmessage\n"
ANSWER_BOUND = 128 * 1024
LARGEST_MESSAGE = 16 * 1024 * 1024


class Shim:
    """Runs the shim in a folder of its own, in which `message` lies."""

    def __init__(self, binary, programs, place):
        self.folder = place.work
        self.message = self.folder / "message"
        self.message.write_bytes(MESSAGE)
        self.link = place.root / SHIM
        self.link.symlink_to(binary)
        self.env = place.env()
        self._programs = programs

    @property
    def signature(self):
        return self.folder / "message.sig"

    def run(self, *arguments, message=None, **env):
        """`message` comes on standard input."""
        more = {}
        if message is not None:
            (self.folder.parent / "stdin").write_bytes(message)
            more["stdin"] = open(self.folder.parent / "stdin", "rb")  # pylint: disable=consider-using-with
        try:
            return self._programs.run([self.link, *arguments], {**self.env, **{k: str(v) for k, v in env.items()}},
                                      cwd=self.folder, **more)
        finally:
            if more:
                more["stdin"].close()

    def sign(self, key, *files, **env):
        return self.run("-Y", "sign", "-n", "git", "-f", key, *(files or ["message"]), **env)

    def leftovers(self):
        """What lies in the folder beside the message."""
        return sorted(path.name for path in self.folder.iterdir() if path.name != "message")


@pytest.fixture
def shim(binary, programs, place):
    return Shim(binary, programs, place)


@pytest.fixture(params=["tcp", "unix"])
def proxy(request, closing, keys, place, shim):
    """The existing program as a container sees it, with one key."""
    proxy = closing(PlayedProxy(keys["ed25519"].private, place.root / "proxy.sock" if request.param == "unix" else None))
    shim.env["SSH_AGENT_PROXY_URL"] = proxy.url
    return proxy


@pytest.fixture
def tcp_proxy(closing, keys, shim):
    proxy = closing(PlayedProxy(keys["ed25519"].private))
    shim.env["SSH_AGENT_PROXY_URL"] = proxy.url
    return proxy


def keygen_signature(key, message, name_space="git"):
    return subprocess.run(["ssh-keygen", "-q", "-Y", "sign", "-n", name_space, "-f", str(key.private)], input=message,
                          capture_output=True, check=True, timeout=30).stdout.decode()


def assert_fails(done, *words):
    """One line, and nothing that git takes for another program's help."""
    assert done.status == 1
    assert done.stdout == ""
    assert done.stderr.startswith(f"{SHIM}: ") and done.stderr.count("\n") == 1, done.stderr
    assert "usage:" not in done.stderr
    for word in words:
        assert word in done.stderr


def assert_signed(done):
    assert (done.status, done.stdout, done.stderr) == (0, "", "")


# What it signs


@pytest.mark.parametrize("form", [
    "-Y sign -n git -f KEY message", "-Ysign -ngit -fKEY message", "-Y sign -n git -f KEY -U message",
    "-Y sign -n git -f KEY -q -v message", "-Y sign -O x -n git -Oy -f KEY message", "-Y sign -n git -f KEY -- message",
    "-qvUYsign -ngit -f KEY ./message", "-f KEY -n git -O hashalg=sha512 -Y sign message", "-n x -n git -f KEY -Y sign message",
])
def test_every_form_of_the_command_line_signs_as_ssh_keygen_does(shim, proxy, keys, form):
    key = keys["ed25519"]
    assert_signed(shim.run(*form.replace("KEY", str(key.public)).split()))
    assert shim.signature.read_text() == keygen_signature(key, MESSAGE)
    assert shim.leftovers() == ["message.sig"]


@pytest.mark.parametrize("operands", [[], ["-"], ["--"], ["--", "-"]], ids=str)
def test_without_a_file_standard_input_is_signed_to_standard_output(shim, proxy, keys, operands):
    done = shim.run("-Y", "sign", "-n", "git", "-f", keys["ed25519"].public, *operands, message=MESSAGE)
    assert (done.status, done.stderr) == (0, "")
    assert done.stdout == keygen_signature(keys["ed25519"], MESSAGE)
    assert shim.leftovers() == []


def test_several_files_are_all_signed(shim, proxy, keys):
    for name in ("one", "two", "-three"):
        (shim.folder / name).write_text(name)
    assert_signed(shim.sign(keys["ed25519"].public, "--", "one", "two", "-three"))
    for name in ("one", "two", "-three"):
        assert (shim.folder / f"{name}.sig").read_text() == keygen_signature(keys["ed25519"], name.encode())


@pytest.mark.parametrize("kind", ["rsa2048", "ecdsa256", "ecdsa384", "ecdsa521"])
def test_signatures_of_every_key_type_are_taken(shim, tcp_proxy, keys, kind):
    tcp_proxy.key = keys[kind].private
    assert_signed(shim.sign(keys[kind].public))
    checked = subprocess.run(["ssh-keygen", "-Y", "check-novalidate", "-n", "git", "-s", shim.signature], input=MESSAGE,
                             capture_output=True, timeout=30, check=False)
    assert checked.returncode == 0, checked.stderr


def test_an_rsa_signature_is_the_one_of_ssh_keygen_to_the_byte(shim, tcp_proxy, keys):
    tcp_proxy.key = keys["rsa2048"].private
    assert_signed(shim.sign(keys["rsa2048"].public))
    assert shim.signature.read_text() == keygen_signature(keys["rsa2048"], MESSAGE)


def test_sixteen_mebibytes_are_signed(shim, proxy, keys):
    shim.message.write_bytes(b"m" * LARGEST_MESSAGE)
    assert_signed(shim.sign(keys["ed25519"].public))


def test_a_signature_has_the_mode_that_ssh_keygen_gives_it(shim, tcp_proxy, keys):
    for mask, mode in ((0o022, 0o644), (0o077, 0o600)):
        before = os.umask(mask)
        try:
            assert_signed(shim.sign(keys["ed25519"].public))
        finally:
            os.umask(before)
        assert stat.S_IMODE(shim.signature.stat().st_mode) == mode


def test_an_older_signature_is_replaced_without_a_question(shim, tcp_proxy, keys):
    shim.signature.write_text("older")
    assert_signed(shim.sign(keys["ed25519"].public))
    assert shim.signature.read_text() == keygen_signature(keys["ed25519"], MESSAGE)


def test_another_namespace_is_asked_for_and_checked(shim, tcp_proxy, keys):
    tcp_proxy.sign = lambda handler: tcp_proxy.sign_with_key(handler, "a b/ü")
    done = shim.run("-Y", "sign", "-n", "a b/ü", "-f", keys["ed25519"].public, "message")
    assert_signed(done)
    assert tcp_proxy.requests[0][1] == "/sign?namespace=a%20b%2F%C3%BC"
    assert shim.signature.read_text() == keygen_signature(keys["ed25519"], MESSAGE, "a b/ü")


# Which key


def test_a_missing_key_file_is_fetched_once_and_kept(shim, proxy, keys):
    key = shim.folder.parent / "home/.cache/ssh-agent-proxy-sign/signing.pub"
    assert_signed(shim.sign(key))
    assert key.read_text() == " ".join(keys["ed25519"].line.split()[:2]) + "\n"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE(key.parent.stat().st_mode) == 0o700
    assert_signed(shim.sign(key))
    assert [request[1].split("?")[0] for request in proxy.requests] == ["/publickey", "/sign", "/sign"]


def test_the_file_of_a_literal_key_without_an_end_of_line_counts(shim, tcp_proxy, keys):
    (shim.folder / ".git_signing_key_tmpX").write_text(keys["ed25519"].line)
    assert_signed(shim.run("-Y", "sign", "-n", "git", "-f", ".git_signing_key_tmpX", "-U", "message"))


@pytest.mark.parametrize("user", [[], ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]], ids=["", "another user"])
def test_a_key_may_come_from_a_pipe(shim, tcp_proxy, keys, programs, user):
    """Also for who may not look into the folder of descriptors of a process that nobody may trace."""
    if user and os.geteuid() != 0:
        user = []  # is another user already
    for folder in (shim.folder.parent, shim.folder):
        folder.chmod(0o777)
    script = f'"$1" -Y sign -n git -f <(echo "{keys["ed25519"].line}") message'
    assert_signed(programs.run([*user, "bash", "-c", script, "bash", shim.link], shim.env, cwd=shim.folder))
    assert shim.signature.read_text() == keygen_signature(keys["ed25519"], MESSAGE)


def test_beside_a_private_key_the_public_one_counts(shim, tcp_proxy, keys):
    assert_signed(shim.sign(keys["ed25519"].private))
    assert_fails(shim.sign(keys["rsa2048"].private), "the proxy signs with", keys["rsa2048"].fingerprint)


def test_a_rotated_key_is_noticed_and_said_with_the_remedy(shim, proxy, keys):
    key = shim.folder / "signing.pub"
    assert_signed(shim.sign(key))
    shim.signature.unlink()
    proxy.key = keys["ecdsa256"].private
    assert_fails(shim.sign(key), f"the proxy signs with {keys['ecdsa256'].fingerprint}",
                 f"signing.pub has {keys['ed25519'].fingerprint}", "remove that file and it is fetched again")
    assert shim.leftovers() == ["signing.pub"]
    key.unlink()
    assert_signed(shim.sign(key))


def test_a_rotated_key_that_stands_in_the_configuration_of_git_is_to_be_replaced_there(shim, tcp_proxy, keys):
    (shim.folder / ".git_signing_key_tmpX").write_text(keys["ecdsa256"].line)
    assert_fails(shim.sign(".git_signing_key_tmpX"), "replace it in git's user.signingkey")


@pytest.mark.parametrize("text, word", [
    ("", "no public key"), ("# nothing\n", "no public key"), ("ssh-ed25519 AAAA\n", "line 1"), ("nonsense\n", "line 1"),
    ("ssh-dss AAAAB3NzaC1kc3M=\n", "line 1"), ("\0" * 100, "no public key"), ("-----BEGIN OPENSSH PRIVATE KEY-----\n", "a private key"),
], ids=repr)
def test_a_key_file_without_a_usable_key_is_an_error(shim, tcp_proxy, text, word):
    (shim.folder / "key.pub").write_text(text)
    assert_fails(shim.sign("key.pub"), "key.pub: ", word)
    assert tcp_proxy.requests == []


def test_a_key_that_cannot_be_kept_is_an_error(shim, tcp_proxy):
    (shim.folder / "file").write_text("")
    assert_fails(shim.sign("file/signing.pub"), "file/signing.pub")
    assert shim.leftovers() == ["file"]


# What the proxy does wrong


def sign_something_else(proxy, _keys):
    def sign(handler):
        handler.message += b"!"
        return proxy.sign_with_key(handler)
    return sign


def with_body(body, status=200):
    return lambda _proxy, _keys: lambda _handler: Answer(status, body)


def close_in_the_middle(_proxy, _keys):
    def sign(handler):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 300\r\n\r\n-----BEGIN SSH SIGNATURE-----\n")
        return None
    return sign


def is_no_http(_proxy, _keys):
    def sign(handler):
        handler.wfile.write(b"SSH-2.0-OpenSSH_9.2\r\n")
        return None
    return sign


def endless_header(_proxy, _keys):
    def sign(handler):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 10000)
        return None
    return sign


FAULTS = {
    "no agent": (with_body("signer unavailable\n", 503), ["503 signer unavailable", "agent"]),
    "refused by the agent": (with_body("sign failed\n", 500), ["500 sign failed"]),
    "refused by policy": (with_body("denied: ssh.approval is deny-all\n", 403), ["403 denied: ssh.approval is deny-all"]),
    "no token": (with_body("missing bearer token\n", 401), ["401 missing bearer token", "SSH_AGENT_PROXY_TOKEN"]),
    "too large for it": (with_body("", 413), ["413"]),
    "another service": (with_body("<html>\nnot found", 404), ["404", "SSH_AGENT_PROXY_URL"]),
    "a redirection": (with_body("", 302), ["302"]),
    "an answer that is empty": (with_body(""), ["no signature", "missing header"]),
    "an answer that is something else": (with_body("x" * 4000), ["no signature"]),
    "an answer that is cut": (with_body("-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\n"), ["no signature", "missing footer"]),
    "an answer that is too long": (with_body("-" * (ANSWER_BOUND + 1)), [f"longer than {ANSWER_BOUND}"]),
    "a usage: text": (with_body("usage: \x1b[31mssh-keygen\n", 500), ["500 usage"]),
    "another message": (sign_something_else, ["Signature verification failed"]),
    "closed in the middle": (close_in_the_middle, []),
    "closed at once": (lambda _proxy, _keys: lambda _handler: None, []),
    "no HTTP": (is_no_http, []),
    "a header without end": (endless_header, []),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_the_proxy_is_one_line_and_leaves_no_signature(shim, tcp_proxy, keys, fault):
    make, words = FAULTS[fault]
    tcp_proxy.sign = make(tcp_proxy, keys)
    done = shim.sign(keys["ed25519"].public)
    assert_fails(done, *words)
    assert "\x1b" not in done.stderr
    assert shim.leftovers() == []


def test_a_signature_for_another_namespace_is_refused(shim, tcp_proxy, keys):
    assert_fails(shim.run("-Y", "sign", "-n", "file", "-f", keys["ed25519"].public, "message"),
                 "has signed for namespace 'git', not for 'file'", "SSH_AGENT_PROXY_NAMESPACE")
    assert shim.leftovers() == []


@pytest.mark.parametrize("url, words", [
    ("http://127.0.0.1:1/sign", ["127.0.0.1:1", "connection refused", "is ssh-agent-proxy running there?"]),
    ("http+unix:///nonexistent/proxy.sock:/sign", ["/nonexistent/proxy.sock", "is ssh-agent-proxy running there?"]),
    ("http://no-such-host.invalid/sign", ["no-such-host.invalid"]),
    ("ftp://127.0.0.1/sign", ["SSH_AGENT_PROXY_URL", "not a URL"]),
    ("127.0.0.1:7221", ["SSH_AGENT_PROXY_URL", "not a URL"]),
    ("http://127.0.0.1:99999/sign", ["SSH_AGENT_PROXY_URL"]),
    ("http://127.0.0.1:1/sign\r\nx: y", ["SSH_AGENT_PROXY_URL"]),
])
def test_a_proxy_that_is_not_there_is_one_line_and_leaves_no_signature(shim, keys, url, words):
    watch = Stopwatch()
    assert_fails(shim.sign(keys["ed25519"].public, SSH_AGENT_PROXY_URL=url), *words)
    assert watch.seconds < 15
    assert shim.leftovers() == []


def test_a_failure_leaves_an_older_signature_as_it_was(shim, tcp_proxy, keys):
    shim.signature.write_text("older")
    tcp_proxy.sign = lambda _: Answer(503, "signer unavailable\n")
    assert_fails(shim.sign(keys["ed25519"].public))
    assert shim.signature.read_text() == "older"


@pytest.mark.parametrize("last", ["missing", "empty", "huge", "folder"])
def test_one_file_that_cannot_be_signed_leaves_no_signature_of_the_others(shim, tcp_proxy, keys, last):
    (shim.folder / "empty").write_bytes(b"")
    (shim.folder / "huge").write_bytes(b"h" * (LARGEST_MESSAGE + 1))
    (shim.folder / "folder").mkdir()
    before = shim.leftovers()
    assert_fails(shim.sign(keys["ed25519"].public, "message", last), f"{last}: ")
    assert shim.leftovers() == before


def test_a_signature_that_cannot_be_written_leaves_none_of_the_others(shim, tcp_proxy, keys):
    (shim.folder / "other").write_text("other")
    (shim.folder / "other.sig").mkdir()
    assert_fails(shim.sign(keys["ed25519"].public, "message", "other"), "other.sig: ")
    assert shim.leftovers() == ["other", "other.sig"]


@pytest.mark.parametrize("answer, word", [
    (Answer(503, "signer unavailable\n"), "503 signer unavailable"), (Answer(200, ""), "no public key"),
    (Answer(200, "ssh-ed25519 AAAA\n"), "no public key"), (Answer(200, "x" * (ANSWER_BOUND + 1)), "longer than"),
], ids=["503", "empty", "broken", "long"])
def test_a_key_that_cannot_be_fetched_is_an_error_and_no_file(shim, tcp_proxy, answer, word):
    tcp_proxy.public_key = lambda _: answer
    assert_fails(shim.sign("signing.pub"), word)
    assert_fails(shim.run("pubkey"), word)
    assert_fails(shim.run("pubkey", "kept.pub"), word)
    assert shim.leftovers() == []


# Command lines that are wrong


@pytest.mark.parametrize("arguments, word", [
    ("-Y sign -f key message", "missing namespace"), ("-Y sign -n git message", "missing key"),
    ("-Y sign -f key message -n", "missing namespace"), ("-Y sign -n git -f", "option -f"),
    ("-Y sign -n git -f key -E md5 message", "option -E"), ("-Y sign -n git -f key -O hashalg=sha256 message", "sha512"),
    ("-Y sign -n git -f key -x message", "option -x"),
])
def test_a_wrong_command_line_is_one_line_and_asks_nobody(shim, tcp_proxy, arguments, word):
    assert_fails(shim.run(*arguments.split()), word)
    assert tcp_proxy.requests == []


def test_a_namespace_with_a_control_character_is_refused(shim, tcp_proxy, keys):
    assert_fails(shim.run("-Y", "sign", "-n", "a\nb", "-f", keys["ed25519"].public, "message"), "control character")


# Tokens and addresses


def authorizations(proxy):
    return [{name.lower(): value for name, value in headers.items()}.get("authorization")
            for _, _, headers, _ in proxy.requests]


def test_a_token_is_sent_with_every_request(shim, proxy):
    assert_signed(shim.sign("signing.pub", SSH_AGENT_PROXY_TOKEN="0123456789abcdef"))
    assert authorizations(proxy) == ["Bearer 0123456789abcdef"] * 2


@pytest.mark.parametrize("end", ["", "\n", "\r\n"], ids=repr)
def test_a_token_comes_from_a_file(shim, tcp_proxy, keys, end):
    (shim.folder.parent / "token").write_text("0123456789abcdef" + end)
    assert_signed(shim.sign(keys["ed25519"].public, SSH_AGENT_PROXY_TOKEN="",
                            SSH_AGENT_PROXY_TOKEN_FILE=shim.folder.parent / "token"))
    assert authorizations(tcp_proxy) == ["Bearer 0123456789abcdef"]


@pytest.mark.parametrize("text", ["", "\n", "two words", "two\nlines", "x" * 2000, "\0"], ids=lambda text: repr(text[:10]))
def test_a_file_without_a_usable_token_is_an_error(shim, tcp_proxy, keys, text):
    (shim.folder.parent / "token").write_text(text)
    assert_fails(shim.sign(keys["ed25519"].public, SSH_AGENT_PROXY_TOKEN_FILE=shim.folder.parent / "token"),
                 "SSH_AGENT_PROXY_TOKEN_FILE")
    assert tcp_proxy.requests == []


def test_a_token_that_would_end_its_header_line_is_refused_and_not_shown(shim, tcp_proxy, keys):
    done = shim.sign(keys["ed25519"].public, SSH_AGENT_PROXY_TOKEN="secret\r\nx: y")
    assert_fails(done, "SSH_AGENT_PROXY_TOKEN")
    assert "secret" not in done.stderr
    assert tcp_proxy.requests == []


@pytest.mark.parametrize("url, key_path", [
    ("{}/sign", "/publickey"), ("{}", "/publickey"), ("{}/", "/publickey"), ("{}/a/sign?x=1", "/a/publickey?x=1"),
])
def test_where_the_key_is_follows_from_where_is_signed(shim, tcp_proxy, url, key_path):
    base = tcp_proxy.url.removesuffix("/sign")
    shim.run("pubkey", SSH_AGENT_PROXY_URL=url.format(base))
    assert tcp_proxy.requests[0][:2] == ("GET", key_path)


def test_the_key_can_come_from_elsewhere(shim, tcp_proxy, closing, keys):
    other = closing(PlayedProxy(keys["ed25519"].private))
    key_url = other.url.replace("/sign", "/publickey")
    assert_signed(shim.sign("signing.pub", SSH_AGENT_PROXY_PUBKEY_URL=key_url))
    assert [request[0] for request in other.requests] == ["GET"]
    assert [request[0] for request in tcp_proxy.requests] == ["POST"]


# The key alone


def test_pubkey_prints_the_key(shim, proxy, keys):
    done = shim.run("pubkey")
    assert (done.status, done.stdout, done.stderr) == (0, " ".join(keys["ed25519"].line.split()[:2]) + "\n", "")


def test_pubkey_with_a_path_writes_it_for_its_owner_alone(shim, proxy, keys):
    (shim.folder / "there.pub").write_text("older")
    for path in ("there.pub", "new/folder/key.pub"):
        assert_signed(shim.run("pubkey", path))
        assert (shim.folder / path).read_text() == " ".join(keys["ed25519"].line.split()[:2]) + "\n"
        assert stat.S_IMODE((shim.folder / path).stat().st_mode) == 0o600


def test_pubkey_takes_one_path(shim, tcp_proxy):
    assert_fails(shim.run("pubkey", "a", "b"), "one path")


# What is ssh-keygen's

PLAYED_KEYGEN = """#!/bin/sh
for word in "$@"; do echo "[$word]"; done
cat
echo "from ssh-keygen" >&2
exit 42
"""


@pytest.mark.parametrize("arguments", [
    ["-Y", "verify", "-n", "git", "-f", "a b", "-I", "", "-s", "x"], ["-Y", "find-principals", "-f", "a", "-s", "b"],
    ["-Y", "match-principals", "-I", "x"], ["-l", "-f", "key"], [], ["-h"], ["--version"], ["-Y"],
], ids=str)
def test_what_is_not_signing_goes_to_ssh_keygen_unchanged(shim, arguments):
    folder = shim.folder.parent / "bin"
    folder.mkdir()
    (folder / "ssh-keygen").write_text(PLAYED_KEYGEN)
    (folder / "ssh-keygen").chmod(0o755)
    done = shim.run(*arguments, message=b"stdin\n", PATH=f"{folder}:/usr/bin:/bin")
    assert done.status == 42
    assert done.stdout == "".join(f"[{word}]\n" for word in arguments) + "stdin\n"
    assert done.stderr == "from ssh-keygen\n"


@pytest.mark.parametrize("operation", ["match-principals", "sign2", "x"])
def test_without_ssh_keygen_what_needs_it_says_so(shim, operation):
    assert_fails(shim.run("-Y", operation, PATH="/nonexistent"),
                 f"operation '-Y {operation}' requires ssh-keygen, which is not installed")


def test_a_link_of_that_name_to_the_shim_is_not_ssh_keygen(shim, binary):
    folder = shim.folder.parent / "bin"
    folder.mkdir()
    (folder / "ssh-keygen").symlink_to(binary)
    assert_fails(shim.run("-l", PATH=folder), "operation '-l' requires ssh-keygen")


def test_a_program_of_that_name_in_the_current_folder_is_not_run(shim):
    (shim.folder / "ssh-keygen").write_text("#!/bin/sh\necho hijacked\n")
    (shim.folder / "ssh-keygen").chmod(0o755)
    assert_fails(shim.run("-l", PATH=":.:/nonexistent"), "requires ssh-keygen")


def test_signing_needs_neither_path_nor_other_programs(shim, proxy, keys):
    assert_signed(shim.sign(keys["ed25519"].public, PATH="/nonexistent", SSH_AGENT_PROXY_CURL="/nonexistent/curl"))


def test_help_is_on_stdout(shim):
    done = shim.run("--help")
    assert (done.status, done.stderr) == (0, "")
    assert "SSH_AGENT_PROXY_URL" in done.stdout


@pytest.fixture
def certified(shim, tcp_proxy, tmp_path):
    """A key and its certificate, with which the proxy signs."""
    authority, key = KeyPair(tmp_path, "authority", ["-t", "ed25519"]), KeyPair(tmp_path, "key", ["-t", "ed25519"])
    subprocess.run(["ssh-keygen", "-q", "-s", authority.private, "-I", "id", "-n", "a@example.org", f"{key.private}.pub"],
                   check=True, timeout=30)
    return key


def test_the_file_of_a_certificate_wants_the_certificate(shim, tcp_proxy, certified):
    tcp_proxy.key = certified.private
    assert_fails(shim.sign(f"{certified.private}-cert.pub"), "the proxy signs with")
