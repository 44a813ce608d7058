"""Makes all presets and scenes of a set list equally loud, by a gain block at the end of each chain.

Each is played through the shipped guitars (single notes, chords, palm mutes) and measured as in `loading/loudness.py`.
A preset or scene that states ``louder_db`` is brought to so much above the common loudness.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
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
from .rig.edit import TRIM, TRIM_ADDRESS, replace_set_list, with_trims, without_trims
from .rig.parameters import Options
from .rig.presets import Preset, SetList
from .rig.set_list import load_set_list
from .units import db_from_gain

NEAR_LU = 0.25  # of the common loudness: two presets within it are at most half a LU apart
STEP_DB = 0.1


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
            yield _measured(preset, scene, loader, target_lufs)


def _measured(preset: Preset, scene: str, loader: Loader, target_lufs: float) -> Matched:
    plan = loader.load(preset, preset.scenes.get(scene, {}))[0].plan
    y = Offline(plan, limiter=False).process(guitars(loader.sample_rate)[:, None])
    found = mean_loudness(y, loader.sample_rate)
    louder = preset.louder_db(scene)
    own = preset.block(TRIM)
    trim = float(preset.scenes.get(scene, {}).get(TRIM_ADDRESS, own.values.get("gain_db", 0.0) if own else 0.0))
    off = target_lufs + louder - found
    limits = next(parameter for parameter in BLOCKS["gain"].parameters if parameter.name == "gain_db")
    new = trim
    if math.isfinite(off) and abs(off) > NEAR_LU:
        new = min(max(round((trim + off) / STEP_DB) * STEP_DB, limits.minimum), limits.maximum)
    peak = db_from_gain(float(np.abs(y).max()))
    number = preset.number
    return Matched(number, preset.name, scene, found, peak, louder, target_lufs + louder, trim, round(new, 1))


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
