"""Files that phones send: kept if they can be read, under a name that leads nowhere else."""

import json
import socket

import httpx
import numpy as np
import pytest
import soundfile

from rtfx.find import shipped, user_folder
from rtfx.remote.web import app, upload
from rtfx.remote.web.upload import take_file

CAPTURE = (shipped() / "models" / "klon.json").read_bytes()


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return user_folder()


def impulse(tmp_path):
    path = tmp_path / "impulse.wav"
    soundfile.write(path, np.eye(1, 400)[0], 48000)
    return path.read_bytes()


def kept(home):
    return sorted(path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file())


def test_a_capture_and_an_impulse_response_are_kept_where_they_are_found(home, tmp_path):
    assert take_file("my amp.json", CAPTURE) == ("my amp.json", "")
    assert take_file("Größe.wav", impulse(tmp_path)) == ("Größe.wav", "")
    assert kept(home) == ["models/cabs/Größe.wav", "models/my amp.json"]


def test_a_name_that_is_taken_gets_a_number_unless_the_file_is_the_same(home):
    assert take_file("amp.json", CAPTURE)[0] == "amp.json"
    assert take_file("amp.json", CAPTURE)[0] == "amp.json"
    assert take_file("amp.json", CAPTURE + b" ")[0] == "amp-2.json"
    assert kept(home) == ["models/amp-2.json", "models/amp.json"]


@pytest.mark.parametrize(
    "name",
    [
        "../amp.json", "/tmp/amp.json", "a/b.json", "..\\amp.json", "C:amp.json", ".json", "..json", ".hidden.json",
        "amp.json\0.json",
        "amp\n.json", "x" * 200 + ".json", "amp.py", "amp", "", "amp.json.sh", "amp.yaml",
    ],
)  # fmt: skip
def test_a_name_that_leads_elsewhere_is_refused(home, tmp_path, name):
    taken, why = take_file(name, CAPTURE)
    assert taken == "" and why and "\n" not in why
    assert kept(home) == []
    assert not list(tmp_path.rglob("*amp*"))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.nam", b""), ("a.nam", b"{}"), ("a.json", b"[" * 100_000), ("a.json", b"\xff" * 1000), ("a.wav", b"RIFF"),
        ("a.wav", CAPTURE),
        ("a.json", json.dumps({"version": "0.5.4", "architecture": "LSTM", "config": {}, "weights": []}).encode()),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_is_not_kept(home, name, content):
    taken, why = take_file(name, content)
    assert taken == "" and name in why
    assert ".part" not in why and str(home) not in why
    assert kept(home) == []


def test_a_full_disk_is_said(home, monkeypatch):
    monkeypatch.setattr(upload, "FREE_BYTES", 1 << 60)
    assert take_file("amp.json", CAPTURE) == ("", "amp.json: the player's disk is nearly full")


def test_a_link_is_not_followed(home, tmp_path):
    (home / "models").mkdir(parents=True)
    victim = tmp_path / "victim.json"
    victim.write_text("precious")
    (home / "models" / "amp.json").symlink_to(victim)
    assert take_file("amp.json", CAPTURE) == ("amp-2.json", "")
    assert victim.read_text() == "precious"


def test_over_http_from_the_page_only_and_no_larger_than_said(served, home, monkeypatch):
    origin = {"Origin": served.url.rstrip("/")}
    with httpx.Client(base_url=served.url) as client:
        assert client.post("/upload", params={"name": "amp.json"}, content=CAPTURE).status_code == 403
        answer = client.post("/upload", params={"name": "amp.json"}, content=CAPTURE, headers=origin)
        assert answer.json() == {"name": "amp.json"}
        assert "amp.json" in client.get("/library", params={"kind": "model"}).json()
        assert client.get("/library", params={"kind": "../.."}).json() == []
        wrong = client.post("/upload", params={"name": "bad.nam"}, content=b"{}", headers=origin)
        assert wrong.status_code == 400 and "bad.nam" in wrong.text
    url = httpx.URL(served.url)
    with socket.create_connection((url.host, url.port)) as raw:
        lines = ["POST /upload HTTP/1.1", f"Host: {url.netloc.decode()}", f"Origin: {origin['Origin']}"]
        raw.sendall("\r\n".join([*lines, f"Content-Length: {1 << 40}", "", ""]).encode())
        assert b" 413 " in raw.recv(200)
    monkeypatch.setattr(app, "UPLOAD_SECONDS", 0.2)
    with socket.create_connection((url.host, url.port)) as raw:  # one that never ends
        raw.sendall("\r\n".join([*lines, "Content-Length: 1000", "", "x"]).encode())
        assert b" 408 " in raw.recv(200)
    monkeypatch.setattr(app, "UPLOAD_SECONDS", 60.0)
    assert httpx.post(f"{served.url}upload?name=amp.json", content=CAPTURE, headers=origin).is_success
    assert kept(home) == ["models/amp.json"]
