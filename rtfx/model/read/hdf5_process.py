"""Reads an HDF5 file in a process of its own: ``python hdf5_process.py FILE BYTES`` writes its arrays as .npz.

The library that reads HDF5 is written in C, and damaged files have crashed it; a crash ends only this process. The
arrays are called 0, 1, ...; the entry ``index`` is JSON with their names and the attributes that Keras stores.
"""

import json
import math
import resource
import sys
import time
from io import BytesIO
from typing import Any

MEMORY = 1 << 30
SECONDS = 2  # of the processor, the imports aside; a model takes a twentieth of one, a damaged file may take for ever
KEPT = ("name", "model_config", "weight_names", "layer_names")
ITEMS = 100_000


def text(value):
    """Return an attribute as JSON: a string, a list of strings, or None for any other type."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list):
        return [text(entry) for entry in value]
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if isinstance(value, str) else None


def main(path, limit):
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    import h5py
    import numpy as np

    until = math.ceil(time.process_time()) + SECONDS
    resource.setrlimit(resource.RLIMIT_CPU, (until, until))

    names, attributes, arrays, used = [], {}, [], 0
    seen = 0

    def visit(name, item):
        nonlocal used, seen
        seen += 1
        if seen > ITEMS:
            raise ValueError(f"more than {ITEMS} groups and arrays")
        found = {key: text(item.attrs[key]) for key in KEPT if key in item.attrs}
        if found:
            attributes[name] = found
        if not isinstance(item, h5py.Dataset) or name.startswith("optimizer_weights/"):
            return
        if item.external or item.is_virtual:
            raise ValueError(f"{name[:60]} is kept in another file")
        if item.dtype.kind not in "fiu" or item.dtype.itemsize > 8:
            return
        used += 8 * item.size
        if used > limit:
            raise ValueError(f"more than {limit} bytes of numbers")
        names.append(name)
        arrays.append(np.asarray(item[()], np.float64))

    with h5py.File(path, "r") as file:
        visit("", file)
        file.visititems(visit)
    tables: dict[str, Any] = {str(i): array for i, array in enumerate(arrays)}
    tables["index"] = np.array(json.dumps({"names": names, "attributes": attributes}))
    content = BytesIO()
    np.savez(content, **tables)
    sys.stdout.buffer.write(content.getvalue())


if __name__ == "__main__":
    try:
        main(sys.argv[1], int(sys.argv[2]))
    except Exception as error:  # h5py documents no list of what a damaged file raises
        print(f"{type(error).__name__}: {error}"[:300], file=sys.stderr)
        sys.exit(1)
