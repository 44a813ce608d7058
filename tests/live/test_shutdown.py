"""A stream ends when it is released, on any thread and despite any failure, and releases everything."""

import gc
import os
import subprocess
import sys
import threading
import time
import types

import pytest

import rtfx
from rtfx.api import Model
from rtfx.host.null import NullHost
from rtfx.live import open as opening
from rtfx.live import shutdown as ending

from ..engine.rigs import gru


def playing():
    return rtfx.Rig([Model(gru())]).play(device="null", say=None)


def threads() -> list[str]:
    """Return the threads of streams, without those of the process: one ends PortAudio at exit, others compile."""
    names = {thread.name for thread in threading.enumerate()} - {"rtfx exit", "rtfx compiles"}
    return sorted(name for name in names if name.startswith("rtfx "))


def until(done, seconds=20.0) -> bool:
    deadline = time.monotonic() + seconds
    while not done() and time.monotonic() < deadline:
        time.sleep(0.02)
    return bool(done())


def in_a_cycle():
    """Play as a cell of a notebook that fails: the frame holds the error, and the error's traceback the frame."""
    stream = playing()
    try:
        stream.set("model.nothing", 1.0)
    except rtfx.errors.UsageError as error:
        kept = error
        assert kept.__traceback__
    return stream.host._thread


def test_a_stream_in_a_cycle_ends_while_the_program_waits(monkeypatch):
    monkeypatch.setattr(ending, "COLLECT_SECONDS", 0.2)
    gc.collect()
    gc.freeze()  # a collection is quick, so that its share of the time is no reason to wait
    thread = in_a_cycle()
    assert until(lambda: not thread.is_alive())
    assert until(lambda: not threads())
    gc.unfreeze()


@pytest.mark.slow
def test_the_next_stream_finds_the_device_free():
    thread = in_a_cycle()
    with playing():
        assert not thread.is_alive()


@pytest.mark.slow
@pytest.mark.parametrize("own", ["control", "takes"])
def test_the_collector_may_run_on_any_thread(own):
    """A thread of the stream cannot wait for itself; still every step of the end runs."""
    stream = playing()
    device = stream.host._thread
    ran = threading.Event()

    def collect():
        gc.collect()
        ran.set()

    (stream.takes if own == "takes" else stream.controller)._look = collect
    if own == "control":
        stream.controller._act = collect
    cycle = [stream]
    cycle.append(cycle)
    others = set(threading.enumerate())
    assert device in others
    del stream, cycle
    assert until(ran.is_set) and until(lambda: not device.is_alive() and not threads())


def test_the_collector_may_run_on_a_thread_that_starts(monkeypatch):
    """The collector ended a stream there and waited for a lock, whose holder waited for the thread to start."""
    free = []

    class Starting(threading.Thread):
        def start(self):
            found = threading.Thread(target=ending._forget, args=(object(),), daemon=True)
            found.start()
            found.join(20.0)
            free.append(not found.is_alive())
            super().start()

    gc.collect()
    assert until(lambda: ending._ender is None)
    monkeypatch.setattr(ending, "threading", types.SimpleNamespace(**vars(threading) | {"Thread": Starting}))
    with playing():
        assert free == [True]


def test_close_on_the_control_thread_ends_everything():
    stream = playing()
    stream.controller._act = stream.close
    assert until(lambda: not threads())
    assert not stream.active
    stream.close()


STEPS = ("clock", "fade", "companions", "controller", "host", "follower", "takes", "reclaim", "feed")


@pytest.mark.parametrize("step", range(len(STEPS)), ids=STEPS)
@pytest.mark.parametrize("fault", [OSError, KeyboardInterrupt])
def test_each_step_is_taken_whatever_happens_in_another(step, fault):
    stream = playing()
    steps = stream._ending._left
    assert len(steps) == len(STEPS)
    own = steps[step]

    def fails():
        own()
        raise fault("broken")

    steps[step] = fails
    with pytest.raises(fault, match="broken"):
        stream.close()
    assert until(lambda: not threads()) and not ending._open
    stream.close()


def test_many_threads_close_at_once():
    stream = playing()
    alive = []

    def close():
        stream.close()
        alive.append(stream.host._thread.is_alive())

    closers = [threading.Thread(target=close) for _ in range(8)]
    for closer in closers:
        closer.start()
    for closer in closers:
        closer.join(20.0)
    assert alive == [False] * 8, "each returns when the audio has ended"


def test_a_start_that_fails_leaves_nothing_behind(monkeypatch):
    from rtfx.live.controller import Controller

    def fails(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(Controller, "start", fails)
    with pytest.raises(RuntimeError):
        playing()
    assert until(lambda: not threads()) and not ending._open


def test_the_audio_thread_keeps_the_memory_that_it_uses():
    import weakref

    stream = playing()
    host, thread = weakref.ref(stream.host), stream.host._thread
    steps = stream._ending._left
    del steps[4]  # the host's
    stream.close()
    del stream, steps
    gc.collect()
    assert thread.is_alive() and host() is not None
    host().close()
    del thread
    gc.collect()
    assert host() is None


EXITS = {
    "open": "a, b = play(), play()",
    "in a cycle": "c = [play()]; c.append(c); d = [c]; d.append(d); del c, d",
    "exception": "a = play(); 1 / 0",
    "sys.exit": "a = play(); import sys; sys.exit(3)",
    "of another thread": "import threading; t = threading.Thread(target=lambda: globals().update(a=play())); t.start()",
    "collector off": "import gc; gc.disable(); c = [play()]; c.append(c); del c",
}


@pytest.mark.slow
@pytest.mark.parametrize("how", EXITS)
def test_the_interpreter_ends_with_a_stream_open(how, tmp_path):
    play = f"rtfx.Rig(['klon.json']).play(device='null', record={str(tmp_path / 'take.wav')!r} if record else None)"
    code = f"import rtfx\nrecord = True\ndef play():\n global record\n s = {play}\n record = False\n return s\n"
    done = subprocess.run([sys.executable, "-c", code + EXITS[how]], capture_output=True, text=True, timeout=120)
    assert done.returncode == {"exception": 1, "sys.exit": 3}.get(how, 0), done.stderr
    assert ("ZeroDivisionError" in done.stderr) if how == "exception" else not done.stderr, done.stderr
    import soundfile

    assert soundfile.info(tmp_path / "take.wav").frames > 0


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_process_leaves_the_stream_to_its_parent():
    code = """
import os, sys, time, rtfx
stream = rtfx.Rig(["klon.json"]).play(device="null", say=None)
child = os.fork()
if not child:
    sys.exit(7)
code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
clock = stream.engine.clock
time.sleep(0.2)
print(code, stream.active and stream.engine.clock > clock)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout == "7 True\n", done.stderr


def test_a_recording_that_cannot_begin_leaves_the_device_free(tmp_path, monkeypatch):
    def fails(*arguments):
        raise rtfx.errors.AudioFileError("no room")

    closed = []
    monkeypatch.setattr(opening, "Recorder", fails)
    monkeypatch.setattr(NullHost, "close", lambda self, patient=True: closed.append(self))
    with pytest.raises(rtfx.errors.AudioFileError, match="no room"):
        rtfx.Rig([Model(gru())]).play(device="null", say=None, record=tmp_path / "take.wav")
    assert len(closed) == 1
