"""A preset compiled and prewarmed, and how a rig that plays it came to be: so that it can be made once more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from ..engine.rig import EngineRig
from ..model.spec import ModelSpec
from ..model.update import with_weights
from ..plan.chain import ChainBlock, Plan, plan_chain
from ..plan.resolve import find_parameter
from ..rig.description import Preset
from ..rig.parameters import Parameter
from .readfile import ReadFile


@dataclass
class LoadedPreset:
    """A preset compiled and prewarmed: a template to copy at each selection, and its current values.

    `written` are the values that the set list gives the blocks, without those of the command line; `source` is what was
    loaded, and `files` what its files were, by block; `learned` says that a model has other weights than its file.
    """

    name: str
    plan: Plan
    template: EngineRig
    scenes: Mapping[str, Mapping[str, float | str]] = field(default_factory=dict)
    cold: bool = False
    values: list[dict] = field(default_factory=list)
    written: list[dict] = field(default_factory=list)
    source: Preset | None = None
    files: Mapping[str, ReadFile] = field(default_factory=dict)
    learned: bool = False
    _built: dict[tuple, tuple[Plan, EngineRig]] = field(default_factory=dict)

    def __post_init__(self):
        self.values = [dict(block.values) for block in self.blocks]
        self.written = self.written or [dict(values) for values in self.values]
        self._built[self._structure(self.values)] = (self.plan, self.template)

    @property
    def blocks(self) -> list[ChainBlock]:
        """The chain."""
        return [planned.source for planned in self.plan.blocks]

    def now(self) -> list[dict]:
        """Return a copy of the current values: who builds a rig in several steps needs the same in each."""
        return [dict(values) for values in self.values]

    def _structure(self, values: Sequence[Mapping]) -> tuple:
        """Return those of the values that decide the plan."""
        return tuple(
            given[parameter.name]
            for block, given in zip(self.blocks, values, strict=True)
            for parameter in block.parameters
            if parameter.kind == "structural"
        )

    def build(self, values: Sequence[Mapping]) -> bool:
        """Plan anew if a structural value has changed; return whether it had. What was built before is kept."""
        key = self._structure(values)
        if key not in self._built:
            blocks = [replace(block, values=dict(given)) for block, given in zip(self.blocks, values, strict=True)]
            plan = plan_chain(blocks, self.plan.sample_rate, self.plan.inputs)
            self._built[key] = (plan, EngineRig(plan, self.cold))
        plan, template = self._built[key]
        changed = plan is not self.plan
        self.plan, self.template = plan, template
        return changed

    def swap(self, specs: Mapping[str, ModelSpec]) -> None:
        """Take new weights for models by block."""
        self.learned = True
        values = self.now()
        blocks = [
            replace(block, values=given, spec=with_weights(block.spec, specs[block.id]))
            if block.spec is not None and block.id in specs
            else replace(block, values=given)
            for block, given in zip(self.blocks, values, strict=True)
        ]
        plan = plan_chain(blocks, self.plan.sample_rate, self.plan.inputs)
        fits = plan.layout == self.plan.layout
        self.template = EngineRig(plan, self.cold, self.template if fits else None)
        self.plan = plan
        self._built = {self._structure(values): (plan, self.template)}

    def instance(self, values: Sequence[Mapping], weights: np.ndarray | None = None) -> EngineRig:
        """Return a rig to play from rest, at values for which `build` was called, or with `weights` of its own."""
        if weights is not None:
            rig = EngineRig(replace(self.plan, weights=weights), self.cold)
        else:
            if not self.template.prewarmed:
                self.template = EngineRig(self.plan, self.cold)
                self._built[self._structure(values)] = (self.plan, self.template)
            rig = EngineRig(self.plan, template=self.template)
        rig.start_at(values)
        return rig

    def heir(self, weights: np.ndarray | None = None) -> EngineRig:
        """Return a rig that is to begin with the state of the one that plays, with `weights` of its own if given."""
        return EngineRig(self.plan if weights is None else replace(self.plan, weights=weights), template=self.template)

    def parameters(self) -> list[tuple[str, Parameter, float]]:
        """Return (address, parameter, value) of every parameter, in the order of the chain."""
        return [
            (f"{block.id}.{parameter.name}", parameter, values[parameter.name])
            for block, values in zip(self.blocks, self.values, strict=True)
            for parameter in block.parameters
        ]

    def find(self, address: str) -> tuple[int, str]:
        """Return (block index, parameter name) of ``block.name``, or of a bare name that one block alone has.

        Raises
        ------
        UsageError
            Unknown or ambiguous; names the closest address.
        """
        return find_parameter(self.name, self.blocks, address)


class Origin(NamedTuple):
    """How a rig was made.

    Parameters
    ----------
    values : list of dict
        Of each block, when it was published.
    primes : bool
        It hears its input before it is faded in.
    learned : bool
        Its weights are in no file.
    """

    preset: LoadedPreset
    values: list[dict]
    primes: bool
    learned: bool
