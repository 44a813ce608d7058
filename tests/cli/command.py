"""Runs the command in this process, which is fast, or in a new one, as a user does."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from rtfx.cli import main

MODEL = "random:tcn?seed=1&layers=2&channels=2"
RATE = 48000
COMMAND = [sys.executable, "-m", "rtfx"]
PACKAGE_PATH = os.pathsep.join(filter(None, [str(Path(main.__file__).parents[2]), os.environ.get("PYTHONPATH")]))
ENVIRONMENT = os.environ | {"PYTHONPATH": PACKAGE_PATH}  # from any folder, installed or not


def rtfx(capsys, *arguments):
    """Return (exit code, standard output, standard error)."""
    code = main.run([str(a) for a in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def process(*arguments, **options):
    """Run ``python -m rtfx`` and return the finished process."""
    command = [*COMMAND, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, timeout=300, env=ENVIRONMENT, **options)


def start(*arguments, **streams):
    """Start ``python -m rtfx``, open to interrupts even where this process, a background job, ignores them."""
    command = [*COMMAND, *map(str, arguments)]
    return subprocess.Popen(command, env=ENVIRONMENT, preexec_fn=hear_interrupts, **streams)


def hear_interrupts():
    signal.signal(signal.SIGINT, signal.SIG_DFL)
