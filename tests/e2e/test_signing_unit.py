"""The systemd user unit of the signing proxy, and the template of its environment."""

import configparser
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from support.signing_proxy import MESSAGE, SigningProxy

APPLET = Path(__file__).resolve().parents[2] / "applets/signing-proxy"
UNIT = APPLET / "ssh-agent-proxy.service"
TEMPLATE = APPLET / "env"
PROGRAM = "/usr/local/bin/shed-ext"
TOKEN = "0123456789abcdef"


def service():
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str
    unit.read(UNIT)
    return unit["Service"]


def environment_of(text):
    """As systemd.exec(5) has it for lines without quotes and backslashes."""
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and line[0] not in "#;"]
    assert not set("\"'\\") & set("".join(lines))
    pairs = [line.split("=", 1) for line in lines]
    return {name.strip(): value.strip() for name, value in pairs}


@pytest.mark.release  # the unit is the same
def test_systemd_finds_no_fault_with_the_unit(binary, place):
    unit = place.work / UNIT.name
    text = UNIT.read_text()
    assert f"ExecStart={PROGRAM} " in text
    unit.write_text(text.replace(PROGRAM, str(binary)))
    done = subprocess.run(["systemd-analyze", "verify", "--user", "--man=no", unit], check=False, capture_output=True,
                          text=True, env=place.env())
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_unit_hides_neither_agents_under_tmp_nor_the_home():
    """Nor does it need a mount namespace in another way: without user namespaces it would not start."""
    hiding = {"PrivateTmp", "ProtectHome", "ProtectSystem", "PrivateDevices", "PrivateUsers", "PrivateMounts",
              "TemporaryFileSystem", "InaccessiblePaths", "ReadOnlyPaths", "ProtectProc", "RootDirectory",
              "DynamicUser"}
    assert not hiding & set(service())


def test_the_unit_lets_the_proxy_speak_to_agents_and_containers():
    assert set(service()["RestrictAddressFamilies"].split()) == {"AF_UNIX", "AF_INET", "AF_INET6"}


def test_the_template_of_the_environment_says_nothing_before_it_is_edited():
    assert environment_of(TEMPLATE.read_text()) == {}


def test_the_unit_signs_with_the_template_of_the_environment_filled_in(broker, agent, keys, place):
    """What stands in the template as an example, first of its name, but for the port and a key as a line."""
    examples = re.findall(r"^#(SSH_AGENT_PROXY_(\w+)=.*)$", TEMPLATE.read_text(), re.MULTILINE)
    first = {name: line for line, name in reversed(examples) if name != "PUBKEY"}
    assert set(first) == {"UPSTREAM", "PUBKEY_FILE", "ADDR", "TOKEN_FILE", "NAMESPACE", "HOSTS"}
    file = place.home / service()["EnvironmentFile"].removeprefix("-%h/")
    file.parent.mkdir(parents=True)
    file.write_text("\n".join(first.values()))
    variables = environment_of(file.read_text())
    assert variables.pop("SSH_AGENT_PROXY_ADDR") == "127.0.0.1:7221"

    def in_home(name):
        path = place.home / variables[f"SSH_AGENT_PROXY_{name}"].removeprefix("~/")
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return path
    os.symlink(agent.path, in_home("UPSTREAM"))
    in_home("PUBKEY_FILE").write_text(keys["rsa2048"].line)
    in_home("TOKEN_FILE").write_text(TOKEN)
    in_home("TOKEN_FILE").chmod(0o600)
    assert shlex.split(service()["ExecStart"]) == [PROGRAM, "signing-proxy"]
    proxy = SigningProxy(broker, **{name.removeprefix("SSH_AGENT_PROXY_"): value for name, value in variables.items()})
    headers = {"Authorization": f"Bearer {TOKEN}", "Host": "builder.example:7221"}
    assert proxy.sign(MESSAGE, headers=headers).status == 200
    assert proxy.public_key(headers=headers).text == " ".join(keys["rsa2048"].line.split()[:2]) + "\n"
