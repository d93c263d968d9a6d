"""A real microVM: QEMU with a distribution's kernel, emulated in software, so that every machine can run it. The guest
reaches the host over a virtio-serial port (the bus) and one TCP address (sshd), and nothing else."""

import base64
import json
import platform
import socket

from support.initramfs import MODULES, Archive, Kernel, add_userland, found
from support.remote_guest import Done
from support.waiting import patience, wait_until

BUS_PORT = "org.shed.bus"
COMMAND_PORT = "org.shed.test"
BUS_DEVICE = f"/dev/virtio-ports/{BUS_PORT}"
MEMORY_MIB = 160
# The only address that the guest's network has; port 22 of it is the sshd of the test.
SSH_ADDRESS = "10.0.2.100"
# Three on an idle machine; a loaded one has taken fifteen.
BOOT_SECONDS = 60

# Without udev nobody names the ports of a virtio-serial device. While no host is connected to a port, it is at its end.
INIT = f"""#!/bin/busybox sh
export PATH=/usr/bin:/bin HOME=/root SSH_AUTH_SOCK=/run/shed-extensions/ssh-agent.sock
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs -o mode=755 run /run
mkdir -m 700 /run/shed-extensions
for module in $(cat /modules/order); do insmod /modules/$module; done
ip link set lo up
ip link set eth0 up
ip addr add 10.0.2.15/24 dev eth0
mkdir /dev/virtio-ports
for port in /sys/class/virtio-ports/*; do ln -s ../${{port##*/}} /dev/virtio-ports/$(cat $port/name); done
exec 3<>/dev/virtio-ports/{COMMAND_PORT}
echo "up after $(cut -d' ' -f1 /proc/uptime) s" >/dev/console
while :; do
  if read -r number command <&3; then
    echo "$command" | base64 -d >/run/command
    sh /run/command </dev/null >/run/stdout 2>/run/stderr 3<&-
    status=$?
    echo "$number $status $(base64 /run/stdout | tr -d '\\n') . $(base64 /run/stderr | tr -d '\\n') ." >&3
  else
    usleep 50000
  fi
done
"""


