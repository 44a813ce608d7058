"""Set lists: what they say is kept; what they say wrong is refused with file, line, key and a suggestion."""

import json
import unicodedata
from pathlib import Path

import pytest

from rtfx.effects.table import BLOCKS
from rtfx.errors import PresetError, UsageError
from rtfx.rig.parameters import Parameter
from rtfx.rig.presets import split_selection
from rtfx.rig.set_list import load_set_list, read_in_spite

GOOD = """\
version: 1
device: {input: Scarlett, output: 3, in_channel: 2, sample_rate: 48000, block: 0, latency: low}
global: {out_gain_db: -3, limiter: true}
presets:
  - name: edge
    chain:
      - {type: gate, threshold_db: -60}
      - {type: model, id: klon, file: klon.json, gain: 0.35, level_db: -6}
      - {type: gain, gain_db: 1}
      - {type: gain, gain_db: "2"}
      - {type: cab, file: open-2x12.wav}
    scenes:
      solo:
        klon.gain: 0.8
        gain_2.gain_db: 4
      quiet: {}
  - name: "2nd"
    chain:
      - {type: model, file: "random:tcn?seed=42&layers=6"}
      - {type: gain, id: gain_2}
      - type: gain
      - type: gain
"""


def write(folder, text, name="set.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


@pytest.fixture
def good(tmp_path):
    write(tmp_path, "{}", "klon.json")
    return load_set_list(write(tmp_path, GOOD), BLOCKS)


def test_what_it_says(good, tmp_path):
    assert good.device == {
        "input": "Scarlett", "output": 3, "in_channel": (2,), "sample_rate": 48000.0, "block": 0, "latency": "low",
    }  # fmt: skip
    assert good.globals == {"out_gain_db": -3.0, "limiter": True}
    edge, second = good.presets
    assert [block.id for block in edge.chain] == ["gate", "klon", "gain", "gain_2", "cab"]
    assert [block.id for block in second.chain] == ["model", "gain_2", "gain", "gain_3"]
    gate, klon, _, gain, cab = edge.chain
    assert gate.values == {"threshold_db": -60.0} and gate.file is None
    assert klon.values == {"gain": 0.35, "level_db": -6.0} and gain.values == {"gain_db": 2.0}
    assert klon.file == tmp_path / "klon.json"  # beside the set list
    assert cab.file == "open-2x12.wav"  # to be looked for in the usual places
    assert second.chain[0].file == "random:tcn?seed=42&layers=6"
    assert edge.scenes == {"solo": {"klon.gain": 0.8, "gain_2.gain_db": 4.0}, "quiet": {}}
    assert klon.lines["gain"] == 8 and edge.lines["solo", "klon.gain"] == 14
    assert str(cab.error("file", "no such file")) == f"{tmp_path}/set.yaml:11: chain[4] (cab): no such file"


def test_selection(good):
    assert good.select().name == "edge"
    assert good.select("2nd") is good.select(2) is good.select("2")
    assert good.index("edge") == 0
    for key in ("egde", "3", "0", "-1", 0, "1.5", ""):
        with pytest.raises(UsageError, match="expected one of: 1 edge, 2 2nd"):
            good.select(key)
    with pytest.raises(UsageError, match="did you mean 'edge'"):
        good.select("egde")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rig.yaml", ("rig.yaml", None)),
        ("rig.yaml:2", ("rig.yaml", "2")),
        ("a/rig.YML:my lead: loud", ("a/rig.YML", "my lead: loud")),
        ("C:\\rig.yaml", ("C:\\rig.yaml", None)),
        ("C:\\rig.yaml:solo", ("C:\\rig.yaml", "solo")),
        ("klon.json", ("klon.json", None)),
        ("random:tcn?seed=1", ("random:tcn?seed=1", None)),
    ],
)
def test_split_selection(text, expected):
    assert split_selection(text) == expected


KNOBS = (*BLOCKS["model"].parameters, Parameter("gain", 0.5), Parameter("size", 1.0, kind="structural"))


def test_knobs_are_checked_when_they_are_known(tmp_path):
    def check(text):
        preset = load_set_list(write(tmp_path, GOOD.replace("gain: 0.35", text)), BLOCKS).presets[0]
        preset.check(preset.chain[1], KNOBS)

    check("gain: 0.35")
    with pytest.raises(PresetError, match=r"set.yaml:8: chain\[1\] \(model\): unknown key 'gian' \(did you mean 'ga"):
        check("gian: 0.35")
    with pytest.raises(PresetError, match=r"set.yaml:8: .*gain is 1.5, expected a number from 0 to 1"):
        check("gain: 1.5")
    with pytest.raises(PresetError, match="gain is nan"):
        check("gain: .nan")


