"""Run as a process of its own with vectors of four lanes forced: kernels as AArch64 code, and the spills in its loops.

Prints one JSON object: by kernel, a list of (multiply-adds, vectors moved to or from the stack) of each innermost loop.
The IR is optimised for the processor that is forced, with as many lanes as NEON has; LLVM makes AArch64 code of it.
"""

import json
import re

import llvmlite.binding as llvm

from rtfx.kernels.activations import code_of
from rtfx.kernels.conv import ConvShape, conv_kernel
from rtfx.kernels.layer import FOLDED, IDENTITY, LayerShape, layer_kernel
from rtfx.kernels.processor import lanes
from rtfx.plan.lowering.layers import layer_tile
from rtfx.plan.lowering.linear import conv_tile

TRIPLE = "aarch64-unknown-linux-gnu"
BRANCH = re.compile(r"\s(?:b|b\.\w+|cbn?z|tbn?z)\s.*?(\.LBB\w+)")
SPILL = re.compile(r"\bq\d+\b.*\[sp\b")


def machine():
    """Return LLVM's target, or None if this build has none for AArch64."""
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    try:
        return llvm.Target.from_triple(TRIPLE).create_target_machine(cpu="cortex-a76", opt=3)
    except RuntimeError:
        return None


def assembly(kernel, target) -> list[str]:
    """Return the instructions and labels of a kernel for AArch64."""
    text = str(kernel.compiled().module)
    text = re.sub(r"target (triple|datalayout) = .*\n", "", text)
    module = llvm.parse_assembly(re.sub(r'"target-(cpu|features)"="[^"]*"', "", text))
    module.triple, module.data_layout = TRIPLE, str(target.target_data)
    lines = target.emit_assembly(module).splitlines()
    return [line for line in lines if re.match(r"\t[^.]|\.LBB\w+:", line)]


def innermost_loops(lines: list[str]) -> list[list[str]]:
    """Return the bodies of backward branches that hold no label."""
    places = {line.split(":")[0]: i for i, line in enumerate(lines) if line.startswith(".LBB")}
    loops = []
    for i, line in enumerate(lines):
        found = BRANCH.match(line)
        first = places.get(found[1], i + 1) if found else i + 1
        body = lines[first + 1 : i + 1]
        if first <= i and not any(one.startswith(".LBB") for one in body):
            loops.append(body)
    return loops


def main() -> None:
    target, tanh = machine(), code_of("tanh")
    assert lanes() == 4, lanes()
    conv = ConvShape(8, 8, 3, tanh)
    kernels = {"conv 8": conv_kernel(conv, conv_tile(conv))}
    for width, taps in ((16, 3), (8, 6), (4, 3)):
        shape = LayerShape(width, taps, width, 1, tanh, 0, width, IDENTITY, FOLDED, 1, 0, 0)
        kernels[f"layer {width}"] = layer_kernel(shape, layer_tile(shape))
    found = {
        name: [
            (sum("fmla" in line for line in body), sum(bool(SPILL.search(line)) for line in body))
            for body in innermost_loops(assembly(kernel, target))
        ]
        for name, kernel in kernels.items()
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
