"""Protocol-buffer messages written by hand, byte by byte, from the description of the wire format."""

import struct

import pytest

from rtfx.errors import NotAModelFile
from rtfx.model.read.onnx_file import DEPTH, decode


def varint(number: int) -> bytes:
    number &= (1 << 64) - 1  # negative numbers are written as 64 bits
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def field(number: int, wire: int, content) -> bytes:
    if wire == 0:
        return varint(number << 3) + varint(content)
    return varint(number << 3 | wire) + (varint(len(content)) if wire == 2 else b"") + content


@pytest.mark.parametrize("number", [0, 1, 127, 128, 300, 2**31, 2**63 - 1, -1, -300, -(2**63)])
def test_numbers(number):
    assert decode(field(3, 0, number), "Attribute")["i"] == number
    packed = b"".join(map(varint, (number, 7, number)))
    assert decode(field(8, 2, packed), "Attribute")["ints"] == [number, 7, number]
    apart = field(8, 0, number) + field(8, 0, 7)
    assert decode(apart, "Attribute")["ints"] == [number, 7]


def test_floats_packed_and_apart():
    values = [1.5, -0.25, 3.0]
    packed = field(7, 2, struct.pack("<3f", *values))
    apart = b"".join(field(7, 5, struct.pack("<f", value)) for value in values)
    assert decode(packed, "Attribute")["floats"] == decode(apart, "Attribute")["floats"] == values
    assert decode(field(10, 2, struct.pack("<2d", 0.1, 0.2)), "Tensor")["double_data"] == [0.1, 0.2]
    assert decode(field(2, 5, struct.pack("<f", 0.5)), "Attribute")["f"] == 0.5


def test_messages_within_messages_and_what_is_not_needed():
    node = field(1, 2, b"x") + field(1, 2, b"y") + field(4, 2, b"Gemm") + field(6, 2, b"a description")
    found = decode(field(7, 2, field(1, 2, node)) + field(1, 0, 9) + field(99, 1, bytes(8)), "Model")
    assert found["graph"]["node"] == [{"input": ["x", "y"], "output": [], "op_type": "Gemm", "attribute": []}]
    assert found["opset_import"] == [] and "producer_name" not in found


def test_of_a_field_that_comes_twice_the_last_counts():
    assert decode(field(2, 2, b"one") + field(2, 2, b"two"), "Model")["producer_name"] == "two"
    assert decode(field(9, 2, b"\0\1") + field(9, 2, b"\2"), "Tensor")["raw_data"] == b"\2"


def test_text_that_is_no_utf8_is_read_all_the_same():
    assert decode(field(2, 2, b"a\xff"), "Model")["producer_name"] == "a\ufffd"


WHOLE = field(7, 2, field(5, 2, field(1, 2, varint(3)) + field(9, 2, bytes(12))))


@pytest.mark.parametrize("size", range(1, len(WHOLE)))
def test_a_file_cut_short(size):
    with pytest.raises(NotAModelFile, match="cut short"):
        decode(WHOLE[:size], "Model")


@pytest.mark.parametrize(
    "content",
    [
        varint(3 << 3 | 3),  # a group, which no ONNX file has
        varint(3 << 3) + b"\xff" * 10 + b"\1",  # a number of more than 64 bits
        field(3, 5, bytes(4)),  # a float where a number is due
        field(2, 0, 1),  # a number where a float is due
        field(7, 2, bytes(6)),  # floats of one and a half
    ],
    ids=["group", "long number", "float for a number", "number for a float", "half a float"],
)
def test_damaged(content):
    with pytest.raises(NotAModelFile, match="damaged"):
        decode(content, "Attribute")


def test_no_nesting_without_end():
    assert decode(field(1, 2, b"t"), "Attribute", DEPTH)["name"] == "t"
    with pytest.raises(NotAModelFile, match="nested too deeply"):
        decode(field(5, 2, b""), "Attribute", DEPTH)
