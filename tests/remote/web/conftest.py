"""A set list that plays on the null device, and the server of its page."""

import os

import pytest

import rtfx
from rtfx.remote.address import Address
from rtfx.remote.web import address
from rtfx.remote.web.address import listen
from rtfx.remote.web.server import Server

GIG = """
version: 1
presets:
  - name: verse
    chain:
      - {type: gate, threshold_db: -60}
      - {type: gain, id: boost, gain_db: 3}
      - {type: klon, gain: 0.35}
      - {type: eq, low_shelf_db: 2}
    scenes: {solo: {boost.gain_db: 9, klon.gain: 0.8}, quiet: {boost.gain_db: -12}}
  - name: lost
    chain: [{type: model, file: no-such-model.json}]
  - name: "The long and winding middle eight"
    chain: [{type: gain, gain_db: -3}]
  - name: chorus
    chain: [{type: gain, gain_db: 0}, {type: eq}]
  - name: amp
    chain: [{type: model, id: amp, file: klon.json}]
"""


@pytest.fixture(autouse=True)
def ports(monkeypatch):
    """Ports that no other worker of the tests takes when a server ends and another one follows it."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
    first = 18137 + 20 * worker
    monkeypatch.setattr(address, "PORTS", range(first, first + 20))


@pytest.fixture(scope="module")
def gig(tmp_path_factory):
    path = tmp_path_factory.mktemp("gig") / "gig.yaml"
    path.write_text(GIG)
    return path


@pytest.fixture
def stream(gig):
    with rtfx.Rig.from_yaml(gig).play(device="null", say=None) as stream:
        yield stream


@pytest.fixture
def served(stream):
    """A server on a free port of the loopback address."""
    server = Server(stream, listen(Address()))
    stream.accompany(server)
    return server
