"""However the command ends, no process or file remains, and the exit code says how it ended."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from .command import COMMAND, ENVIRONMENT, MODEL, RATE, hear_interrupts, start

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")]


def descendants(process: int) -> set[int]:
    """Return the processes that a process has started, and those that they have."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(path.parent.name)] = int(fields[1])
    found, new = set(), {process}
    while new:
        new = {child for child, parent in parents.items() if parent in new} - found
        found |= new
    return found


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def until(done, seconds=120.0) -> bool:
    deadline = time.monotonic() + seconds
    while not done() and time.monotonic() < deadline:
        time.sleep(0.05)
    return bool(done())


@pytest.fixture
def batch(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.wav", "b.wav", "c.wav"):
        with soundfile.SoundFile(name, "w", RATE, 1, "PCM_16") as file:
            for _ in range(1200):
                file.write(np.zeros(RATE))
    (tmp_path / "out").mkdir()
    return start("render", "--model", MODEL, "--jobs", 2, "a.wav", "b.wav", "c.wav", "out", stderr=subprocess.PIPE)


def test_no_worker_outlives_a_batch_that_is_killed(batch, tmp_path):
    with batch:
        assert until(lambda: any(path.stat().st_size > 10000 for path in (tmp_path / "out").iterdir()))
        workers = descendants(batch.pid)
        assert len(workers) >= 2
        batch.kill()
        batch.stderr.close()
    assert until(lambda: not any(map(alive, workers)), 30.0), "each waits for work that nobody will give it"


def test_no_worker_outlives_the_reading_of_a_folder(tmp_path):
    code = f"""
import os, sys, time
sys.path[:0] = [{str(Path(__file__).parents[2])!r}]
from tests.cli.test_ends import slow
from rtfx.cli import collection
list(collection.facts_of([str(i) for i in range(200)], slow))
"""
    with subprocess.Popen([sys.executable, "-c", code], env=ENVIRONMENT, stderr=subprocess.PIPE) as process:
        assert until(lambda: len(descendants(process.pid)) >= 2)
        time.sleep(1.0)
        workers = descendants(process.pid)
        process.kill()
    assert until(lambda: not any(map(alive, workers)), 30.0)


def slow(name):
    time.sleep(0.5)
    return {"file": name}


def test_a_loop_of_a_shell_ends_with_the_command_that_is_interrupted(tmp_path, monkeypatch):
    """A shell continues a loop unless the signal itself has ended the command in it."""
    monkeypatch.chdir(tmp_path)
    with soundfile.SoundFile("a.wav", "w", RATE, 1, "PCM_16") as file:
        for _ in range(3000):
            file.write(np.zeros(RATE))
    command = " ".join([*COMMAND, "render", "--model", f"'{MODEL}'", "-y", "a.wav", "wet.wav"])
    with subprocess.Popen(
        ["bash", "-c", f"for i in 1 2 3; do echo round $i; {command}; done"],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
        preexec_fn=hear_interrupts,
    ) as shell:
        assert shell.stdout.readline() == "round 1\n"
        assert until(lambda: any(path.name.startswith(".wet") for path in tmp_path.iterdir()))
        os.killpg(shell.pid, signal.SIGINT)
        assert shell.stdout.read() == ""


IMPORTS = """
import signal, sys, threading, os
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.path.insert(0, {folder!r})
from rtfx.cli import main

def verb(arguments, **options):
    import swallows
    import time
    time.sleep(60)

main.group.main = verb
main.main(["info"])
"""
SWALLOWS = """
import os, signal, time
try:
    os.kill(os.getpid(), signal.SIGINT)
    for _ in range(100):
        time.sleep(0.001)
except BaseException:  # as some libraries do
    pass
"""


def test_an_import_that_ignores_an_interrupt_only_delays_it(tmp_path):
    (tmp_path / "swallows.py").write_text(SWALLOWS)
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS.format(folder=str(tmp_path))], env=ENVIRONMENT, capture_output=True, text=True
    )
    assert done.returncode == -signal.SIGINT and done.stderr == "rtfx: interrupted\n"
    assert time.monotonic() < begun + 50


@pytest.mark.parametrize("moment", range(6))
def test_an_interrupt_while_it_starts_leaves_no_traceback(moment, tmp_path):
    """The signal comes at each sixth of the start time, during any import."""
    begun = time.monotonic()
    subprocess.run([*COMMAND, "info", "klon.json"], env=ENVIRONMENT, capture_output=True, check=True)
    whole = time.monotonic() - begun
    code = "import sys, rtfx.__main__ as m; sys.argv[1:] = {}; print('begun', flush=True); m.main()"
    with subprocess.Popen(
        [sys.executable, "-c", code.format(["train", "--input", "no.wav", "--target", "no.wav"])],
        env=ENVIRONMENT,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hear_interrupts,
    ) as process:
        assert process.stdout.readline() == "begun\n"
        time.sleep(0.02 + whole * moment / 6)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=120)
    assert "Traceback" not in said and "Exception ignored" not in said
    assert process.returncode in (-signal.SIGINT, 1, 2)
    assert said.strip() in ("", "rtfx: interrupted") or process.returncode != -signal.SIGINT
