"""Turns a preset into a chain that can be planned: reads models and impulses, checks values and sets defaults."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..effects.cab import read_impulse
from ..effects.table import effect_of
from ..errors import NotAModelFile, RtfxError, UsageError, did_you_mean, quoted
from ..find import find_audio, find_model
from ..model.levels import NONE, NORMAL, PLUGIN, at_level
from ..model.load import load
from ..model.spec import ModelSpec
from ..rig.blocks import BlockSpec, check_value
from ..rig.parameters import OVERSAMPLE, PHASE, Options, Parameter
from ..rig.presets import Preset
from .block import ReadyBlock
from .rates import fitted

DEFAULT_CAB = "open-2x12.wav"
DEFAULT_RATE = 48000.0


@dataclass
class Models:
    """Reads model files; each file is read once per meaning of its inputs, "channels" or "knobs".

    `inputs` is that of `model.load.load`; if set, it overrides the `inputs` of a block.
    """

    inputs: str | None = None
    specs: dict[tuple[str, str], ModelSpec] = field(default_factory=dict)

    def __getitem__(self, name: Any) -> ModelSpec:  # a path, a name, or a specification as it is
        return self.read(name)

    def of(self, block: BlockSpec) -> ModelSpec:
        """Return the model of a block."""
        return self.read(block.file, block.inputs)

    def read(self, name: Any, inputs: str = "") -> ModelSpec:
        """Return a model whose inputs are "channels", "knobs" or what its file says."""
        if isinstance(name, ModelSpec):
            return name
        key = str(name), self.inputs or inputs
        if key not in self.specs:
            self.specs[key] = load(key[0], inputs=key[1] or None)
        return self.specs[key]


def models_of(presets: Iterable[Preset], models: Models) -> list[ModelSpec]:
    """Return every model that the presets play, once per use; those that cannot be read are left out."""
    found: list[ModelSpec | None] = []
    for block in (block for preset in presets for block in preset.chain):
        with contextlib.suppress(RtfxError):  # the loading of the preset reports the error
            found.append(_model(block, models) if block.type == "model" else _net(block, models))
    return [model for model in found if model is not None]


def _net(block: BlockSpec, models: Models) -> ModelSpec | None:
    """Return the model that a block of another type uses, such as the net of `klon`; None if it uses none."""
    name = effect_of(block).net
    return models[name] if name else None


def _model(block: BlockSpec, models: Models) -> ModelSpec:
    """Return a block's model; an error names the place in the set list."""
    try:
        try:
            return models.of(block)
        except NotAModelFile:
            if block.path is None or not isinstance(block.file, str):
                raise
            found = find_model(block.file, block.beside)  # its error names the set list's folder too
            return models.read(found, block.inputs)
    except RtfxError as error:
        if block.path is None:
            raise
        raise block.error("file", str(error)) from error


def common_rate(specs: Iterable[ModelSpec]) -> float | None:
    """Return the sample rate that most models share, in Hz; None if no model states its rate."""
    rates = Counter(spec.sample_rate for spec in specs if spec.sample_rate)
    return rates.most_common(1)[0][0] if rates else None


def resolve(preset: Preset, sample_rate: float, models: Models, options: Options) -> tuple[list[ReadyBlock], list[str]]:
    """Return the chain of a preset at a sample rate, and what the user should know about it.

    Raises
    ------
    RtfxError
        A file that cannot be read, or a value a model does not take; names file, line and key where they are known.
    """
    notes: list[str] = []
    chain = []
    blocks = [b for b in preset.chain if b.type == "model" or b.router] if options.bare else list(preset.chain)
    if not options.bare:
        blocks = _with_cab(blocks, models, options, notes)
    for block in blocks:
        built = _chain_block(block, sample_rate, models, options, preset)
        at_rate, rate_notes = fitted(built, sample_rate, options.rate_method)
        chain.append(at_rate)
        notes += [f"{block.id}: {note}" for note in built.notes]
        notes += rate_notes
        if built.spec is not None:
            notes += [f"{block.id}: {warning}" for warning in _warnings(block, built.spec)]
            notes += _calibration_note(chain[-1], options)
    if not options.bare and options.cab is None:
        notes += _no_cab_note(chain)
    return chain, notes


