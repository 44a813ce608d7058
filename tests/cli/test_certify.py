"""verify --realtime: the certificate of a model's audio thread; --jack: the GIL is held while it plays."""

import json
import sys

import pytest

from rtfx import certificate
from rtfx.errors import RtfxError
from rtfx.gil import GilTest
from tests.host.jack_server import Server, installed

from .command import ENVIRONMENT, MODEL, process, rtfx

TRIES = 3  # a machine with other work loses a period now and then


@pytest.fixture(scope="module")
def found():
    from rtfx.model.load import load

    return certificate.certify(load(MODEL))


def test_certificate(capsys, monkeypatch, found):
    monkeypatch.setattr(certificate, "certify", lambda spec: found)
    code, out, err = rtfx(capsys, "verify", "--realtime", MODEL)
    assert code == 0, err
    assert f"safe on the audio thread: {found.functions} compiled functions" in out
    assert "each of them returns 0 only" in out and "clock_gettime" in out and "no allocation" in out
    code, out, _ = rtfx(capsys, "verify", "--realtime", "--json", MODEL)
    said = json.loads(out)
    assert (code, said["ok"], said["violations"]) == (0, True, {})
    assert said["functions"] == len(said["kernels"]) and "gil_test" not in said


def test_a_function_that_allocates_is_refused(capsys, monkeypatch):
    bad = certificate.Certificate(False, 3, 9, ["memmove"], {"kernels.x": ["calls NRT_Allocate"]}, ["kernels.x"])
    monkeypatch.setattr(certificate, "certify", lambda spec: bad)
    code, out, err = rtfx(capsys, "verify", "--realtime", MODEL)
    assert code == 1
    assert "NOT safe" in out and "kernels.x: calls NRT_Allocate" in out
    assert "1 of 1 models" in err


def test_a_callback_that_waits_for_python_fails(capsys, monkeypatch, found):
    monkeypatch.setattr(certificate, "certify", lambda spec: found)
    monkeypatch.setattr("rtfx.gil.gil_test", lambda spec: GilTest(False, 3.0, 256, 562, 2, 1, 5, "none"))
    code, out, _ = rtfx(capsys, "verify", "--jack", MODEL)
    assert code == 1 and "FAILED: the compiled callback played 2 of 562 blocks" in out


def test_without_a_server_it_says_so(monkeypatch):
    monkeypatch.setattr("rtfx.gil.jack_devices", list)
    with pytest.raises(RtfxError, match="no JACK server runs"):
        from rtfx.gil import gil_test

        gil_test(None)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="JACK's dummy driver is tried on Linux")
@pytest.mark.skipif(not installed(), reason="jackd is not installed: sudo apt install jackd2")
def test_the_gil_is_held_while_it_plays(monkeypatch):
    with Server() as server:
        for name, value in server.environment.items():
            monkeypatch.setitem(ENVIRONMENT, name, value)
        for _ in range(TRIES):
            done = process("verify", "--jack", "--json", MODEL)
            said = json.loads(done.stdout)
            print(said["gil_test"])
            if done.returncode == 0:
                break
    assert done.returncode == 0, done.stderr
    held = said["gil_test"]
    assert held["ok"] and held["held_seconds"] >= 3.0
    assert held["compiled_blocks"] > 0.9 * held["expected_blocks"] > 400
    assert held["python_blocks"] < 0.1 * held["expected_blocks"], "the control: it can see a held GIL"
