"""Models and rigs in several threads and processes: one call runs at a time, and copies equal the original."""

import copy
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest
import soundfile

import rtfx
from rtfx.api import Model, Rig
from rtfx.errors import UsageError

from .engine.rigs import gru, lstm, noise, tcn

RATE = 48000
SIGNALS = [noise(4000, seed, 0.2)[:, 0] for seed in range(6)]
SPECS = {"gru": gru, "lstm": lstm, "tcn": tcn}


@pytest.mark.parametrize("name", SPECS)
def test_a_thread_pool_over_one_model(name):
    m = Model(SPECS[name]())
    alone = [m(x, RATE) for x in SIGNALS]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda i: m(SIGNALS[i % 6], RATE), range(60)))
    assert all(np.array_equal(y, alone[i % 6]) for i, y in enumerate(results))


def test_no_call_begins_within_another(monkeypatch):
    """Each block waits for a second thread, so that a race, which would be rare, happens always."""
    from rtfx.engine.offline import Offline

    inside, most = [], []
    process, other = Offline.process, threading.Event()

    def slow(self, x):
        inside.append(1)
        most.append(len(inside))
        other.wait(0.05)
        inside.pop()
        return process(self, x)

    monkeypatch.setattr(Offline, "process", slow)
    m = Model(gru())
    threads = [threading.Thread(target=m, args=(SIGNALS[0], RATE)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60.0)
    assert max(most) == 1 and len(most) >= 4


def test_pieces_of_a_stream_from_many_threads():
    """With reset=False each call continues from the state of the last one, on any thread."""
    m = Model(gru())
    x = np.full(100, 0.1, np.float32)
    m(x, RATE)
    whole = [m(x, RATE, reset=False) for _ in range(200)]
    m(x, RATE)
    with ThreadPoolExecutor(4) as pool:
        pieces = list(pool.map(lambda _: m(x, RATE, reset=False), range(200)))
    assert sorted(piece.tobytes() for piece in pieces) == sorted(piece.tobytes() for piece in whole)


def test_update_while_it_is_called():
    a, b = Model(gru(seed=1)), Model(gru(seed=2))
    expected = {a(SIGNALS[0], RATE, bare=True).tobytes(), b(SIGNALS[0], RATE, bare=True).tobytes()}
    m = Model(gru(seed=1))
    stop = threading.Event()

    def learn():
        while not stop.is_set():
            m.update(b)
            m.update(a)

    learner = threading.Thread(target=learn)
    learner.start()
    with ThreadPoolExecutor(2) as pool:
        results = {y.tobytes() for y in pool.map(lambda _: m(SIGNALS[0], RATE, bare=True), range(40))}
    stop.set()
    learner.join(60.0)
    assert results <= expected


def test_files_are_rendered_side_by_side(tmp_path):
    rig = Rig([Model(gru()), {"type": "gain", "gain_db": -3}])
    for i, x in enumerate(SIGNALS):
        soundfile.write(tmp_path / f"{i}.wav", x, RATE, subtype="FLOAT")

    def render(i):
        rig.render(tmp_path / f"{i}.wav", tmp_path / f"{i}.wet.wav", encoding="FLOAT")
        return soundfile.read(tmp_path / f"{i}.wet.wav", dtype="float32")[0]

    alone = [rig(x, RATE) for x in SIGNALS]
    with ThreadPoolExecutor(4) as pool:
        for y, expected in zip(pool.map(render, range(6)), alone, strict=True):
            assert np.array_equal(y[: expected.size], expected)


def changed() -> Rig:
    """Return a rig whose model has other knobs and weights than its file."""
    m = rtfx.load("klon.json")
    m.set("gain", 0.9)
    m.update({name: 1.02 * weights for name, weights in m.weights.items()})
    rig = Rig([m, {"type": "gain", "gain_db": 3}, "open-2x12.wav"])
    rig.cab = "none"
    return rig


COPIES = {
    "pickle": lambda thing: pickle.loads(pickle.dumps(thing)),
    "pickle 0": lambda thing: pickle.loads(pickle.dumps(thing, 0)),
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
}


@pytest.mark.parametrize("way", COPIES)
def test_a_copy_is_what_the_original_is_now(way):
    rig = changed()
    model = rig._held["model"]
    for thing in (model, rig):
        expected = thing(SIGNALS[0], RATE)
        other = COPIES[way](thing)
        assert np.array_equal(other(SIGNALS[0], RATE), expected)
    other = COPIES[way](model)
    other.set("gain", 0.1)
    assert model.knobs["gain"] == 0.9, "copies are turned one by one"


def test_a_copy_hears_its_own_model():
    rig, model = COPIES["pickle"]((changed(), rtfx.load("klon.json")))
    assert isinstance(model, Model)
    own = rig._held["model"]
    before = rig(SIGNALS[0], RATE)
    own.set("gain", 0.1)
    assert not np.array_equal(rig(SIGNALS[0], RATE), before)


def test_a_set_list_keeps_its_preset():
    rig = Rig.from_yaml("crunch.yaml", 2)
    other = COPIES["pickle"](rig)
    assert other.preset.name == rig.preset.name
    assert np.array_equal(other(SIGNALS[0], RATE), rig(SIGNALS[0], RATE))


def call(job):
    thing, x = job
    return thing(x, RATE)


@pytest.mark.slow
@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_a_process_pool(method):
    rig = changed()
    expected = [rig(x, RATE) for x in SIGNALS[:2]]
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(method)) as pool:
        for y, alone in zip(pool.map(call, [(rig, x) for x in SIGNALS[:2]]), expected, strict=True):
            assert np.array_equal(y, alone)


FORKED = """
import os, sys, threading, time
import numpy as np, soundfile, soxr, platformdirs  # a lock of the import system is not handed on
import rtfx
from rtfx.kernels import compile_workers

m = rtfx.load("klon.json")
x = np.zeros(48000, np.float32)
busy = threading.Thread(target=lambda: [m(x, 48000) for _ in range(10**6)], daemon=True)
if "{when}" == "while another thread calls":
    y = m(x, 48000)
    busy.start()
    time.sleep(0.1)
else:
    begun = compile_workers._Member._send
    started = threading.Event()
    compile_workers._Member._send = lambda self, message: (begun(self, message), started.set())
    busy.start()
    started.wait(60)
child = os.fork()
if not child:
    import faulthandler
    faulthandler.dump_traceback_later(60, exit=True)
    print("child", np.isfinite(m(x, 48000)).all(), flush=True)
    os._exit(0)
print("code", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
os._exit(0)
"""


@pytest.mark.slow
@pytest.mark.parametrize("when", ["while another thread calls", "while helpers compile"])
def test_a_forked_process_waits_for_no_thread_of_its_parent(when, tmp_path):
    env = {"RTFX_CACHE_DIR": str(tmp_path)} if when == "while helpers compile" else {}
    run = subprocess.run(
        [sys.executable, "-c", FORKED.format(when=when)],
        capture_output=True,
        text=True,
        env=os.environ | env,
        timeout=150,
    )
    assert run.stdout == "child True\ncode 0\n", run.stderr


def test_a_stream_refuses_in_a_line():
    with Rig([Model(gru())]).play(device="null", say=None) as stream:
        for way in COPIES.values():
            with pytest.raises(UsageError, match="cannot be copied or pickled") as refusal:
                way(stream)
            assert "\n" not in str(refusal.value)
