"""MIDI as bytes arrive: running status, real-time bytes inside messages, halves, and nonsense."""

import random

import pytest

from rtfx.remote.midi_parser import BEND, CC, CLOCK, NOTE_OFF, NOTE_ON, PC, START, Message, Parser


@pytest.mark.parametrize(
    ("data", "found"),
    [
        ([0xB0, 11, 64], [Message(CC, 1, (11, 64))]),
        ([0xBF, 11, 64], [Message(CC, 16, (11, 64))]),
        ([0xC1, 5], [Message(PC, 2, (5,))]),
        ([0x90, 60, 1, 0x80, 60, 0], [Message(NOTE_ON, 1, (60, 1)), Message(NOTE_OFF, 1, (60, 0))]),
        ([0x90, 60, 0], [Message(NOTE_OFF, 1, (60, 0))]),
        ([0xB0, 1, 2, 1, 3, 7, 4], [Message(CC, 1, (1, 2)), Message(CC, 1, (1, 3)), Message(CC, 1, (7, 4))]),
        ([0xC0, 1, 2], [Message(PC, 1, (1,)), Message(PC, 1, (2,))]),
        ([0xB0, 0xF8, 11, 0xFA, 64], [Message(CLOCK, 0), Message(START, 0), Message(CC, 1, (11, 64))]),
        ([0xF0, 1, 2, 0xF8, 3, 0xF7, 0xB0, 1, 2], [Message(CLOCK, 0), Message(CC, 1, (1, 2))]),
        ([0xF0, 1, 2, 0xB0, 1, 2], [Message(CC, 1, (1, 2))]),
        ([0xB0, 1, 2, 0xF0, 9, 0xF7, 1, 3], [Message(CC, 1, (1, 2))]),
        ([1, 2, 3, 0xB0, 1, 2], [Message(CC, 1, (1, 2))]),
        ([0xB0, 1, 0xC0, 7], [Message(PC, 1, (7,))]),
        ([0xF2, 1, 2, 3, 4], [Message(0xF2, 0, (1, 2))]),
        ([0xE0, 0, 64], [Message(BEND, 1, (0, 64))]),
        ([0xF6, 0xF4, 1], []),
    ],
)
def test_messages_of_bytes_whole_and_one_by_one(data, found):
    assert Parser().feed(data) == found
    parser = Parser()
    assert [message for byte in data for message in parser.feed([byte])] == found


def test_noise_never_breaks_it():
    noise, parser = random.Random(3), Parser()
    for _ in range(200):
        for message in parser.feed([noise.randrange(256) for _ in range(100)]):
            assert all(0 <= value < 128 for value in message.data) and 0 <= message.channel <= 16
    assert parser.feed([0xB0, 1, 2])[-1] == Message(CC, 1, (1, 2))


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (Message(CC, 2, (11, 64)), "CC 11 value 64, channel 2"),
        (Message(PC, 1, (0,)), "PC 0, channel 1"),
        (Message(CLOCK, 0), "clock"),
        (Message(BEND, 1, (0, 64)), "bend 8192, channel 1"),
    ],
)
def test_messages_in_words(message, text):
    assert str(message) == text
