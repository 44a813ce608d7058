"""``rtfx train --from``: a trained model is trained further, and keeps a form that its players support."""

import pytest
import soundfile

from rtfx.model.load import load
from rtfx.model.update import weights_of
from rtfx.model.write.save import save
from rtfx.train.untrained import untrained
from tests.cli.command import rtfx
from tests.train.pedal import RATE, pedal, playing

pytestmark = pytest.mark.slow


def test_a_file_learns_on_and_is_written_as_what_it_was(tmp_path, capsys):
    dry = playing(6.0, 4)
    for name, wave in (("dry", dry), ("wet", pedal(dry))):
        soundfile.write(tmp_path / f"{name}.wav", wave, RATE, subtype="FLOAT")
    save(untrained("nam-nano", 1, seed=5), tmp_path / "old.nam")
    out = tmp_path / "new.json"
    audio = "--input", tmp_path / "dry.wav", "--target", tmp_path / "wet.wav"
    flags = "--from", tmp_path / "old.nam", *audio, "--rounds", 2, "--rate", 0.01, "--to", "nam", "--out", out
    code, _, notes = rtfx(capsys, "train", *flags)
    assert code == 0, notes
    old, new, again = (load(tmp_path / name) for name in ("old.nam", "new.json", "new.nam"))
    assert again.parameter_count == old.parameter_count == 842
    before, after = weights_of(old), weights_of(new)
    assert before.keys() == after.keys()
    assert 0.0 < max(abs(after[key] - before[key]).max() for key in before) < 1.0
