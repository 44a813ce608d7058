"""``rtfx play`` as a process on a sound server of the tests: its output, line by line, and its exit code."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
import time

from .command import COMMAND, ENVIRONMENT, hear_interrupts

PATIENCE = 200.0  # a busy machine takes its time to compile
EXIT_SECONDS = 3.0  # on a machine with nothing else to do


def exit_seconds() -> float:
    """Return how long the end may take on this machine now: longer if ``rtfx --help`` takes longer than usual."""
    begin = time.monotonic()
    subprocess.run([*COMMAND, "--help"], env=ENVIRONMENT, capture_output=True, check=True)
    return EXIT_SECONDS + 10.0 * (time.monotonic() - begin)


class Play:
    """``rtfx play`` on a server; its standard error is read line by line."""

    running: list = []

    def __init__(self, server, *arguments):
        self.process = subprocess.Popen(
            [*COMMAND, "play", "--headless", "--json", *map(str, arguments)],
            env=ENVIRONMENT | server.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            preexec_fn=hear_interrupts,
        )
        self.running.append(self)
        self.said = []
        self._lines = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stderr:
            self._lines.put(line.rstrip())
        self._lines.put(None)

    def says(self, *words) -> str:
        """Wait for a line with these words and return it."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                line = self._lines.get(timeout=max(deadline - time.monotonic(), 0.01))
            except queue.Empty:
                line = None
            assert line is not None, f"never said {words}: {self.said}"
            self.said.append(line)
            if all(word in line for word in words):
                return line

    def has_said(self, *words) -> bool:
        """Return whether a line with these words has come, without waiting."""
        while not self._lines.empty() and (line := self._lines.get()) is not None:
            self.said.append(line)
        return any(all(word in line for word in words) for line in self.said)

    def ends(self, number=None) -> tuple[int, dict, float]:
        """Return exit code, JSON and the seconds it took, after a signal."""
        begin = time.monotonic()
        if number:
            self.process.send_signal(number)
        try:
            out = self.process.stdout.read()  # the command's own end; JACK's threads need no more than that
            code = self.process.wait(PATIENCE)
        finally:
            self.close()
        self._reader.join(PATIENCE)
        while not self._lines.empty():
            self.said += [line for line in [self._lines.get()] if line is not None]
        return code, json.loads(out), time.monotonic() - begin

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join(PATIENCE)
        self.process.stdout.close()
        self.process.stderr.close()


def play(server, *arguments) -> Play:
    """Start to play and wait for the first sound."""
    player = Play(server, "--model", "klon.json", *arguments)
    player.says("preset 1")
    return player


def close_players() -> None:
    """End the players that a test has left."""
    while Play.running:
        Play.running.pop().close()
