"""A private JACK server without hardware, and processes that talk to it by lines of text."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
PERIOD = 256
RATE = 48000


def installed() -> bool:
    return all(shutil.which(name) for name in ("jackd", "jack_wait"))


class Server:
    """``with Server() as server:`` starts jackd on its dummy driver under a name of its own, and ends it."""

    _number = itertools.count()

    def __init__(self, rate: int = RATE, inputs: int = 2):
        self.rate, self.inputs = rate, inputs
        self.name = f"rtfx{os.getpid()}-{next(self._number)}"
        self._revived = False
        self.environment = os.environ | {
            "JACK_NO_AUDIO_RESERVATION": "1",
            "JACK_DEFAULT_SERVER": self.name,
            "JACK_NO_START_SERVER": "1",
        }

    def __enter__(self) -> Server:
        driver = ["-d", "dummy", "-r", str(self.rate), "-p", str(PERIOD), "-C", str(self.inputs), "-P", "2"]
        command = ["jackd", "-n", self.name, "-r", *driver]
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the server
        self.process = subprocess.Popen(command, env=self.environment, stdout=self._log, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + 10.0
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                self._log.seek(0)
                said = self._log.read().decode()[-1000:]
                self._log.close()
                raise RuntimeError(f"jackd ended at once: {said}")
            check = ["jack_wait", "-s", self.name, "-c"]
            said = subprocess.run(check, env=self.environment, capture_output=True, text=True, timeout=5).stdout
            if "running" in said and "not running" not in said:
                return self
            time.sleep(0.1)
        self.end()
        raise RuntimeError("jackd did not come up within 10 s")

    def __exit__(self, *exception) -> None:
        self.end()

    def kill(self) -> None:
        """Kill it, as a crash would."""
        self.process.kill()
        self.process.wait()

    def begin_again(self, rate: int = RATE) -> None:
        """Start it once more under its name."""
        self._log.close()
        self.rate = rate
        self.__enter__()

    def end(self) -> None:
        """Terminate the server, or kill it if it does not end."""
        self.process.terminate()
        try:
            self.process.wait(2.0)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._log.close()
        if self.process.returncode < 0 and not self._revived:
            self._revive()
        for left in Path("/dev/shm").glob(f"jack*{self.name}*"):  # left by a server that was killed
            left.unlink(missing_ok=True)

    def _revive(self) -> None:
        """Start a killed server again and end it properly; otherwise its name stays in JACK's list of at most eight."""
        self._revived = True
        self.__enter__()
        self.end()


class Talker:
    """A process of the tests that answers each line of text with a line of JSON."""

    def __init__(self, server: Server, module: str, *arguments: str):
        self.process = subprocess.Popen(
            [sys.executable, "-m", f"tests.host.{module}", *arguments],
            cwd=ROOT,
            env=server.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.answer() == "ready"

    def answer(self):
        line = self.process.stdout.readline()
        assert line, f"{self.process.args[2]} ended with {self.process.wait(5.0)}"
        return json.loads(line)

    def tell(self, command: str) -> None:
        """Send a command; its answer is read later."""
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def ask(self, command: str):
        """Send a command and return its answer."""
        self.tell(command)
        return self.answer()

    def end(self, seconds: float = 10.0) -> int:
        """Close its input, which ends it; return its exit code."""
        self.process.stdin.close()
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        self.process.stdout.close()
        return code


def answers(commands: dict) -> None:
    """Serve commands from standard input, ``name argument...``, until it ends."""

    def say(value) -> None:
        print(json.dumps(value), flush=True)

    say("ready")
    for line in sys.stdin:
        name, *arguments = line.split()
        say(commands[name](*arguments))
