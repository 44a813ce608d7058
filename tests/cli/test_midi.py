"""``rtfx midi``: the devices, and what arrives."""

import json
import subprocess

import pytest

from rtfx.remote import midi_ports
from tests.host.jack_server import Server, installed

from . import command
from .command import rtfx, start


def test_without_midi_it_says_what_is_missing(capsys, monkeypatch):
    monkeypatch.setattr(midi_ports, "backend", lambda: -1)
    code, text, said = rtfx(capsys, "midi")
    assert (code, text) == (1, "") and said.startswith("rtfx: there is no MIDI here")


@pytest.mark.slow
@pytest.mark.skipif(not installed(), reason="jackd is not installed: sudo apt install jackd2")
@pytest.mark.skipif(midi_ports.os.path.exists(midi_ports.ALSA_SEQUENCER), reason="ALSA's sequencer goes before JACK")
def test_devices_and_messages_are_printed(monkeypatch):
    from tests.remote.test_midi_ports import Board

    with Server() as server:
        monkeypatch.setattr(command, "ENVIRONMENT", command.ENVIRONMENT | server.environment)
        board = Board(server)
        listens = start("midi", "board", "--json", "--seconds", "60", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            assert json.loads(listens.stdout.readline()) == {"device": "board:out", "kind": "input"}
            while b"board:out" not in listens.stderr.readline():
                pass
            board.ask("send 192 1")
            lines = iter(listens.stdout.readline, b"")
            found = next(each for each in map(json.loads, lines) if "data" in each)
            assert found == {"device": "board:out", "kind": "PC", "channel": 1, "data": [1]}
        finally:
            listens.kill()
            listens.communicate()
            board.kill()
