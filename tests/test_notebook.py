"""Use in a notebook: examples that run, tensors, tables and players, types, and interrupts that end the audio."""

import ast
import io
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time
import types
import wave
from pathlib import Path

import numpy as np
import pytest

import rtfx
from rtfx.errors import RtfxError
from rtfx.live import shutdown
from tests.cli.command import ENVIRONMENT
from tests.engine.rigs import gru, lstm, noise
from tests.model.test_update import Tensor

ROOT = Path(__file__).parents[1]
RATE = 48000


def examples() -> list[tuple[str, str]]:
    """Return the examples of the page: title, and the code under it as one."""
    sections = (ROOT / "docs/how-to/notebook.md").read_text().split("\n## ")[1:]
    blocks = [(text.partition("\n")[0], re.findall(r"```python\n(.*?)```", text, re.DOTALL)) for text in sections]
    return [(title, "\n".join(code)) for title, code in blocks]


@pytest.mark.parametrize("title, code", examples(), ids=[title for title, _ in examples()])
def test_the_examples_run(title, code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tree = ast.parse(code)
    last = tree.body[-1]
    shown = ast.Expression(tree.body.pop().value) if isinstance(last, ast.Expr) else None
    scope: dict = {}
    exec(compile(tree, title, "exec"), scope)
    if shown:
        assert "<audio" in eval(compile(shown, title, "eval"), scope)._repr_html_()


def test_there_are_three_examples():
    assert len(examples()) == 3 and all("assert" in code for _, code in examples())


def test_tensors_are_taken_as_they_are():
    m, x = rtfx.Model(gru()), noise(1000)[:, 0]

    class Gradient(Tensor):
        ndim, shape = 1, (1000,)

    assert np.array_equal(m(Gradient(x), RATE), m(x, RATE))
    with rtfx.Rig([m]).play(device="null", input=Gradient(x), sample_rate=RATE, seconds=0.05) as stream:
        stream.wait(5.0)
    assert stream.stats.frames == 2400


def test_audio_is_a_wave_that_a_browser_plays():
    x = np.array([[0.0, 0.5, -2.0], [1.0, np.nan, 0.0]])
    with wave.open(io.BytesIO(rtfx.Audio(x, 44100).wav())) as file:
        assert (file.getnchannels(), file.getframerate(), file.getsampwidth()) == (2, 44100, 2)
        data = np.frombuffer(file.readframes(3), "<i2").reshape(3, 2).T
    assert np.array_equal(data, [[0, 16384, -32767], [32767, 0, 0]])
    one = rtfx.Audio(np.zeros(480), 48000)
    assert one._repr_html_().startswith("<audio controls src") and one.seconds == 0.01
    assert np.asarray(one).shape == (480,)
    with pytest.raises(RtfxError, match="transpose"):
        rtfx.Audio(np.zeros((480, 2)), 48000)
    assert len(rtfx.Audio(np.zeros(120 * 8000), 8000)._repr_html_()) < 1.4 * 2 * 60 * 8000


def test_tables_say_what_things_are_and_escape():
    m = rtfx.Model(lstm(), drive=0.8)
    assert "drive" in m._repr_html_() and "0.8 (0 to 1)" in m._repr_html_()
    rig = rtfx.Rig([m, {"type": "gain", "id": "boost"}])
    assert "model (test) → boost" in rig._repr_html_()
    path_like = rtfx.Rig([{"type": "model", "file": "<b>.json"}])._repr_html_()
    assert "&lt;b&gt;.json" in path_like and "<b>" not in path_like
    with rig.play(device="null", input=np.zeros(4800), sample_rate=RATE, seconds=0.1) as stream:
        assert "<audio" not in stream._repr_html_(), "not before it has ended"
        stream.wait(5.0)
    assert "<audio" in stream._repr_html_() and "load_p99" in stream.stats._repr_html_()


def test_what_was_played_is_kept():
    x = noise(4800)[:, 0]
    with rtfx.Rig([{"type": "gain"}]).play(device="null", input=x, sample_rate=RATE, seconds=0.2) as stream:
        stream.wait(5.0)
    assert stream.audio.samples.shape == (1, 9600) and stream.audio.sample_rate == RATE
    assert np.abs(stream.audio.samples).max() > 0.01


def test_on_a_server_it_says_that_nobody_hears(monkeypatch):
    from rtfx.host.choose import Choice
    from rtfx.live import open as opening

    monkeypatch.setattr(opening, "choose", lambda *_, **__: Choice(None, None, "null", ("no sound device found",)))
    said: list[str] = []
    rig = rtfx.Rig([rtfx.Model(gru())])
    with rig.play(input=np.zeros(480), sample_rate=RATE, seconds=0.05, say=said.append) as stream:
        stream.wait(5.0)
    assert len(said) == 1 and "there is no sound device" in said[0] and "stream.audio" in said[0]


SCRIPT = """
import time, numpy as np, rtfx
stream = rtfx.Rig([{"type": "gain"}]).play(device="null", input=np.zeros(48000 * 60), sample_rate=48000)
try:
    print("plays", flush=True)
    while True:
        time.sleep(0.01)  # a cell that knows nothing of the stream
except KeyboardInterrupt:
    begun = time.monotonic()
    while stream.active and time.monotonic() < begun + 3.0:
        time.sleep(0.01)
    print("ended" if not stream.active else "plays on", flush=True)
    stream.close()
import signal
print("handed back" if signal.getsignal(signal.SIGINT) is signal.default_int_handler else "kept")
"""


def test_an_interrupt_anywhere_ends_the_audio():
    code = f"import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n{SCRIPT}"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=ENVIRONMENT) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "plays\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.read() == "ended\nhanded back\n"


