"""The sizes of a WaveNet to train: ``wavenet:channels=16&layers=10``; keys that are not given keep the paper's."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from ..errors import UsageError, did_you_mean

NAME = "wavenet"
RANGES = {"channels": (1, 64), "layers": (1, 32), "kernel": (2, 16), "stacks": (1, 8)}
LONGEST = 1 << 16  # frames that a net may look back: more than a second is not learnt from segments of one


@dataclass(frozen=True)
class WaveNet:
    """WaveNet2 of Damskägg et al. 2019 unless told otherwise; dilations double, and begin again at 1 in every stack."""

    channels: int = 8
    layers: int = 18
    kernel: int = 3
    stacks: int = 2

    @property
    def dilations(self) -> list[int]:
        """Of each layer."""
        depth = -(-self.layers // self.stacks)
        return [2 ** (i % depth) for i in range(self.layers)]

    @property
    def receptive_field(self) -> int:
        """Input frames that one output frame depends on."""
        return 1 + (self.kernel - 1) * sum(self.dilations)


def is_wavenet(name: str) -> bool:
    """Return whether an architecture's name is that of a WaveNet, with sizes or without."""
    return name.partition(":")[0] == NAME


def wavenet(name: str) -> WaveNet:
    """Return the sizes in ``wavenet:key=value&...``; up to ten layers are one stack unless `stacks` says otherwise.

    Raises
    ------
    UsageError
        An unknown key, a value out of range, or a net that looks back further than `LONGEST`.
    """
    sizes: dict[str, int] = {}
    for pair in filter(None, name.partition(":")[2].split("&")):
        given, equals, value = pair.partition("=")
        key = given.strip().lower()
        if key not in RANGES or not equals:
            hint = did_you_mean(key[:60], RANGES)
            raise UsageError(f"{NAME} has no key {given[:60]!r}{hint}, expected key=value of: {', '.join(RANGES)}")
        if key in sizes:
            raise UsageError(f"{NAME} names {key} twice, expected once")
        low, high = RANGES[key]
        if not (value.isascii() and value.isdigit() and len(value) < 6 and low <= int(value) <= high):
            raise UsageError(f"{NAME}: {key} is {value[:60]!r}, expected an integer from {low} to {high}")
        sizes[key] = int(value)
    if sizes.get("layers", WaveNet.layers) <= 10:
        sizes.setdefault("stacks", 1)
    found = WaveNet(**sizes)
    if found.receptive_field > LONGEST:
        said = "&".join(f"{key}={value}" for key, value in asdict(found).items())
        raise UsageError(
            f"{NAME}:{said} looks back {found.receptive_field} frames, expected at most {LONGEST}: take more stacks"
        )
    return found
