"""``rtfx send`` against a player that runs, as a script on the stage uses it."""

import json
import subprocess

import pytest

from tests.live.eventually import eventually

from .command import MODEL, process, rtfx, start


@pytest.fixture(autouse=True)
def runtime(tmp_path, monkeypatch):
    place = tmp_path / "run"
    place.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(place))
    return place


def test_without_a_player_it_fails_and_says_what_to_do(capsys):
    assert rtfx(capsys, "send", "mute") == (1, "", "rtfx: no player runs: start one with rtfx play\n")


def test_without_a_command_the_usage_is_wrong(capsys):
    code, _, said = rtfx(capsys, "send")
    assert code == 2 and "--list" in said


def test_the_list_names_every_command(capsys):
    from rtfx.live.commands import COMMANDS

    code, text, _ = rtfx(capsys, "send", "--list")
    assert code == 0 and text.endswith("no player runs\n")
    assert [line.split()[0] for line in text.splitlines()[: len(COMMANDS)]] == list(COMMANDS)
    code, text, _ = rtfx(capsys, "send", "--list", "--json")
    assert [json.loads(line)["command"] for line in text.splitlines()] == list(COMMANDS)


@pytest.mark.slow
def test_a_player_without_screen_is_driven_from_a_script(capsys, runtime, monkeypatch):
    from . import command

    monkeypatch.setitem(command.ENVIRONMENT, "XDG_RUNTIME_DIR", str(runtime))
    player = start("play", MODEL, "--device", "null", "--headless", "--json", "--name", "box", stdout=subprocess.PIPE)
    try:
        eventually(lambda: rtfx(capsys, "send", "--name", "box", "mute", "on")[0] == 0, 120.0)
        assert rtfx(capsys, "send", "out_gain_db", "-3")[:2] == (0, "out_gain_db -3.0 dB\n")
        assert rtfx(capsys, "send", "out_gain_db")[:2] == (0, "out_gain_db -3.0 dB\n")
        assert rtfx(capsys, "send", "preset", "7") == (2, "", "rtfx: there is no preset 7: 1 in all\n")
        code, text, _ = rtfx(capsys, "send", "--json", "state", "mute")
        assert json.loads(text) == {"code": 0, "ok": True, "text": "true"}
        assert rtfx(capsys, "send", "--name", "bow", "mute")[0] == 1
        done = process("send", "-", input=b"mute off\n\nout_gain_db -4\nnonsense\nquit\n")
        assert done.returncode == 2 and done.stdout == b"mute off\nout_gain_db -4.0 dB\nfading out\n"
        assert json.loads(player.communicate(timeout=60)[0])["device"] == "null" and player.returncode == 0
    finally:
        player.kill()
    assert not list(runtime.glob("rtfx/*"))