def _warnings(block: BlockSpec, spec: ModelSpec) -> list[str]:
    """Return the first warning about a model, with the number of the others and the place where they are shown."""
    if len(spec.warnings) < 2:
        return list(spec.warnings)
    where = "model.spec.warnings" if isinstance(block.file, ModelSpec) else f"rtfx info {block.file}"
    return [f"{spec.warnings[0]} (and {len(spec.warnings) - 1} more: {where})"]


def _with_cab(blocks: list[BlockSpec], models: Models, options: Options, notes: list[str]) -> list[BlockSpec]:
    """Add a cabinet: the user's, or a default one after an amp that has none."""
    if options.cab == "none":
        return [block for block in blocks if block.type != "cab"]
    if options.cab is not None:
        kept = [block for block in blocks if block.type != "cab"]
        return [*kept, _cab(options.cab)]
    has_cab = any(block.type == "cab" for block in blocks)
    amps = [b.id for b in blocks if b.type == "model" and _model(b, models).kind == "amp"]
    if amps and not has_cab:
        notes.append(
            f"{amps[-1]} is an amp without a cabinet: adding {DEFAULT_CAB} "
            "(--cab IR.wav chooses, --cab none leaves it out)"
        )
        return [*blocks, _cab(DEFAULT_CAB)]
    return blocks


def _no_cab_note(chain: Sequence[ReadyBlock]) -> list[str]:
    """Return a line about a model that may be an amp without a cabinet: most NAM files name the gear."""
    unknown = [b.id for b in chain if b.spec and b.spec.family == "nam" and b.spec.kind == "unknown"]
    if not unknown or any(block.impulse is not None for block in chain):
        return []
    return [
        f"{unknown[-1]}: the file does not say what gear it is, so no cabinet is added "
        f"(if it is an amp without one, --cab {DEFAULT_CAB} adds one)"
    ]


def _cab(name: str) -> BlockSpec:
    return BlockSpec("cab", "cab", file=name)


def mistakes(preset: Preset, block: BlockSpec, sample_rate: float, models: Models) -> Iterator[RtfxError]:
    """Find all that is wrong with the file and the values of one block, scenes included."""
    found: list[RtfxError] = []
    try:
        found += preset.mistakes(block, _opened(block, sample_rate, models).parameters)
        if not found:
            fitted(_chain_block(block, sample_rate, models, Options(), preset), sample_rate, "auto")
    except RtfxError as error:
        found.append(error)
    yield from found


def parameters_of(block: BlockSpec, sample_rate: float, models: Models) -> tuple[Parameter, ...]:
    """Return all parameters of a block, the knobs of its model included."""
    return _opened(block, sample_rate, models).parameters


def _opened(block: BlockSpec, sample_rate: float, models: Models) -> ReadyBlock:
    """Return a block with what its file says, without values."""
    spec = _model(block, models) if block.type == "model" else None
    try:
        file = find_audio(block.file or "", block.beside) if block.type == "cab" else None
        impulse, notes = read_impulse(file, sample_rate) if file else (None, ())
    except RtfxError as error:
        if block.path is None:
            raise
        raise block.error("file", str(error)) from error
    return ReadyBlock(block.id, effect_of(block), {}, spec, impulse, notes=notes)


def _chain_block(block: BlockSpec, sample_rate: float, models: Models, options: Options, preset: Preset) -> ReadyBlock:
    result = _opened(block, sample_rate, models)
    spec = result.spec
    preset.check(block, result.parameters)
    values = {parameter.name: parameter.default for parameter in result.parameters} | result.drawn_with
    values |= {name: checked(result, name, value) for name, value in block.values.items()}
    input_db, level = 0.0, NONE
    if spec is not None:
        spec, level = _at_level(block, spec, options)
        input_db = _calibration_db(spec, options)
    for name in (OVERSAMPLE.name, PHASE.name):
        wanted = getattr(options, name)
        if name in values and wanted is not None:
            values[name] = wanted
    phase = options.resample_phase
    ready = ReadyBlock(
        block.id,
        result.effect,
        values,
        spec,
        result.impulse,
        options.bare,
        level,
        input_db=input_db,
        resample_phase=phase,
        net=_net(block, models),
        notes=result.notes,
        source=block,
        key=block.key,
        paths=block.router.paths if block.router else 0,
        branch=block.branch,
    )
    try:
        ready.check_together(values)
    except UsageError as error:
        raise (error if block.path is None else block.error(OVERSAMPLE.name, str(error))) from None
    return ready


