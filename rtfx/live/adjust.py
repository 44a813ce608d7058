"""What can be turned while a stream plays: parameters, presets, scenes; all of it is the controller's."""

from __future__ import annotations

from collections.abc import Mapping

from ..loading.loaded_preset import Unplayable
from ..rig.parameters import Parameter
from ..rig.set_list import Preset
from .controller import Controller
from .history import History


class Turns:
    """A stream's parameters, presets and scenes. All methods may be called from any thread but the audio thread."""

    controller: Controller

    def set(self, address: str, value: float | str) -> None:
        """Turn a parameter of the current preset; it glides there in 20 ms.

        A structural one is built beside the audio and crossfaded in, the one set last; what cannot be built is taken
        back, and `Stream.news` says why.

        Parameters
        ----------
        address : str
            ``block.name``, or a bare name that one block alone has.
        value : float or str
            In native units, within the parameter's range; one of its choices if it has some.

        Raises
        ------
        UsageError
            Unknown, ambiguous or out of range: names what is allowed. Nothing has been turned.
        ResourceLimit
            A random net that would be too costly.
        """
        self.controller.set(address, value)

    def get(self, address: str) -> float:
        """Return a parameter's value as it was set last; UsageError as in `set`."""
        return self.controller.get(address)

    def address(self, name: str) -> str:
        """Return ``block.name`` of a bare name that one block alone has; UsageError as in `set`."""
        preset = self.controller.preset
        block, parameter = preset.find(name)
        return f"{preset.blocks[block].id}.{parameter}"

    @property
    def parameters(self) -> list[tuple[str, Parameter, float]]:
        """(address, Parameter, value) of every parameter of the current preset."""
        return self.controller.preset.parameters()

    @property
    def presets(self) -> list[str]:
        """Names of all presets, in order."""
        return [preset.name for preset in self.controller.presets]

    @property
    def unplayable(self) -> dict[int, str]:
        """Why presets cannot play, by their index from 0: a file is missing or bad. `select` refuses them."""
        presets = self.controller.presets
        return {index: preset.reason for index, preset in enumerate(presets) if isinstance(preset, Unplayable)}

    @property
    def preset(self) -> int:
        """Index of the current preset, from 0."""
        return self.controller.index

    @property
    def source(self) -> Preset | None:
        """What the current preset was made of; None if not known."""
        return self.controller.preset.source

    def select(self, index: int) -> None:
        """Crossfade to a preset by its index from 0; UsageError if there is none, PresetError if it cannot play."""
        self.controller.select(index)

    def set_many(self, values: Mapping[str, float | str], remember: bool = True) -> None:
        """Turn several parameters at once, or none if one value is wrong; `remember` lets `history` undo it."""
        self.controller.set_many(values, remember)

    @property
    def history(self) -> History:
        """What was turned."""
        return self.controller.history

    @property
    def written(self) -> dict[str, float | str]:
        """The values of the current preset as its set list has them, by address."""
        preset = self.controller.preset
        return {
            f"{block.id}.{name}": value
            for block, values in zip(preset.blocks, preset.written, strict=True)
            for name, value in values.items()
        }

    @property
    def scenes(self) -> Mapping[str, Mapping[str, float | str]]:
        """Scenes of the current preset: name to values by address."""
        return self.controller.preset.scenes

    def add_scene(self, name: str, values: Mapping[str, float | str]) -> None:
        """Add a scene to the current preset, as long as this stream lasts."""
        preset = self.controller.preset
        preset.scenes = {**preset.scenes, name: dict(values)}

    def scene(self, name: str) -> None:
        """Set all values of a scene."""
        self.controller.scene(name)
