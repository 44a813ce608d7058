"""Gives the terminal back when rtfx no longer can: a small process that waits for its end, however it comes.

A kill that no process can catch, a crash in a library, a lack of memory: then the kernel closes the pipe to the guard,
which leaves the alternate screen, shows the cursor and restores the modes, if nobody else has changed them since.
"""

from __future__ import annotations

import os
import subprocess
import sys

SCRIPT = r"""
trap '' HUP INT QUIT TERM TSTP TTOU
exec 3<&1
read -r answer
[ "$answer" = done ] && exit 0
printf '%b' "$1"
[ -n "$2" ] && [ "$(stty -g <&3)" = "$3" ] && stty "$2" <&3
exit 0
"""


def modes(descriptor: int) -> str:
    """Return the modes of a terminal as ``stty`` takes them, "" where it cannot tell."""
    if sys.platform == "win32":
        return ""
    try:
        done = subprocess.run(
            ["stty", "-g"], stdin=descriptor, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=2
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("ascii", "ignore").strip()


class Guard:
    """Watches over a terminal until `dismiss`.

    Parameters
    ----------
    descriptor : int
        Of the terminal; its modes are those set by this process.
    farewell : str
        What to write to the terminal.
    before : str
        The modes to restore, as `modes` returned them.
    """

    def __init__(self, descriptor: int, farewell: str, before: str):
        self.process: subprocess.Popen | None = None
        if sys.platform == "win32":
            return
        text = farewell.replace("\x1b", "\\033")
        try:
            self.process = subprocess.Popen(
                ["/bin/sh", "-c", SCRIPT, "rtfx-terminal", text, before, modes(descriptor)],
                stdin=subprocess.PIPE,
                stdout=descriptor,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                cwd="/",
            )
        except OSError:  # without a guard everything but a kill still restores the terminal
            return

    def dismiss(self) -> None:
        """End the guard without a word; a second call does nothing."""
        process, self.process = self.process, None
        if process is None or process.stdin is None:
            return
        try:
            os.write(process.stdin.fileno(), b"done\n")
            process.stdin.close()
            process.wait(timeout=1)
        except (OSError, subprocess.TimeoutExpired):
            process.kill()
            process.wait()
