"""Makes all presets and scenes of a set list equally loud, by a gain block at the end of each chain.

Each is played through the shipped guitars (single notes, chords, palm mutes) and measured as in `loading/loudness.py`.
A preset or scene that states ``louder_db`` is brought to so much above the common loudness.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from .effects.table import BLOCKS
from .engine.offline import Offline
from .errors import PresetError
from .files import read_file
from .find import find_preset, shipped
from .loading.level import TARGET_LUFS
from .loading.loudness import guitars, mean_loudness
from .loading.preset import Loader
from .plan.resolve import DEFAULT_RATE, Models, common_rate, models_of
from .rig.blocks import BlockSpec
from .rig.edit import TRIM, TRIM_ADDRESS, replace_set_list, with_trims, without_trims
from .rig.parameters import Options
from .rig.presets import Preset, SetList
from .rig.set_list import load_set_list
from .units import db_from_gain

NEAR_LU = 0.25  # of the common loudness: two presets within it are at most half a LU apart
STEP_DB = 0.1
ROUNDS = 6  # of measuring and correcting, with blocks after the trim
LEAST_SLOPE = 0.1  # of the loudness over the trim, behind a limiter
GAIN = BLOCKS["gain"].parameters[0]


@dataclass(frozen=True)
class Matched:
    """The loudness of a preset or scene, and the trim that brings it to its target.

    Parameters
    ----------
    number : int
        Number of the preset in the set list, from 1.
    scene : str
        "" for the preset as it is written.
    loudness_lufs, peak_dbfs : float
        For the shipped guitars, with the trim that it has now; -inf LUFS if it is silent.
    target_lufs : float
        The common loudness plus `louder_db`.
    trim_db, new_trim_db : float
        The gain of the block that ends the chain, now and as it should be; the same if nothing has to change.
    """

    number: int
    preset: str
    scene: str
    loudness_lufs: float
    peak_dbfs: float
    louder_db: float
    target_lufs: float
    trim_db: float
    new_trim_db: float

    @property
    def changes(self) -> bool:
        """Whether the trim has to change."""
        return self.new_trim_db != self.trim_db

    @property
    def at_end(self) -> bool:
        """Whether the new trim is as large or as small as a trim can be."""
        return self.new_trim_db in (GAIN.minimum, GAIN.maximum)

    @property
    def new_peak_dbfs(self) -> float:
        """The peak with the new trim; the limiter reduces what exceeds 0."""
        return self.peak_dbfs + self.new_trim_db - self.trim_db


def measured(path: str | Path, target_lufs: float = TARGET_LUFS, inputs: str | None = None) -> Iterator[Matched]:
    """Yield the loudness of every preset and of its scenes.

    Parameters
    ----------
    path : path
        The set list.
    target_lufs : float
        The common loudness.
    inputs : str, optional
        How models with several inputs use them: "channels" or "knobs".

    Raises
    ------
    RtfxError
        The set list or one of its files cannot be used.
    """
    set_list = load_set_list(find_preset(path), BLOCKS)
    models = Models(inputs)
    rate = float(set_list.device.get("sample_rate") or common_rate(models_of(set_list.presets, models)) or DEFAULT_RATE)
    loader = Loader(rate, models, Options())
    for preset in set_list.presets:
        for scene in ("", *preset.scenes):
            yield _measured(preset, scene, set_list, loader, target_lufs)


def _measured(preset: Preset, scene: str, set_list: SetList, loader: Loader, target_lufs: float) -> Matched:
    louder = preset.louder_db(scene)
    values = preset.scenes.get(scene, {})
    own = preset.block(TRIM)
    trim = float(values.get(TRIM_ADDRESS, own.values.get("gain_db", 0.0) if own else 0.0))
    found, peak = _heard(set_list.whole(preset), values, loader)
    target, level, new, slope = target_lufs + louder, found, trim, 1.0
    # blocks that all presets share come after the trim: a limiter or a compressor there takes part of it back
    for _ in range(ROUNDS if set_list.after else 1):
        if not math.isfinite(level) or abs(target - level) <= NEAR_LU:
            break
        before, last = new, level
        wanted = round(round((new + (target - level) / slope) / STEP_DB) * STEP_DB, 1)
        new = min(max(wanted, GAIN.minimum), GAIN.maximum)
        if set_list.after and new != before:
            level, _ = _heard(set_list.whole(_trimmed(preset, new)), {**values, TRIM_ADDRESS: new}, loader)
            slope = min(max((level - last) / (new - before), LEAST_SLOPE), 1.0)
    return Matched(preset.number, preset.name, scene, found, peak, louder, target, trim, new)


def _heard(preset: Preset, values: Mapping[str, float | str], loader: Loader) -> tuple[float, float]:
    """Return the loudness of a preset in LUFS and its peak in dBFS, for the guitars."""
    plan = loader.load(preset, values)[0].plan
    y = Offline(plan, limiter=False).process(guitars(loader.sample_rate)[:, None])
    return mean_loudness(y, loader.sample_rate), db_from_gain(float(np.abs(y).max()))


def _trimmed(preset: Preset, db: float) -> Preset:
    """Return the preset with a trim at the end of its chain."""
    chain = [block for block in preset.chain if block.id != TRIM]
    return replace(preset, chain=(*chain, BlockSpec("gain", TRIM, {"gain_db": db})))


def write(path: str | Path, found: list[Matched]) -> Path:
    """Write the trims into the set list; comments and layout stay. Return the file that has changed.

    Raises
    ------
    PresetError
        The set list is one that is shipped, or it cannot be edited safely; it has not changed then.
    """
    path = find_preset(path).resolve()
    if shipped() in path.parents:
        raise PresetError(f"{path}: is one of the set lists that are shipped: copy it, and match the copy")
    before = load_set_list(path, BLOCKS)
    wanted = {preset.name: _trims(preset, found) for preset in before.presets}
    text = read_file(path).decode("utf-8")
    for name, trims in wanted.items():
        if trims:
            text = with_trims(text, name, trims)

    def means(after: SetList) -> bool:
        same = without_trims(after) == without_trims(before)
        return same and all(_written(preset, wanted[preset.name]) for preset in after.presets)

    by_hand = ", ".join(f"{{type: gain, id: trim, gain_db: {trims['']:g}}} to {name}" for name, trims in wanted.items()
                        if trims)  # fmt: skip
    replace_set_list(path, text, BLOCKS, means, by_hand)
    return path


def _trims(preset: Preset, found: list[Matched]) -> dict[str, float]:
    """Return the trims of a preset and of all its scenes; empty if none of them has to change.

    A scene keeps what an earlier scene has set, so that either all scenes state a trim or none.
    """
    own = [one for one in found if one.preset == preset.name]
    if not any(one.changes for one in own):
        return {}
    trims = {one.scene: one.new_trim_db for one in own}
    return trims if len(set(trims.values())) > 1 else {"": trims[""]} | {
        scene: trims[scene] for scene in preset.scenes if TRIM_ADDRESS in preset.scenes[scene]
    }  # fmt: skip


def _written(preset: Preset, trims: dict[str, float]) -> bool:
    """Return whether a preset has these trims."""
    block = preset.block(TRIM)
    if not trims:
        return True
    scenes = {scene: values.get(TRIM_ADDRESS) for scene, values in preset.scenes.items()}
    expected = [scenes[scene] == db for scene, db in trims.items() if scene]
    return (
        block is not None and preset.chain[-1] is block and block.values.get("gain_db") == trims[""] and all(expected)
    )