def test_knobs_in_scenes_are_checked_when_they_are_known(tmp_path):
    def check(text):
        preset = load_set_list(write(tmp_path, GOOD.replace("klon.gain: 0.8", text)), BLOCKS).presets[0]
        preset.check(preset.chain[1], KNOBS)

    with pytest.raises(PresetError, match=r"set.yaml:14: scenes.solo: klon.gian: unknown key 'gian' \(did you mean"):
        check("klon.gian: 0.8")
    with pytest.raises(PresetError, match="gain is -1, expected a number from 0 to 1"):
        check("klon.gain: -1")
    with pytest.raises(PresetError, match="size is structural"):
        check("klon.size: 0.5")


TOP = "version: 1\npresets:\n  - name: a\n    chain:\n"
CHAIN = TOP + "      - {type: gate}\n      - "  # line 6
SCENE = CHAIN + "{type: model, id: m, file: m.json, drive: 1}\n    scenes:\n      solo: "  # line 8
ONE = "      - {type: gain}\n"
BAD = {
    # what: (text, line, words of the message)
    "unknown key": (
        CHAIN + "{type: gate, treshold_db: -60}", 6,
        "chain[1] (gate): unknown key 'treshold_db' (did you mean 'threshold_db'?), allowed: type, id, threshold_db",
    ),
    "key of a later line": (CHAIN + "type: gate\n        range_db: 60\n        rnge: 3", 8, "did you mean 'range_db'"),
    "file where none is": (
        CHAIN + "{type: gate, file: a.wav}", 6,
        "unknown key 'file', allowed: type, id, threshold_db",
    ),
    "out of range": (
        CHAIN + "{type: gate, threshold_db: 3}", 6,
        "threshold_db is 3, expected a number from -90 to 0 dB",
    ),
    "text for a number": (
        CHAIN + "{type: gain, gain_db: loud}", 6,
        "gain_db is 'loud', expected a number from -60 to 24",
    ),
    "true for a number": (CHAIN + "{type: gain, gain_db: true}", 6, "gain_db is True, expected a number"),
    "nothing for a number": (CHAIN + "{type: gain, gain_db: }", 6, "gain_db is None, expected a number"),
    "list for a number": (CHAIN + "{type: gain, gain_db: [1]}", 6, "gain_db is [1], expected a number"),
    "nan": (CHAIN + "{type: gain, gain_db: .nan}", 6, "gain_db is nan, expected a number"),
    "huge": (CHAIN + "{type: gain, gain_db: 1" + "0" * 400 + "}", 6, "expected a number from -60 to 24 dB"),
    "unknown type": (
        CHAIN + "{type: gaet}", 6,
        "unknown type 'gaet' (did you mean 'gate'?), expected one of: ",
    ),
    "type is a list": (CHAIN + "{type: [gate]}", 6, "unknown type a list, expected one of: "),
    "no type": (CHAIN + "{threshold_db: -60}", 6, "chain[1]: missing key 'type'"),
    "block is text": (CHAIN + "gaet", 6, "chain[1] is 'gaet', expected keys with values"),
    "no file": (CHAIN + "{type: cab}", 6, "chain[1] (cab): missing key 'file'"),
    "file is a number": (CHAIN + "{type: cab, file: 12}", 6, "file is 12, expected text: put it in quotes"),
    "file is empty": (CHAIN + "{type: cab, file: }", 6, "file is empty, expected text"),
    "misspelt file": (CHAIN + "{type: model, fiel: a.json}", 6, "unknown key 'fiel' (did you mean 'file'?)"),
    "knob is text": (
        CHAIN + "{type: model, file: a.json, drive: loud}", 6,
        "drive is 'loud', expected a number: a knob",
    ),
    "model's own parameter": (CHAIN + "{type: model, file: a.json, input_db: 99}", 6, "input_db is 99, expected"),
    "bad id": (CHAIN + "{type: gain, id: my.gain}", 6, "id is 'my.gain', expected letters, digits, - and _"),
    "same id": (TOP + "      - {type: gate, id: x}\n      - {type: gain, id: x}", 6, "id 'x' is that of chain[0]"),
    "scene: unknown block": (
        SCENE + "{mm.drive: 1}", 8,
        "unknown address 'mm.drive' (did you mean 'm.drive'?), expected",
    ),
    "scene: no block": (SCENE + "{drive: 1}", 8, "expected block.parameter with a block of: gate, m"),
    "scene: unknown key": (
        SCENE + "\n        gate.rnge_db: 1", 9,
        "gate.rnge_db: unknown key 'rnge_db' (did you mean 'ran",
    ),
    "scene: out of range": (SCENE + "{gate.range_db: 1000}", 8, "range_db is 1000, expected a number from 0 to 100 dB"),
    "scene: file": (SCENE + "{m.file: b.json}", 8, "m.file: is 'b.json', expected a number: a knob of the model"),
    "scene: a list": (SCENE + "[1]", 8, "scenes.solo is a list, expected keys with values"),
    "no version": ("presets: []", 1, "missing key 'version'"),
    "other version": ("version: 2\npresets: []", 1, "version is 2, expected 1"),
    "version is true": ("version: true\npresets: []", 1, "version is True, expected 1"),
    "no presets": ("version: 1", 1, "missing key 'presets'"),
    "empty presets": ("version: 1\npresets: []", 2, "presets is an empty list, expected a list of presets"),
    "presets by name": ("version: 1\npresets: {a: 1}", 2, "presets is a mapping, expected a list of presets"),
    "a list at the top": ("- 1", 1, "the set list is a list, expected keys with values"),
    "unknown key at the top": (
        "version: 1\npreset: []", 2,
        "unknown key 'preset' (did you mean 'presets'?), allowed: ver",
    ),
    "no name": ("version: 1\npresets:\n  - chain: []", 3, "presets[0]: missing key 'name'"),
    "name is a number": (
        "version: 1\npresets:\n  - name: 5\n    chain: []", 3,
        "name is 5, expected text: put it in quo",
    ),
    "no chain": ("version: 1\npresets:\n  - name: a", 3, "presets[0]: missing key 'chain'"),
    "empty chain": ("version: 1\npresets:\n  - name: a\n    chain:", 4, "chain is empty, expected a list of blocks"),
    "same name": (TOP + ONE + "  - name: a\n    chain:\n" + ONE, 6, "a second preset is called 'a'"),
    "device per preset": (
        TOP + ONE + "    device: {input: 1}", 6,
        "presets[0]: unknown key 'device', allowed: name, bpm, louder_db, ch",
    ),
    "unknown device key": (TOP + ONE + "device: {sample_rat: 1}", 6, "did you mean 'sample_rate'"),
    "device channel": (TOP + ONE + "device: {in_channel: 0}", 6, "in_channel is 0, expected a channel from 1 to 256"),
    "half a channel": (TOP + ONE + "device: {in_channel: 1.5}", 6, "in_channel is 1.5, expected a channel from 1"),
    "device name": (TOP + ONE + "device: {input: 1.5}", 6, "device: input is 1.5, expected text"),
    "latency": (
        TOP + ONE + "device: {latency: lowest}", 6,
        "latency is 'lowest', expected a number from 0 to 5 s, low or",
    ),
    "global": (
        TOP + ONE + "global: {out_gain: 3}", 6,
        "unknown key 'out_gain' (did you mean 'out_gain_db'?), allowed:",
    ),
    "global range": (
        TOP + ONE + "global: {out_gain_db: 99}", 6,
        "out_gain_db is 99, expected a number from -60 to 24 dB",
    ),
    "limiter": (TOP + ONE + "global: {limiter: 1}", 6, "limiter is 1, expected true or false"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_errors(tmp_path, case):
    text, line, words = BAD[case]
    path = write(tmp_path, text + "\n")
    with pytest.raises(PresetError) as caught:
        load_set_list(path, BLOCKS)
    message = str(caught.value)
    assert message.startswith(f"{path}:{line}: "), message
    assert words in message
    assert "\n" not in message


SEVERAL = """\
version: 1
presets:
  - name: one
    tempo: 120
    chain:
      - {type: gate, bypass: true, threshold_db: 9}
      - {type: reverbb, mix: 0.3}
      - {type: amp, file: a.json, drive: loud}
    scenes:
      solo: {gate.bright: 1, reverbb.mix: 0.5, amp.file: b.json, out_gain_db: 3}
  - name: one
    chain: [{type: gain}]
  - Outro
  - chain: []
global: {tuner: true, out_gain_db: 99}
midi: {pc: true}
"""


def test_one_reading_finds_every_mistake_and_none_that_only_follows_from_another(tmp_path):
    path = write(tmp_path, SEVERAL)
    read = read_in_spite(path, BLOCKS)
    expected = [
        (4, "unknown key 'tempo'"),
        (6, "unknown key 'bypass'"),
        (6, "threshold_db is 9"),
        (7, "unknown type 'reverbb'"),
        (8, "drive is 'loud'"),
        (10, "gate.bright: unknown key 'bright'"),
        (10, "amp.file: is 'b.json'"),
        (10, "unknown address 'out_gain_db'"),
        (11, "a second preset is called 'one'"),
        (13, "presets[2] is 'Outro'"),
        (14, "presets[3]: missing key 'name'"),
        (14, "chain is an empty list"),
        (15, "unknown key 'tuner'"),
        (15, "out_gain_db is 99"),
        (16, "midi: unknown key 'pc'"),
    ]
    assert len(read.mistakes) == len(expected), "\n".join(read.mistakes)
    for (line, words), message in zip(expected, read.mistakes, strict=True):
        assert message.startswith(f"{path}:{line}: ") and words in message
    with pytest.raises(PresetError, match=r"set.yaml:4: .*'tempo'.* \(and 14 more: rtfx check set.yaml lists them\)"):
        load_set_list(path, BLOCKS)


def test_presets_keep_the_numbers_that_they_have_in_the_file(tmp_path):
    listed = ""
    for name, kind in (("a", "gain"), ("b", "theremin"), ("c", "gain")):
        listed += f"  - {{name: {name}, chain: [{{type: {kind}}}]}}\n"
    read = read_in_spite(write(tmp_path, "version: 1\npresets:\n" + listed), BLOCKS)
    assert [(preset.number, preset.name) for preset in read.set_list.presets] == [(1, "a"), (3, "c")]
    assert [preset.number for preset in read.spoiled] == [2]


WORDS = {
    "{type: ir, file: a.wav}": ("cab", "ir", "a.wav"),
    "{type: IR, file: a.wav}": ("cab", "ir", "a.wav"),
    "{type: nam, file: a.nam}": ("model", "nam", "a.nam"),
    "{type: amp, file: a.json, drive: 0.5}": ("model", "amp", "a.json"),
    "{type: ts9.json}": ("model", "model", "ts9.json"),
    "{type: V30 SM57.wav, level_db: 1}": ("cab", "cab", "V30 SM57.wav"),
    "ts9.NAM": ("model", "model", "ts9.NAM"),
    "room.flac": ("cab", "cab", "room.flac"),
    "gate": ("gate", "gate", None),
}


@pytest.mark.parametrize("words", WORDS)
def test_what_people_type_for_a_block(tmp_path, words):
    block = load_set_list(write(tmp_path, TOP + f"      - {words}\n"), BLOCKS).presets[0].chain[0]
    assert (block.type, block.id, block.file) == WORDS[words]


def test_a_block_that_names_two_files(tmp_path):
    with pytest.raises(PresetError, match="names two files, 'a.wav' as its type"):
        load_set_list(write(tmp_path, TOP + "      - {type: a.wav, file: b.wav}\n"), BLOCKS)


NAMES = {
    "full-width space": "マーシャル\u3000クランチ",
    "joiner": "👨\u200d🎤 क्\u200dष",
    "right to left": "\u200fגיטרה نظيف\u200f",
    "no-break space": "Solo\u00a0fort",
    "composed": "Übung",
    "decomposed": unicodedata.normalize("NFD", "Übung"),
}


@pytest.mark.parametrize("case", NAMES)
def test_names_of_every_language(tmp_path, case):
    name = NAMES[case]
    write(tmp_path, "{}", f"{name}.json")
    text = f"version: 1\npresets:\n  - name: '{name}'\n    chain:\n      - {{type: model, file: '{name}.json'}}\n"
    text += f"    scenes: {{'{name}': {{}}}}\n"
    found = load_set_list(write(tmp_path, text), BLOCKS)
    assert found.presets[0].name == name and list(found.presets[0].scenes) == [name]
    assert found.presets[0].chain[0].file == tmp_path / f"{name}.json"
    for spelling in ("NFC", "NFD"):
        assert found.index(unicodedata.normalize(spelling, name)) == 0
    with pytest.raises(UsageError) as caught:
        found.index("nothing like it")
    assert f"1 {name}" in str(caught.value)


@pytest.mark.parametrize("name", ["a\x1b[31mb", "two\nlines", "next\x85line", "page\u2028end"])
def test_names_that_would_steer_a_terminal_are_refused(tmp_path, name):
    text = f"version: 1\npresets:\n  - name: {json.dumps(name)}\n    chain: [gain]\n"
    with pytest.raises(PresetError, match="expected text") as caught:
        load_set_list(write(tmp_path, text), BLOCKS)
    assert name not in str(caught.value)


def test_a_set_list_behind_a_link_finds_what_stands_beside_the_file_itself_and_beside_the_link(tmp_path):
    real, gig = tmp_path / "real", tmp_path / "gig"
    real.mkdir()
    gig.mkdir()
    write(real, TOP + "      - {type: model, file: there.json}\n      - {type: model, file: here.json}\n")
    write(real, "{}", "there.json")
    write(gig, "{}", "here.json")
    (gig / "set.yaml").symlink_to(real / "set.yaml")
    chain = load_set_list(gig / "set.yaml", BLOCKS).presets[0].chain
    assert [block.file for block in chain] == [real / "there.json", gig / "here.json"]
    assert chain[0].beside == (gig, real)
