"""Which surfaces a player opens."""

from dataclasses import replace

from rtfx.remote.surfaces import Surfaces
from rtfx.rig.midi_map import Mapping, MidiMap


def test_a_player_always_has_a_socket(stream, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    Surfaces("stage").open(stream)
    assert [path.name.partition("-")[2] for path in (tmp_path / "rtfx").iterdir()] == ["stage.sock"]
    stream.close()
    assert not list((tmp_path / "rtfx").iterdir())


def test_a_map_in_the_set_list_opens_midi(stream, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setattr("rtfx.remote.midi_ports.backend", lambda: -1)
    stream.set_list = replace(stream.set_list, midi=MidiMap((Mapping("cc", 80, do="mute"),)))
    Surfaces("stage").open(stream)
    assert [one["control"] for one in stream.snapshot()["midi"]["map"]] == ["CC 80"]
