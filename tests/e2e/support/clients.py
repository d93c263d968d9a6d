"""The AWS clients that scripts/install-test-clients builds: each prints the ARN that its credentials have."""

import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent.parent
SCRIPT = ROOT / "scripts/install-test-clients"

# What the clients' own settings need to reach the endpoint alone: a region, and no instance metadata.
CLIENT_ENVIRONMENT = {
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    # The SDK says on stderr that Debian 12's Node.js is old.
    "NODE_NO_WARNINGS": "1",
}
NAMES = ["boto3", "cli", "node", "go", "rust"]


class Clients:
    def __init__(self):
        checked = subprocess.run([SCRIPT, "--check"], capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stderr
        self.folder = Path(subprocess.check_output([SCRIPT, "--folder"], text=True).strip())
        self.python = self.folder / "python/bin/python"
        self.aws = self.folder / "python/bin/aws"

    def command(self, name):
        """The command line of a client."""
        return {
            "boto3": [self.python, ROOT / "tests/clients/python/main.py"],
            "cli": [self.aws, "sts", "get-caller-identity", "--query", "Arn", "--output", "text"],
            "node": [shutil.which("node", path=os.environ.get("PATH")), self.folder / "node/main.mjs"],
            "go": [self.folder / "go/client"],
            "rust": [self.folder / "rust/client"],
        }[name]
