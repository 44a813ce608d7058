"""Names of models, set lists and audio files: the order of places, suffixes, what is said if none is there."""

from pathlib import Path

import pytest

from rtfx import errors, find


@pytest.fixture
def places(tmp_path, monkeypatch):
    """A current folder, a user's folder and a shipped folder, all empty."""
    for name in ("here", "user/models", "user/presets", "shipped/models", "shipped/presets"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(find, "user_folder", lambda: tmp_path / "user")
    monkeypatch.setattr(find, "shipped", lambda: tmp_path / "shipped")
    return tmp_path


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{}")
    return path


def test_the_path_wins_then_the_user_then_the_shipped(places):
    shipped = touch(places / "shipped/models/klon.json")
    assert find.find_model("klon.json") == shipped
    user = touch(places / "user/models/klon.json")
    assert find.find_model("klon.json") == user
    touch(places / "here/klon.json")
    assert find.find_model("klon.json") == Path("klon.json")
    beside = touch(places / "setlist/klon.json")
    assert find.find_model(str(beside)) == beside


@pytest.mark.parametrize("suffix", [".json", ".nam", ".aidax"])
def test_the_suffix_may_be_left_out(places, suffix):
    path = touch(places / f"shipped/models/klon{suffix}")
    assert find.find_model("klon") == path


def test_a_folder_does_not_hide_a_model(places):
    (places / "here/klon").mkdir()
    assert find.find_model("klon") == Path("klon")
    path = touch(places / "shipped/models/klon.json")
    assert find.find_model("klon") == path


def test_presets_and_audio(places):
    preset = touch(places / "shipped/presets/gig.yaml")
    assert find.find_preset("gig") == preset
    cab = touch(places / "shipped/models/cabs/open-2x12.wav")
    assert find.find_audio("open-2x12") == cab
    clip = touch(places / "user/audio/clip.flac")
    assert find.find_audio("clip.flac") == clip


@pytest.mark.parametrize(
    "search, error",
    [(find.find_model, "NotAModelFile"), (find.find_preset, "PresetError"), (find.find_audio, "AudioFileError")],
)
def test_a_missing_name_says_where_it_looked_and_what_is_near(places, search, error):
    for name in ("models/klon.json", "presets/klon.yaml", "models/klon.wav"):
        touch(places / "shipped" / name)
    with pytest.raises(errors.RtfxError) as caught:
        search("klom.xyz")
    message = str(caught.value)
    assert type(caught.value).__name__ == error
    assert "'klom.xyz'" in message and "did you mean 'klon'" in message and str(places / "shipped") in message


@pytest.mark.parametrize("name", ["", "a\0b", "x" * 5000, "../" * 50, "/", "\ud800"])
def test_odd_names_are_errors_of_ours(places, name):
    try:
        found = find.find_model(name)
    except errors.NotAModelFile as error:
        assert "\n" not in str(error)
    else:
        assert found.is_dir()


def test_the_shipped_folder_of_a_checkout_is_the_project():
    assert (find.shipped() / "models").is_dir() and (find.shipped() / "presets").is_dir()
