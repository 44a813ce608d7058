"""The real path to a JACK server without hardware: sample-exact, even while the stream's Python interpreter is busy."""

import sys
import time

import pytest

from .jack_server import PERIOD, RATE, Server, Talker, installed

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="JACK's dummy driver is tried on Linux"),
    pytest.mark.skipif(not installed(), reason="jackd is not installed: sudo apt install jackd2"),
]
TRIES = 6  # a machine with other work loses a period now and then; every try is a whole measurement


class Bench:
    """A stream and a probe, connected; the probe's frames are counted from its own start."""

    def __init__(self, kind):
        self.server = server = Server().__enter__()
        try:
            self._connect(server, kind)
        except BaseException:
            server.end()  # JACK allows eight servers
            raise

    def _connect(self, server, kind):
        self.player = Talker(server, "jack_player", kind)
        self.probe = Talker(server, "jack_probe")
        assert self.probe.ask("connect"), "the stream's ports are not rtfx:in_1 and out_1"
        time.sleep(0.6)  # past the start fade
        for _ in range(TRIES):
            start = self.probe.ask("mark")[0]
            time.sleep(0.2)
            self.delay = self.probe.ask(f"delay {start}")
            if self.delay >= 0:
                break
        assert self.delay >= 0, "the noise does not come back"

    def measure(self, command):
        """Return what was wrong while the player did something, and the server's xruns meanwhile."""
        start, xruns = self.probe.ask("mark")
        did = self.player.ask(command)
        stop, xruns_after = self.probe.ask("mark")
        assert did
        time.sleep(0.05)
        return self.probe.ask(f"compare {start} {stop} {self.delay}") | {"xruns": xruns_after - xruns}

    def end(self):
        """End both processes, then the server: the other order would abort them."""
        try:
            seconds = self.player.ask("close")
            codes = self.player.end(), self.probe.end()
        finally:
            self.server.end()
        assert seconds < 3.0
        assert codes == (0, 0)


@pytest.fixture(scope="module")
def compiled():
    bench = Bench("compiled")
    yield bench
    bench.end()


def test_no_block_is_added(compiled):
    """One period round the loop of two clients: a fixed block size would add another."""
    assert compiled.delay == PERIOD


@pytest.mark.parametrize("disturbance", ["idle", "gil", "loop", "collect", "compile"])
def test_sample_exact_while(compiled, disturbance):
    if disturbance == "collect":
        compiled.player.ask("heap_of_garbage")
    results = []
    for _ in range(TRIES):
        results.append(compiled.measure(disturbance))
        if results[-1]["wrong"] == 0 and results[-1]["frames"] > RATE:
            break
    print(disturbance, results)
    assert results[-1]["wrong"] == 0 and results[-1]["frames"] > RATE, results


def test_an_ordinary_callback_is_the_control():
    """The same bench with a callback in Python loses more than half of its blocks, so the test detects a held GIL."""
    bench = Bench("python")
    result = bench.measure("gil")
    bench.end()
    print(result)
    assert result["lost"] > 0.5 * result["blocks"]


def test_server_dies():
    """The stream reports it, close returns, and the process ends without an error."""
    with Server() as server:
        player = Talker(server, "jack_player", "compiled")
        assert player.ask("active")
        server.process.kill()
        server.process.wait()
        deadline = time.monotonic() + 5.0
        while player.ask("active") and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not player.ask("active")
        assert player.ask("close") < 3.0
        assert player.end() == 0
