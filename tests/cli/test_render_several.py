"""Several models, set lists and presets are all rendered: none is dropped silently."""

import json
import os
import unicodedata

import numpy as np
import pytest
import soundfile

from .command import RATE, rtfx

LIST = """\
version: 1
presets:
  - {name: loud, chain: [{type: gain}]}
  - {name: half, chain: [{type: gain, gain_db: -6}]}
  - {name: soft, chain: [{type: gain, gain_db: -20}]}
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "cpu_count", lambda: 1)  # workers only where a test names --jobs: they start slowly
    rng = np.random.default_rng(3)
    for name in ("a.wav", "b.flac"):
        soundfile.write(name, 0.2 * rng.standard_normal(3000), RATE)
    (tmp_path / "set.yaml").write_text(LIST)
    for name, gain in (("one.json", 0.5), ("two.json", 0.1)):
        (tmp_path / name).write_text(
            json.dumps({"version": "0.5.4", "architecture": "Linear", "config": {"receptive_field": 1, "bias": False},
                        "weights": [gain], "sample_rate": RATE, "metadata": {"gear_type": "pedal"}})
        )  # fmt: skip
    return tmp_path


def read(name):
    return soundfile.read(name, dtype="float32")[0]


def listing(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*") if not path.name.startswith("."))


def test_models_and_sources_make_the_product(capsys, place):
    flags = ("--model", "one.json", "--model", "two.json", "--bare", "--jobs", 2, "--float")
    code, _, err = rtfx(capsys, "render", *flags, "a.wav", "b.flac", "out")
    assert code == 0, err
    assert listing(place / "out") == ["a_one.wav", "a_two.wav", "b_one.wav", "b_two.wav"]
    for source, stem in (("a.wav", "a"), ("b.flac", "b")):
        for model, gain in (("one", 0.5), ("two", 0.1)):
            assert np.allclose(read(f"out/{stem}_{model}.wav"), gain * read(source), atol=1e-6)


def test_one_source_and_several_models_go_into_a_folder_and_never_into_one_file(capsys, place):
    flags = ("--model", "one.json", "--model", "two.json")
    for target in ("wet.wav", "-"):
        code, out, err = rtfx(capsys, "render", *flags, "a.wav", target)
        assert (code, out) == (2, "") and "expected a folder as OUT for 2 rigs" in err
    assert not (place / "wet.wav").exists()
    assert rtfx(capsys, "render", *flags, "a.wav", "out")[0] == 0
    assert listing(place / "out") == ["a_one.wav", "a_two.wav"]


def test_all_presets_of_a_set_list_or_the_one_that_is_named(capsys, place):
    assert rtfx(capsys, "render", "set.yaml", "a.wav", "out", "--float")[0] == 0
    assert listing(place / "out") == ["a_half.wav", "a_loud.wav", "a_soft.wav"]
    assert np.allclose(read("out/a_soft.wav"), 0.1 * read("a.wav"), atol=1e-6)
    assert rtfx(capsys, "render", "--rig", "set.yaml:half", "a.wav", "one/")[0] == 0
    assert listing(place / "one") == ["a.wav"]
    code, _, err = rtfx(capsys, "render", "--rig", "set.yaml", "a.wav", "wet.wav", "--float")
    assert code == 0 and "set.yaml has 3 presets and wet.wav is one file: rendering the first, loud" in err
    assert np.array_equal(read("wet.wav"), read("a.wav"))


def test_set_lists_and_models_together_and_names_that_are_alike(capsys, place):
    (place / "sub").mkdir()
    (place / "sub" / "one.json").write_bytes((place / "two.json").read_bytes())
    (place / "other.yaml").write_text(LIST.replace("half", "Loud").replace("soft", "a/b"))
    flags = ("--rig", "set.yaml:loud", "--rig", "other.yaml", "--model", "one.json", "--model", "sub/one.json")
    code, _, err = rtfx(capsys, "render", *flags, "a.wav", "out")
    assert code == 0, err
    names = ["loud", "loud 2", "Loud 3", "a_b", "one", "one 2"]
    assert listing(place / "out") == sorted(f"a_{name}.wav" for name in names)


def test_the_good_presets_are_rendered_and_the_bad_ones_named(capsys, place):
    (place / "set.yaml").write_text(LIST.replace("{type: gain, gain_db: -6}", "{type: model, file: gone.nam}"))
    for jobs in (1, 2):
        code, _, err = rtfx(capsys, "render", "set.yaml", "a.wav", "b.flac", f"out{jobs}", "--jobs", jobs)
        assert code == 1
        assert listing(place / f"out{jobs}") == ["a_loud.wav", "a_soft.wav", "b_loud.flac", "b_soft.flac"]
        assert err.count("half: set.yaml:4: chain[0] (model): 'gone.nam': no such model") == 1
        assert err.splitlines()[-1] == "rtfx: 2 of 6 files failed"
    code, _, err = rtfx(capsys, "render", "set.yaml:half", "a.wav", "wet.wav")
    assert code == 1 and err.splitlines()[-1].startswith("rtfx: set.yaml:4: ") and not (place / "wet.wav").exists()
    (place / "set.yaml").write_text((place / "set.yaml").read_text().replace("{type: gain}", "{type: ir, file: x.wav}"))
    code, _, err = rtfx(capsys, "render", "set.yaml", "a.wav", "wet.wav")  # the first is what one file would hold
    assert code == 1 and "'x.wav': no such audio file" in err.splitlines()[-1] and not (place / "wet.wav").exists()


def test_an_interrupted_run_of_several_goes_on_and_a_changed_preset_is_not_taken_for_finished(capsys, place):
    arguments = ("render", "set.yaml", "--model", "one.json", "a.wav", "out")
    assert rtfx(capsys, *arguments)[0] == 0
    (place / "out" / "a_half.wav").unlink()
    code, _, err = rtfx(capsys, *arguments)
    assert code == 0 and err.count("finished before") == 3
    (place / "set.yaml").write_text(LIST.replace("-20", "-30"))
    code, _, err = rtfx(capsys, *arguments)
    assert code == 1 and "a_soft.wav exists already" in err and err.count("finished before") == 3


def test_what_a_rig_has_to_say_names_it(capsys, place):
    code, _, err = rtfx(capsys, "render", "--model", "one.json", "--model", "klon.json", "a.wav", "out")
    assert code == 0
    assert err.count("rtfx: one: model: +") + err.count("rtfx: one: model: -") == 1
    assert err.count("rtfx: klon: model: +") == 1


def test_presets_are_chosen_in_either_spelling_of_their_accents(capsys, place):
    composed, apart = (unicodedata.normalize(form, "Übung") for form in ("NFC", "NFD"))
    (place / "set.yaml").write_text(LIST.replace("soft", apart))
    assert rtfx(capsys, "render", f"set.yaml:{composed}", "a.wav", "wet.wav", "--float")[0] == 0
    assert np.allclose(read("wet.wav"), 0.1 * read("a.wav"), atol=1e-6)
