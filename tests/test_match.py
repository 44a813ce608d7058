"""Set lists made equally loud: what is measured, what is written, and that comments stay."""

import numpy as np
import pytest

from rtfx.check import check
from rtfx.effects.table import BLOCKS
from rtfx.engine.offline import Offline
from rtfx.errors import PresetError
from rtfx.loading.loudness import guitar_loudness, guitars, mean_loudness
from rtfx.loading.preset import Loader
from rtfx.match import measured, write
from rtfx.plan.resolve import Models
from rtfx.rig.edit import with_trims
from rtfx.rig.parameters import Options
from rtfx.rig.set_list import load_set_list

LIST = """\
# my gig
version: 1
presets:
  - name: soft  # the first song
    chain:
      - {type: gain, gain_db: -10}   # as soft as this
      - type: eq
        bell1_db: 1
    # scenes of the first song
    scenes:
      solo: {gain.gain_db: -2, louder_db: 3}
      verse:
        gain.gain_db: -14  # softer still
  - {name: loud, chain: [{type: gain, gain_db: 12}, gate], louder_db: 2}
  - name: right
    chain: [{type: gain, gain_db: %s}]
"""


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "gig.yaml"
    path.write_text(LIST % f"{-18.0 - guitar_loudness():.2f}")
    return path


def heard(path):
    """The loudness of each preset and scene, measured without `match`."""
    found, x = {}, guitars(48000.0)[:, None]
    for preset in load_set_list(path, BLOCKS).presets:
        for scene in ("", *preset.scenes):
            plan = Loader(48000.0, Models(), Options()).load(preset, preset.scenes.get(scene, {}))[0].plan
            found[preset.name, scene] = mean_loudness(Offline(plan, limiter=False).process(x), 48000.0)
    return found


@pytest.mark.slow
def test_all_are_equally_loud_within_half_a_lu_but_those_meant_to_be_louder(path):
    before = heard(path)
    assert max(before.values()) - min(before.values()) > 20.0
    found = list(measured(path))
    assert {(one.preset, one.scene): one.loudness_lufs for one in found} == pytest.approx(before, abs=1e-6)
    assert write(path, found) == path
    louder = {("soft", "solo"): 3.0, ("loud", ""): 2.0}
    after = [level - louder.get(place, 0.0) for place, level in heard(path).items()]
    assert np.ptp(after) < 0.5 and np.mean(after) == pytest.approx(-18.0, abs=0.25)
    assert not any(one.changes for one in measured(path))


def test_comments_and_layout_stay_and_what_is_right_gets_no_trim(path):
    before = path.read_text().splitlines()
    write(path, list(measured(path)))
    after = path.read_text().splitlines()
    kept = [line for line in after if line in before]
    gone = [line for line in before if line not in after]
    assert [line.strip() for line in gone] == [
        "solo: {gain.gain_db: -2, louder_db: 3}",
        "- {name: loud, chain: [{type: gain, gain_db: 12}, gate], louder_db: 2}",
    ]
    assert kept == [line for line in before if line not in gone]
    assert sum("trim" in line for line in after) == 4
    assert after[-1] == before[-1]


@pytest.mark.slow
def test_a_trim_that_is_there_is_changed(path):
    write(path, list(measured(path)))
    text = path.read_text()
    path.write_text(text.replace("gain_db: -10}", "gain_db: -16}"))
    write(path, list(measured(path)))
    assert path.read_text().count("id: trim") == text.count("id: trim")
    levels = heard(path)
    assert levels["soft", ""] == pytest.approx(-18.0, abs=0.25)


def test_another_common_loudness(path):
    write(path, list(measured(path, -24.0)))
    assert heard(path)["right", ""] == pytest.approx(-24.0, abs=0.25)


def test_a_chain_that_two_presets_share_is_not_edited(path):
    text = "version: 1\npresets:\n- {name: a, chain: &c [{type: gain}]}\n- {name: b, chain: *c, louder_db: 3}\n"
    path.write_text(text)
    with pytest.raises(PresetError, match="could not be extended safely; add .*gain"):
        write(path, list(measured(path)))
    assert path.read_text() == text


def test_windows_lines_stay():
    text = "version: 1\r\npresets:\r\n- name: a\r\n  chain:\r\n  - gate\r\n"
    assert with_trims(text, "a", {"": -2.5}) == text + "  - {type: gain, id: trim, gain_db: -2.5}\r\n"


def test_check_warns_from_three_lu_on_and_not_of_what_is_meant(path):
    def jumps():
        return [finding.message for finding in check(path, 64).findings if "LU" in finding.message]

    found = jumps()
    assert len(found) == 2 and "rtfx match gig.yaml --write" in found[0] and "louder_db taken into account" in found[0]
    write(path, list(measured(path)))
    assert jumps() == []


@pytest.mark.parametrize(
    ("line", "message"), [("louder_db: 99", "louder_db"), ("louder: 3", "did you mean 'louder_db'")]
)
def test_mistakes_in_the_set_list_name_the_line(path, line, message):
    path.write_text(path.read_text().replace("louder_db: 2", line))
    with pytest.raises(PresetError, match=f"gig.yaml:14: .*{message}"):
        list(measured(path))


@pytest.mark.slow
def test_blocks_that_all_presets_share_are_measured_with_them(path):
    shared = "global: {before: [{type: gain, gain_db: 4}], after: [{type: comp, threshold_db: -24, ratio: 3}]}\n"
    path.write_text(path.read_text().replace("version: 1\n", f"version: 1\n{shared}"))
    assert write(path, list(measured(path, -26.0))) == path
    after = list(measured(path, -26.0))
    assert not any(one.changes for one in after)
    assert max(abs(one.loudness_lufs - one.target_lufs) for one in after) <= 0.25


@pytest.mark.slow
def test_check_measures_with_the_shared_blocks_too(path):
    shared = "version: 1\nglobal: {after: [{type: gain, gain_db: -9}]}\n"
    path.write_text(path.read_text().replace("version: 1\n", shared))
    assert [one.loudness_lufs for one in check(path, 64).presets] == pytest.approx(
        [one.loudness_lufs for one in measured(path) if not one.scene], abs=0.01
    )


def test_a_trim_that_cannot_go_further_is_told(path):
    path.write_text("version: 1\npresets: [{name: far, chain: [{type: gain, gain_db: -40}]}]\n")
    (found,) = measured(path)
    assert found.new_trim_db == 24.0 and found.at_end
