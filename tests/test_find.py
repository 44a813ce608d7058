"""Names of models, set lists and audio files: the order of places, suffixes, and the message if there is none."""

import unicodedata
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


def test_composed_and_decomposed_accents_are_one_name(places):
    written, on_disk = (unicodedata.normalize(form, "Förstärkare/été.json") for form in ("NFC", "NFD"))
    for one, other in ((written, on_disk), (on_disk, written)):
        path = touch(places / f"{len(one)}" / other)
        assert find.find_model(one, [places / f"{len(one)}"]) == path
        assert find.find_model(one.removesuffix(".json"), [places / f"{len(one)}"]) == path


def test_backslashes_separate_folders(places):
    path = touch(places / "gig/models/klon.json")
    assert find.find_model("models\\klon.json", [places / "gig"]) == path
    odd = touch(places / "gig/a\\b.json")  # where a name holds one, it is the name
    assert find.find_model("a\\b.json", [places / "gig"]) == odd


HINTS = [
    ("KLON.JSON", "'klon.json'?"),
    ("Sub/My_Klon.NAM", "'sub/my_klon.nam'?"),
    ("sub/my_klom.nam", "'sub/my_klon.nam'?"),
    ("/home/gone/models/klon.json", "'klon.json', which is in {gig}?"),
    ("C:\\Users\\me\\Klon.json", "'klon.json', which is in {gig}?"),
    ("elsewhere/klon.json", "'klon.json', which is in {gig}?"),
    ("~/gone/klon.json", "'klon.json', which is in {gig}?"),
]


@pytest.mark.parametrize(("name", "hint"), HINTS)
def test_a_name_that_is_not_there_is_told_as_it_must_be_written(places, name, hint):
    gig = places / "gig"
    touch(gig / "klon.json")
    touch(gig / "sub/my_klon.nam")
    with pytest.raises(errors.NotAModelFile) as caught:
        find.find_model(name, [gig])
    message = str(caught.value)
    assert f"(did you mean {hint.format(gig=gig)}" in message
    looked = message.partition("looked in ")[2]
    for place in (gig, "the current folder", places / "user/models", places / "shipped/models"):
        assert str(place) in looked
    if name.startswith(("/", "C:", "~")):
        assert "(no such folder)" in looked


def test_a_name_below_an_absolute_folder_is_told_too(places):
    gig = places / "gig"
    path = touch(gig / "Klon Deep.json")
    for name in ("klon deep.JSON", "klon dep.json"):
        with pytest.raises(errors.NotAModelFile) as caught:
            find.find_model(gig / name)
        assert f"(did you mean '{path}'?)" in str(caught.value)
    assert find.find_model(places / "gig" / "Klon Deep") == path


def test_a_way_up_is_not_looked_for_among_the_shipped_models(places):
    touch(places / "shipped/models/klon.json")
    with pytest.raises(errors.NotAModelFile, match=r"did you mean 'klon.json', which is in .*shipped/models"):
        find.find_model("../models/klon.json", [places / "gig"])
    path = touch(places / "models/klon.json")
    (places / "gig").mkdir()
    assert find.find_model("../models/klon.json", [places / "gig"]).resolve() == path


def test_the_dry_recording_gets_a_hint_too(places):
    touch(places / "here/Dry.WAV")
    with pytest.raises(errors.AudioFileError, match=r"^dry.wav: no such file \(did you mean 'Dry.WAV'\?\), expected"):
        find.check_audio("dry.wav")


def test_a_name_is_shown_as_it_is_written(places):
    with pytest.raises(errors.NotAModelFile) as caught:
        find.find_model("マーシャル\u3000クランチ.json")
    assert str(caught.value).startswith("'マーシャル\u3000クランチ.json': no such model")
