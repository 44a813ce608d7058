"""Which surfaces a player opens."""

from rtfx.remote.surfaces import Surfaces


def test_a_player_always_has_a_socket(stream, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    Surfaces("stage").open(stream)
    assert [path.name.partition("-")[2] for path in (tmp_path / "rtfx").iterdir()] == ["stage.sock"]
    stream.close()
    assert not list((tmp_path / "rtfx").iterdir())
