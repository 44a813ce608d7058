"""Addresses behind options, and words that are none."""

import pytest

from rtfx.errors import UsageError
from rtfx.remote.address import Address, is_address, is_loopback


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("", "", None),
        ("9000", "", 9000),
        (":9000", "", 9000),
        ("0.0.0.0", "0.0.0.0", None),
        ("192.168.1.4:9001", "192.168.1.4", 9001),
        ("box.local:9001", "box.local", 9001),
        ("[::1]:9001", "::1", 9001),
        ("::1", "::1", None),
    ],
)
def test_addresses(text, host, port):
    assert Address.of("--osc", text) == Address(host, port)


@pytest.mark.parametrize("text", ["0.0.0.0:0", "host:70000", "a:b:c", "[::1", "host:port"])
def test_mistakes_name_the_option(text):
    with pytest.raises(UsageError, match="--osc"):
        Address.of("--osc", text)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("", False), ("9000", True), (":9000", True), ("0.0.0.0", True), ("127.0.0.1:9000", True), ("localhost", True),
        ("gig.yaml", False), ("gig.yaml:2", False), ("klon.json", False), ("klon", False), ("-i", False), ("::1", True),
        ("localhost:1", True), ("10.0.0.7:80", True), ("--mute", False),
    ],
)  # fmt: skip
def test_words_that_can_only_be_addresses(word, expected):
    assert is_address(word) == expected


@pytest.mark.parametrize(
    ("host", "local"), [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("10.0.0.1", False)]
)
def test_hosts_that_only_this_machine_reaches(host, local):
    assert is_loopback(host) == local