class Shell:
    """The part of IPython's shell that rtfx uses."""

    def __init__(self):
        self.events, self.hooks = self, []

    def register(self, name, function):
        assert name == "post_run_cell"
        self.hooks.append(function)


def test_an_interrupted_cell_of_a_notebook_ends_the_audio(monkeypatch):
    shell = Shell()
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
    rig = rtfx.Rig([{"type": "gain"}])
    streams = [rig.play(device="null", input=np.zeros(60 * RATE), sample_rate=RATE) for _ in range(2)]
    (hook,) = shell.hooks
    hook(types.SimpleNamespace(error_in_exec=None))
    hook(types.SimpleNamespace(error_in_exec=ZeroDivisionError()))
    assert all(stream.active for stream in streams), "another error, or none, leaves them alone"
    hook(types.SimpleNamespace(error_in_exec=KeyboardInterrupt()))
    assert not any(stream.active for stream in streams)
    assert not shutdown._closes_on_interrupt


def test_an_interrupt_of_wait_ends_a_with_block():
    def interrupt_soon():
        time.sleep(0.2)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        helper = threading.Thread(target=interrupt_soon)
        with pytest.raises(KeyboardInterrupt):
            with rtfx.Rig([{"type": "gain"}]).play(
                device="null", input=np.zeros(60 * RATE), sample_rate=RATE
            ) as stream:
                helper.start()
                stream.wait()
        helper.join()
        assert not stream.active
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


SNIPPET = """
import numpy as np
import rtfx

m = rtfx.load("klon.json", gain=0.5)
y = m(np.zeros(100), 48000, reset=True, bare=False, cold=False)
z = m([0.0, 0.1], 48000)
m.reset()
m.update(m)
m.update({"lin.weight": np.zeros((1, 8))})
rig = rtfx.Rig([m, "cab.wav", {"type": "gate"}])
other = rtfx.Rig.from_yaml("set.yaml", preset="edge")
w = rig(np.zeros((2, 100)), 48000.0)
done = rig.render("in.wav", "out.wav")
with rig.play(device=None, input=np.zeros(10), in_channel=1, sample_rate=None, block_size=0, seconds=1.0) as stream:
    stream.set("klon.gain", 0.7)
    value = stream.get("klon.gain")
    blocks = stream.stats.blocks
    addresses = [address for address, parameter, number in stream.parameters]
    ended = stream.wait(1.0)
    heard = stream.audio
try:
    rtfx.load("nothing")
except rtfx.errors.RtfxError as error:
    code = error.exit_code
reveal_type(m)
reveal_type(y)
reveal_type(rig)
reveal_type(stream)
reveal_type(value)
reveal_type(blocks)
reveal_type(addresses)
reveal_type(m.spec.outputs)
reveal_type(m.knobs)
reveal_type(heard.sample_rate)
reveal_type(code)
"""
REVEALED = [
    "rtfx.api.Model", "numpy.ndarray[", "rtfx.rigs.Rig", "rtfx.live.stream.Stream", "float", "int", "list[str]",
    "int", "dict[str, float]", "float", "int",
]  # fmt: skip


@pytest.mark.slow
def test_a_users_snippet_is_typed_strictly(tmp_path):
    """As an installed package, py.typed and all, would be checked: nothing that the user calls is Any or untyped."""
    pytest.importorskip("mypy")
    file = tmp_path / "snippet.py"
    file.write_text(textwrap.dedent(SNIPPET))
    (tmp_path / "mypy.ini").write_text("[mypy]\nstrict = True\nfollow_imports = silent\n")
    assert (ROOT / "rtfx" / "py.typed").is_file()
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--config-file",
        "mypy.ini",
        "--cache-dir",
        str(tmp_path / "cache"),
        file.name,
    ]
    environment = ENVIRONMENT | {"MYPYPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment, timeout=300)
    assert "error:" not in done.stdout, done.stdout + done.stderr
    revealed = re.findall(r'Revealed type is "(.*)"', done.stdout)
    assert len(revealed) == len(REVEALED), done.stdout
    for found, expected in zip(revealed, REVEALED, strict=True):
        assert found.replace("builtins.", "").startswith(expected), done.stdout
