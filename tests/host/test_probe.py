"""``rtfx check`` measures with the block size that the device really asks for."""

import json
import subprocess
import sys

import pytest

from tests.cli.command import COMMAND

from .jack_server import PERIOD, ROOT, Server, installed

pytestmark = pytest.mark.slow


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="JACK's dummy driver is tried on Linux")
@pytest.mark.skipif(not installed(), reason="jackd is not installed: sudo apt install jackd2")
def test_the_period_of_a_jack_server_and_a_channel_that_its_card_does_not_have(tmp_path):
    path = tmp_path / "set.yaml"
    path.write_text("version: 1\ndevice: {input: system, in_channel: 5}\npresets:\n  - {name: a, chain: [gain]}\n")
    with Server() as server:
        done, played, named = (
            subprocess.run(
                [*COMMAND, *words], cwd=ROOT, env=server.environment, capture_output=True, text=True, timeout=120
            )
            for words in (
                ("check", path, "--json"),
                ("play", path, "--seconds", "0.2", "--headless"),
                ("play", path, "--seconds", "0.2", "--headless", "--in-channel", "2"),
            )
        )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines[-1]["block_frames"] == PERIOD, done.stderr
    assert "in_channel is 5, but system has 2 inputs" in done.stderr and done.returncode == 1
    assert "in_channel is 5, but system has 2 input channels: write 1 to 2" in played.stderr and played.returncode == 1
    assert named.returncode == 0, named.stderr
