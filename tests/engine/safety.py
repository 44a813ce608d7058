"""Says whether a compiled function can ever reach Python, the GIL or the allocator: what the audio thread must not do.

Numba's C wrapper always holds code that takes the GIL, in a branch for errors. It is dead if every inner function
returns only the constant status 0; what the inner functions call is held against a list.
"""

from __future__ import annotations

import re

# Symbols of the C library, one group per reason. _ZN: further functions of Numba, inspected as well.
ALLOWED = {
    "inner": r"llvm\..*|_ZN.*",
    "maths": r"tanhf?|expf?|exp2f?|expm1f?|log1pf?|sinf?|cosf?|powf?|erff?|erfcf?|sqrtf?|fabsf?|floorf?|roundf?|fmaf?",
    "memory": r"memcpy|memmove|memset",
    "system": r"clock_gettime|gettid",  # neither blocks
}
SLEEP = "nanosleep"  # only in the null device's own loop, never in the callback
_ALLOWED = re.compile("|".join(f"(?:{group})" for group in ALLOWED.values()))


def violations(compiled, may_sleep: bool = False, may_call_addresses: bool = False) -> list[str]:
    """Return what makes a Numba CFunc unsafe; nothing if it is safe.

    Parameters
    ----------
    compiled : numba.core.ccallback.CFunc
        Not yet compiled: what comes from a cache holds no code to inspect.
    may_call_addresses : bool
        Calls through an address are opaque here; who makes them must only hold addresses that were inspected too.
    """
    from llvmlite.binding import ValueKind
    from numba.core.compiler_lock import global_compiler_lock

    with global_compiler_lock:
        library = compiled._compile_uncached().library
        library._ensure_finalized()
    found, inspected = [], 0
    functions = list(library._final_module.functions)
    here = {function.name for function in functions if not function.is_declaration}
    for function in functions:
        if function.is_declaration or not function.name.startswith("_ZN"):
            continue
        inspected += 1
        found += _statuses(function)
        for block in function.blocks:
            for instruction in block.instructions:
                text = str(instruction).strip()
                if instruction.opcode in ("call", "invoke"):
                    callee = list(instruction.operands)[-1]
                    if callee.value_kind != ValueKind.function:
                        if not may_call_addresses:
                            found.append(f"calls an address: {text}")
                    elif callee.name.startswith("_ZN") and callee.name not in here:
                        found.append(f"calls {callee.name}, whose code is elsewhere")
                    elif not _ALLOWED.fullmatch(callee.name) and not (may_sleep and callee.name == SLEEP):
                        found.append(f"calls {callee.name}")
    assert inspected, "no inner function was found: nothing was inspected"
    return found


def _statuses(function) -> list[str]:
    """Return what a function may return but the constant 0; the status of an inner function, inspected itself, is 0."""
    lines = [str(i).strip() for block in function.blocks for i in block.instructions]
    values = dict(line.split(" = ", 1) for line in lines if line.startswith("%") and " = " in line)
    returns = [line for line in lines if line.startswith("ret ")]
    waiting = [line.removeprefix("ret i32 ").split(",")[0].split("!")[0].strip() for line in returns]
    seen, found = set(), []
    while waiting:
        name = waiting.pop()
        if name in seen or name == "0":
            continue
        seen.add(name)
        value = values.get(name, "")
        if value.startswith("phi i32"):
            waiting += re.findall(r"\[ ([^,]+), %", value)
        elif value.startswith("select"):
            waiting += re.findall(r", i32 ([^,]+)", value)
        elif not re.match(r"(tail |musttail |notail )?call .*i32 @_ZN", value):
            found.append(f"can raise: {name} = {value}")
    return found
