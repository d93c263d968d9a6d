"""A person's terminal: a program in tmux, its screen as text, and keys for it."""

import subprocess

from support.servers import accepts
from support.waiting import Stopwatch, patience, wait_until

# Longer than the time for which a question has to be on the screen before a key counts.
READ_SECONDS = 0.35
SETTINGS = "set -g status off\nset -s escape-time 0\nset -g history-limit 100\n"


class Terminal:
    """`command` in a window of its own tmux server, which ends with the test's programs."""

    def __init__(self, programs, place, command, env, width=80, height=24, name="terminal"):
        self._socket = place.run / f"{name}.tmux"
        settings = place.root / f"{name}.tmux.conf"
        settings.write_text(SETTINGS)
        self._env = env
        # In the foreground: a server that made itself a daemon would outlive the test.
        programs.start(["tmux", "-S", self._socket, "-f", settings, "-D"], env)
        wait_until(lambda: accepts(self._socket), 10, "tmux")
        self._tmux("new-session", "-d", "-x", width, "-y", height, *command)

    def _tmux(self, *arguments):
        done = subprocess.run(["tmux", "-S", str(self._socket), *map(str, arguments)], env=self._env,
                              timeout=patience(20), capture_output=True, text=True, check=True)
        return done.stdout

    def screen(self, colours=False):
        """What is seen, without the empty rest."""
        text = self._tmux("capture-pane", "-p", *(["-e"] if colours else []))
        return "\n".join(line.rstrip() for line in text.split("\n")).rstrip("\n")

    def wait_for(self, words, seconds=30):
        """The screen, once it has these words and is drawn to its end."""
        def there():
            screen = self.screen()
            return screen if words in screen and screen == self.screen() else None
        return wait_until(there, seconds, lambda: f"'{words}' on the screen:\n{self.screen()}")

    def press(self, keys):
        self._tmux("send-keys", "-l", keys)

    def press_special(self, name):
        """`C-c`, `Up`, as tmux calls them."""
        self._tmux("send-keys", name)

    def answer(self, words, key):
        """Waits for a screen with these words, reads it for as long as a person has to, presses the key."""
        screen = self.wait_for(words)
        watch = Stopwatch()
        wait_until(lambda: watch.seconds > READ_SECONDS, 5, "the time to read")
        self.press(key)
        return screen

    def resize(self, width, height):
        self._tmux("resize-window", "-x", width, "-y", height)

    @property
    def pid(self):
        return int(self._tmux("display-message", "-p", "#{pane_pid}"))
