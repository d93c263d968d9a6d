"""The whole disk of a test's microVM, as the kernel unpacks it: busybox, the binary under test, OpenSSH's client, the
kernel modules of the virtual devices, and an init of our own. No file of it is a secret."""

import lzma
import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

# Where scripts/install-deps unpacks the kernel of a distribution: `vmlinuz`, and its modules as files in any folders.
KERNEL_FOLDER = Path("/usr/local/lib/shed-ext/test-kernel")
# What the devices of microvm.py need; what these need in turn is written in them.
MODULES = ["virtio_pci", "virtio_console", "virtio_net", "vsock", "vsock_loopback"]
SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"


class Archive:
    """A cpio archive of the `newc` kind, which is the one that the kernel reads. The first of a name stays."""

    def __init__(self):
        self._parts = []
        self._names = set()

    def folder(self, name):
        self._parents(name)
        if name not in self._names:
            self._add(name, stat.S_IFDIR | 0o755, b"")

    def file(self, name, data, mode=0o644):
        self._parents(name)
        self._add(name, stat.S_IFREG | mode, data)

    def link(self, name, target):
        self._parents(name)
        self._add(name, stat.S_IFLNK | 0o777, str(target).encode())

    def bytes(self):
        end = self._entry("TRAILER!!!", 0, b"")
        return b"".join([*self._parts, end])

    def _parents(self, name):
        parent = os.path.dirname(name)
        if parent:
            self.folder(parent)

    def _add(self, name, mode, data):
        if name not in self._names:
            self._names.add(name)
            self._parts.append(self._entry(name, mode, data))

    def _entry(self, name, mode, data):
        path = name.encode() + b"\0"
        # inode, mode, user, group, links, time, size, device (2), device's own (2), length of the name, checksum
        fields = [len(self._names), mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(path), 0]
        header = b"070701" + b"".join(b"%08X" % field for field in fields)
        return _padded(header + path) + _padded(data)


class Tree:
    """The same in a folder of this machine."""

    def __init__(self, root):
        self._root = Path(root)

    def folder(self, name):
        (self._root / name).mkdir(parents=True, exist_ok=True)

    def file(self, name, data, mode=0o644):
        path = self._root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(mode)

    def link(self, name, target):
        path = self._root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.symlink_to(target)


def _padded(data):
    return data + bytes(-len(data) % 4)


class Kernel:
    """The unpacked kernel of a distribution."""

    def __init__(self, folder=KERNEL_FOLDER):
        self.image = folder / "vmlinuz"
        assert self.image.is_file(), f"{self.image} is missing: run scripts/install-deps --test"
        self._files = {_module_name(path.name): path for path in folder.rglob("*.ko*")}
        self._builtin = {_module_name(Path(line).name) for file in folder.rglob("modules.builtin")
                         for line in file.read_text().split()}

    def modules(self, wanted):
        """(name, bytes) of these modules and of all that they need, in the order to load them in."""
        done = {}
        for name in wanted:
            self._take(name, done)
        return list(done.items())

    def _take(self, name, done):
        if name in done or name in self._builtin:
            return
        assert name in self._files, f"the kernel in {self.image.parent} has no module {name}"
        data = _unpacked(self._files[name])
        # A module says itself what it needs; the usual index is made by the installation of a kernel only.
        needs = re.search(rb"\0depends=([^\0]*)\0", data)
        for needed in needs[1].decode().split(",") if needs else []:
            if needed:
                self._take(_module_name(needed), done)
        done[name] = data


def _module_name(file):
    return file.split(".ko")[0].replace("-", "_")


def _unpacked(path):
    data = path.read_bytes()
    if path.suffix == ".xz":
        return lzma.decompress(data)
    if path.suffix == ".zst":
        return subprocess.run(["zstd", "-dc"], input=data, check=True, capture_output=True, timeout=30).stdout
    return data


def libraries_of(program):
    """The files that a dynamic program maps, as the loader finds them; none of a static one."""
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, timeout=30).stdout
    return sorted(set(re.findall(r"(/\S+) \(0x", listed)))


def found(program):
    path = shutil.which(program, path=SYSTEM_PATH)
    assert path, f"{program} is missing: run scripts/install-deps --test"
    return Path(path)


def static_busybox():
    path = found("busybox")
    assert not libraries_of(path), f"{path} is not static: run scripts/install-deps --test"
    return path


def add_program(archive, path, name=None):
    """A program with its libraries, each where it is on this machine."""
    archive.file(name or str(path).lstrip("/"), Path(path).read_bytes(), 0o755)
    for library in libraries_of(path):
        archive.file(library.lstrip("/"), Path(library).read_bytes(), 0o755)


def add_userland(archive, binary, links):
    """busybox under all its names, OpenSSH's client, the binary under test and its links. `archive` is an Archive or a
    Tree."""
    busybox = static_busybox()
    archive.file("bin/busybox", busybox.read_bytes(), 0o755)
    for name in subprocess.run([busybox, "--list"], check=True, capture_output=True, text=True).stdout.split():
        archive.link(f"bin/{name}", "busybox")
    for program in ("ssh", "ssh-add", "ssh-keygen"):
        add_program(archive, found(program), f"usr/bin/{program}")
    add_program(archive, binary, "usr/bin/shed-ext")
    for link in links:
        archive.link(f"usr/bin/{link}", "shed-ext")
    archive.file("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n")
    archive.file("etc/group", b"root:x:0:\n")
    archive.file("etc/hosts", b"127.0.0.1 localhost\n")
    for folder in ("dev", "proc", "sys", "run", "tmp", "root/.ssh"):
        archive.folder(folder)