def _at_level(block: BlockSpec, spec: ModelSpec, options: Options) -> tuple[ModelSpec, str]:
    """Return a model with the gains of its level, and what `ReadyBlock` calls that level."""
    if options.level is None and block.level:
        try:
            return at_level(spec, block.level), _kind(block.level)
        except UsageError as error:
            raise (error if block.path is None else block.error("level", str(error))) from None
    wanted = NORMAL if options.level is None else options.level
    return at_level(spec, wanted), _kind(wanted)


def _kind(level: str) -> str:
    return level if level in (NORMAL, NONE) else PLUGIN


def checked(block: ReadyBlock, name: str, value) -> float | str:
    """Return a parameter value as the block stores it, or raise UsageError naming what is allowed."""
    try:
        return check_value(block.table, name, value)
    except UsageError as error:
        raise UsageError(f"{block.id}: {error}") from None


def find_parameter(preset: str, blocks: Sequence[ReadyBlock], address: str) -> str:
    """Return the whole address of ``block.name``, or of a bare name that one block alone has.

    A block goes by its id; a model also by its own name, where one block alone bears it.

    Raises
    ------
    UsageError
        Unknown or ambiguous; names the closest address.
    """
    if not isinstance(address, str):
        raise UsageError(f"parameter is {address!r}, expected block.name, such as klon.gain")
    known = [f"{block.id}.{name}" for block in blocks for name in block.table]
    hits = [name for name in known if name == address or "." not in address and name.split(".", 1)[1] == address]
    if not hits:
        title, _, name = address.partition(".")
        hits = [f"{block.id}.{name}" for block in blocks if _title(block) == title and name in block.table]
    if len(hits) == 1:
        return hits[0]
    if hits:
        raise UsageError(f"parameter {address!r} is in several blocks, expected one of: {', '.join(hits)}")
    hint = did_you_mean(address, [*known, *(name.split(".", 1)[1] for name in known)])
    raise UsageError(f"no parameter {address!r} in preset {quoted(preset)}{hint}; it has: {', '.join(known) or 'none'}")


def _title(block: ReadyBlock) -> str:
    """Return the name of a block's model, "" if it has none."""
    return block.spec.name if block.spec else ""


def with_values(preset: str, blocks: Sequence[ReadyBlock], values: Mapping) -> list[ReadyBlock]:
    """Return the chain with parameters set by address, or raise UsageError."""
    result = {block.id: block for block in blocks}
    for address, value in values.items():
        block_id, name = find_parameter(preset, blocks, address).split(".", 1)
        block = result[block_id]
        result[block_id] = replace(block, values={**block.values, name: checked(block, name, value)})
    return list(result.values())


def _calibration_db(spec: ModelSpec, options: Options) -> float:
    """Return the gain in dB before the model that makes the interface's full scale the one it was made with."""
    if options.bare or options.interface_dbu is None or spec.input_level_dbu is None:
        return 0.0
    return options.interface_dbu - spec.input_level_dbu


def _calibration_note(block: ReadyBlock, options: Options) -> list[str]:
    """Return a line about the gain that --interface-dbu puts before a model."""
    if options.bare or options.interface_dbu is None or block.spec is None:
        return []
    level = block.spec.input_level_dbu
    if level is None:
        return [f"{block.id}: the model does not state its input level: --interface-dbu leaves it as it is"]
    return [
        f"{block.id}: {block.input_db:+.1f} dB before the model: full scale is {options.interface_dbu:g} dBu at the "
        f"interface, {level:g} dBu in the model"
    ]
