"""Where the page is served: what the user may write, which port is taken, which address is printed, and the token."""

import os
import socket
import stat

import pytest

from rtfx.errors import RtfxError
from rtfx.remote.address import Address
from rtfx.remote.web import address
from rtfx.remote.web.address import listen, token_of


def test_the_default_port_or_the_next_free_one(monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setattr(address, "PORTS", range(port, port + 20))
        place = listen(Address())
        assert place.port in range(port + 1, port + 20)
        assert place.local
        assert place.url("") == f"http://127.0.0.1:{place.port}/"
        place.sock.close()
        monkeypatch.setattr(address, "PORTS", range(port, port + 1))
        with pytest.raises(RtfxError, match="all in use: name another"):
            listen(Address())
        with pytest.raises(RtfxError, match=f"port {port} is in use by another program: name another"):
            listen(Address(port=port))


@pytest.mark.parametrize("host", ["192.0.2.77", "no.such.host.invalid", "bad host"])
def test_an_address_that_is_none_of_this_machine_is_refused(host):
    with pytest.raises(RtfxError, match=f"^--web: .*{host}"):
        listen(Address(host))


def test_an_address_for_the_network_has_the_token_and_knows_the_names_of_this_machine():
    place = listen(Address("0.0.0.0"))
    try:
        assert not place.local
        assert {"localhost", socket.gethostname().lower()} <= place.names
        url = place.url("secret")
        assert url.endswith(f":{place.port}/?token=secret")
        assert "0.0.0.0" not in url
    finally:
        place.sock.close()


def test_the_token_is_long_kept_and_the_users_alone(tmp_path):
    path = tmp_path / "deep" / "web-token"
    token = token_of(path)
    assert len(token) >= 22
    assert token_of(path) == token
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600


@pytest.mark.parametrize("kept", ["", "short", "with a blank in it, which no address has", "\xff" * 30])
def test_a_damaged_token_is_replaced(tmp_path, kept):
    path = tmp_path / "web-token"
    path.write_bytes(kept.encode("latin-1"))
    token = token_of(path)
    assert len(token) >= 22 and token != kept
    assert token_of(path) == token


def test_a_token_that_others_may_have_written_is_replaced(tmp_path):
    path = tmp_path / "web-token"
    known = "k" * 30
    path.write_text(known)
    path.chmod(0o666)
    assert token_of(path) != known
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600


def test_without_a_place_to_keep_it_the_token_is_a_new_one(tmp_path):
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "web-token"
    assert token_of(path) != token_of(path)
