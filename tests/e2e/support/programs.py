"""Programs that a test starts: their output in files, their end in our hands."""

import os
import re
import signal
import subprocess

from support.waiting import patience, wait_until

# What a sanitizer prints; a run that printed it failed, whatever its exit status was.
SANITIZER = re.compile(r"AddressSanitizer|LeakSanitizer|runtime error:|UndefinedBehaviorSanitizer")


class Program:
    """One started program. Its whole process group ends with the test."""

    def __init__(self, folder, number, arguments, env, cwd=None, stdin=subprocess.DEVNULL, **more):
        self.arguments = [str(argument) for argument in arguments]
        name = self.arguments[0].rsplit("/", 1)[-1]
        self.stdout_file = folder / f"{number}-{name}.out"
        self.stderr_file = folder / f"{number}-{name}.err"
        with open(self.stdout_file, "wb") as out, open(self.stderr_file, "wb") as err:
            self.process = subprocess.Popen(self.arguments, env=env, cwd=cwd, stdin=stdin, stdout=out, stderr=err,
                                            start_new_session=True, **more)

    @property
    def pid(self):
        return self.process.pid

    @property
    def stdout(self):
        return self.stdout_file.read_text(errors="replace")

    @property
    def stderr(self):
        return self.stderr_file.read_text(errors="replace")

    @property
    def running(self):
        return self.process.poll() is None

    def wait(self, seconds=60):
        """Waits for the end by itself and returns the exit status."""
        try:
            return self.process.wait(patience(seconds))
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self} still runs after {patience(seconds):g} s; stderr:\n{self.stderr}") from None

    def wait_for_stderr(self, pattern, seconds=30):
        """Waits until stderr has a match and returns it."""
        return self._wait_for(pattern, seconds, lambda: self.stderr, "stderr")

    def wait_for_stdout(self, pattern, seconds=30):
        return self._wait_for(pattern, seconds, lambda: self.stdout, "stdout")

    def _wait_for(self, pattern, seconds, text, stream):
        def found():
            running = self.running  # looked at first: its last words come before its end
            match = re.search(pattern, text(), re.MULTILINE)
            if not match and not running:
                raise AssertionError(f"{self} ended with {self.process.returncode} before '{pattern}' was on "
                                     f"{stream}:\n{self.stderr}")
            return match
        return wait_until(found, seconds, f"'{pattern}' on {stream} of {self}:\n{text()}")

    def signal(self, number):
        self.process.send_signal(number)

    def terminate(self, seconds=5):
        """SIGTERM, and the exit status."""
        self.signal(signal.SIGTERM)
        return self.wait(seconds)

    def kill(self):
        """SIGKILL to the program alone, as the kernel would do it when memory is short."""
        self.process.kill()
        self.process.wait()

    def __str__(self):
        return f"`{' '.join(self.arguments[:4])}` (pid {self.pid})"


class ProgramSet:
    """Every program of one test, so that all of them are gone after it."""

    def __init__(self, folder):
        self._folder = folder
        self._programs = []

    def start(self, arguments, env, **more):
        program = Program(self._folder, len(self._programs), arguments, env, **more)
        self._programs.append(program)
        return program

    def run(self, arguments, env, seconds=60, **more):
        """Runs to the end; the returned program has `.status`, `.stdout`, `.stderr`."""
        program = self.start(arguments, env, **more)
        program.status = program.wait(seconds)
        return program

    def log(self):
        """What all of them said, for the report of a failed test."""
        parts = []
        for program in self._programs:
            parts.append(f"--- {program}, status {program.process.poll()}\n"
                         f"{program.stdout[-3000:]}{program.stderr[-6000:]}")
        return "\n".join(parts)

    def stop_all(self):
        """Ends everything and returns what the sanitizers found."""
        for program in reversed(self._programs):
            if program.running:
                program.signal(signal.SIGTERM)
                try:
                    program.process.wait(patience(6))
                except subprocess.TimeoutExpired:
                    pass
            try:
                # Children of a killed program are still in the group that start_new_session made.
                os.killpg(program.pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass
            program.process.wait()
            if program.process.stdin:
                program.process.stdin.close()
        return [f"{program}:\n{program.stderr}" for program in self._programs if SANITIZER.search(program.stderr)]

