"""What reading a damaged zip archive raises: zipfile lets through what its parts raise, and documents no list."""

import lzma
import struct
import zipfile
import zlib

DAMAGED = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError,
    NotImplementedError, RuntimeError, ValueError, OverflowError,
)  # fmt: skip