class MicroVm:
    """Boots when it is made; ends with `programs`."""

    def __init__(self, programs, env, folder, binary, links=()):
        assert platform.machine() == "x86_64", "the microVM has an x86-64 kernel and runs the binary of this machine"
        self.folder = folder
        folder.mkdir(mode=0o700)
        self.bus_socket = folder / "bus.sock"
        self._command_socket = folder / "command.sock"
        self._qmp_socket = folder / "qmp.sock"
        self._console_file = folder / "console"
        self._ssh_port_file = folder / "ssh-port"
        self._number = 0
        kernel = Kernel()
        self._write_disk(kernel, binary, links)
        self.program = programs.start(self._command_line(kernel), env)
        self._commands = self._connect(self._command_socket)
        self._answers = self._commands.makefile("rb")
        wait_until(lambda: "up after" in self.console or not self.program.running, BOOT_SECONDS,
                   lambda: f"the microVM boots; {self.log()}")
        assert self.program.running, self.log()

    def _write_disk(self, kernel, binary, links):
        archive = Archive()
        add_userland(archive, binary, links)
        modules = kernel.modules(MODULES)
        for name, data in modules:
            archive.file(f"modules/{name}", data)
        archive.file("modules/order", "".join(f"{name}\n" for name, _ in modules).encode())
        archive.file("init", INIT.encode(), 0o755)
        (self.folder / "disk").write_bytes(archive.bytes())

    def _command_line(self, kernel):
        # QEMU starts it for every connection of the guest; which sshd it leads to is each test's business.
        relay = self.folder / "to-sshd"
        relay.write_text(f'#!/bin/sh\nexec {found("busybox")} nc 127.0.0.1 "$(cat {self._ssh_port_file})"\n')
        relay.chmod(0o700)
        return [
            found("qemu-system-x86_64"), "-no-user-config", "-nodefaults", "-display", "none", "-no-reboot",
            "-machine", "pc,accel=tcg", "-cpu", "qemu64,+rdrand", "-m", f"{MEMORY_MIB}M", "-smp", "1",
            "-kernel", kernel.image, "-initrd", self.folder / "disk",
            "-append", "console=ttyS0 quiet panic=-1 mitigations=off no_timer_check tsc=unstable",
            "-serial", f"file:{self._console_file}",
            "-qmp", f"unix:{self._qmp_socket},server=on,wait=off",
            "-device", "virtio-serial-pci",
            "-chardev", f"socket,id=bus,path={self.bus_socket},server=on,wait=off",
            "-device", f"virtserialport,chardev=bus,name={BUS_PORT}",
            "-chardev", f"socket,id=command,path={self._command_socket},server=on,wait=off",
            "-device", f"virtserialport,chardev=command,name={COMMAND_PORT}",
            "-netdev", f"user,id=net,restrict=on,guestfwd=tcp:{SSH_ADDRESS}:22-cmd:{relay}",
            "-device", "virtio-net-pci,netdev=net,romfile=",
        ]

    def _connect(self, path):
        wait_until(lambda: path.exists() or not self.program.running, 10, f"QEMU makes {path}")
        assert self.program.running, self.log()
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.connect(str(path))
        return connection

    @property
    def console(self):
        return self._console_file.read_text(errors="replace") if self._console_file.exists() else ""

    def log(self):
        """What there is to read when something goes wrong with the machine itself."""
        return f"QEMU said:\n{self.program.stderr}\nthe console of the microVM:\n{self.console[-6000:]}"

    def start(self, command):
        """A command line that stays; what it says is on the console."""
        done = self.run(f"({command}) >/dev/console 2>&1 &")
        assert done.status == 0, done

    def run(self, command, seconds=30):
        """A shell's command line in the guest, to its end. One at a time; `&` leaves something behind."""
        self._number += 1
        line = f"{self._number} {base64.b64encode(command.encode()).decode()}\n"
        self._commands.settimeout(patience(seconds))
        try:
            self._commands.sendall(line.encode())
            words = self._answers.readline().split(b" ")
            # What a test that took too long did not wait for.
            while len(words) == 6 and int(words[0]) < self._number:
                words = self._answers.readline().split(b" ")
        except OSError as error:
            raise AssertionError(f"`{command}` in the microVM: {error}; {self.log()}") from None
        assert words[0] == str(self._number).encode(), f"`{command}` in the microVM: {words}; {self.log()}"
        stdout, stderr = (base64.b64decode(word).decode(errors="replace") for word in (words[2], words[4]))
        return Done(int(words[1]), stdout, stderr)

    def end(self, applets, signal="TERM"):
        """Sends the signal to every `shed-ext APPLET` of these, a pattern."""
        self.run(f"for pid in $(pidof shed-ext); do tr '\\0' ' ' </proc/$pid/cmdline | "
                 f"grep -q -E '^shed-ext ({applets}) ' && kill -{signal} $pid; done")

    def lead_to(self, sshd):
        """The sshd that SSH_ADDRESS is from now on."""
        self._ssh_port_file.write_text(str(sshd.port))

    def memory(self):
        """A file with all of the guest's memory as it is now."""
        file = self.folder / "memory"
        self._qmp("pmemsave", val=0, size=MEMORY_MIB * 1024 * 1024, filename=str(file))
        return file

    def _qmp(self, command, **arguments):
        with self._connect(self._qmp_socket) as connection, connection.makefile("rwb") as lines:
            connection.settimeout(patience(30))
            lines.readline()  # the greeting
            for name, values in (("qmp_capabilities", {}), (command, arguments)):
                lines.write(json.dumps({"execute": name, "arguments": values}).encode() + b"\n")
                lines.flush()
                answer = json.loads(lines.readline())
                while "event" in answer:
                    answer = json.loads(lines.readline())
                assert "return" in answer, answer
            return answer["return"]

    def close(self):
        self._answers.close()
        self._commands.close()
