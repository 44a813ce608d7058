"""The server: what it answers over HTTP, how `rtfx play --web` starts it, and that it ends with its stream."""

import gc
import json
import signal
import socket
import subprocess
import sys
import threading
import time

import httpx
import pytest

import rtfx
from rtfx.cli import play
from rtfx.remote.address import Address
from rtfx.remote.web.address import listen
from rtfx.remote.web.server import Server
from tests.cli.command import ENVIRONMENT, MODEL, start
from tests.cli.command import rtfx as command

PLAY = ("play", MODEL, "--device", "null", "--headless")


def web_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("rtfx web")]


def ended(condition, seconds=5.0):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


def test_the_page_is_a_few_small_files_that_name_no_other_machine(served):
    sizes = {}
    with httpx.Client(base_url=served.url) as client:
        for name, kind in {
            "": "text/html", "page.css": "text/css", "page.js": "text/javascript", "link.js": "text/javascript",
            "controls.js": "text/javascript", "files.js": "text/javascript", "icon.svg": "image/svg+xml",
            "code.svg": "image/svg+xml",
        }.items():  # fmt: skip
            answer = client.get(f"/{name}")
            assert answer.status_code == 200 and answer.headers["content-type"].startswith(kind)
            assert "server" not in answer.headers
            text = answer.text.replace("http://www.w3.org/", "")
            assert "http://" not in text and "https://" not in text and "<style" not in text
            sizes[name] = len(answer.content)
    assert sum(sizes.values()) - sizes["code.svg"] < 60_000, sizes


@pytest.mark.parametrize(
    "path",
    [
        "/app.py",
        "/page/",
        "/../app.py",
        "/%2e%2e/app.py",
        "/..%2fapp.py",
        "/page.js/",
        "/etc/passwd",
        "/%00",
        "//etc/passwd",
    ],
)
def test_nothing_else_is_served(served, path):
    host, port = "127.0.0.1", httpx.URL(served.url).port
    with socket.create_connection((host, port)) as raw:  # a client that does not mend the path
        raw.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: raw.recv(4096), b""))
    assert answer.split()[1] in (b"404", b"307", b"400"), answer
    assert b"root:" not in answer and b"import" not in answer


@pytest.mark.parametrize(
    "garbage", [b"\x00" * 100, b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01", b"GET /" + b"a" * 100_000, b"\r\n" * 50]
)
def test_what_is_no_http_leaves_the_server_running(served, garbage):
    with socket.create_connection(("127.0.0.1", httpx.URL(served.url).port)) as raw:
        raw.settimeout(5.0)
        try:
            raw.sendall(garbage + b"\r\n\r\n")
            raw.recv(1000)
        except OSError:
            pass
    assert httpx.get(served.url).status_code == 200


def test_the_thread_ends_with_the_stream(gig):
    with rtfx.Rig.from_yaml(gig).play(device="null", say=None) as stream:
        server = Server(stream, listen(Address()))
        stream.accompany(server)
        assert httpx.get(server.url).status_code == 200
    assert ended(lambda: not web_threads())
    with pytest.raises(httpx.ConnectError):
        httpx.get(server.url)


def test_a_stream_that_is_deleted_ends_its_server():
    stream = rtfx.Rig([rtfx.load(MODEL)]).play(device="null", say=None)
    stream.accompany(Server(stream, listen(Address())))
    assert web_threads()
    del stream
    gc.collect()
    assert ended(lambda: not web_threads())


def test_a_server_takes_the_port_of_the_one_that_has_just_ended(stream):
    first = Server(stream, listen(Address()))
    first.start()
    assert httpx.get(first.url).status_code == 200
    first.close()
    second = Server(stream, listen(Address(port=httpx.URL(first.url).port)))
    second.start()
    assert httpx.get(second.url).status_code == 200
    second.close()


def test_the_network_needs_the_token(stream, tmp_path, monkeypatch):
    monkeypatch.setattr("rtfx.remote.web.server.token_file", lambda: tmp_path / "token")
    server = Server(stream, listen(Address("0.0.0.0")))
    stream.accompany(server)
    token = (tmp_path / "token").read_text().strip()
    assert server.url.endswith(f"/?token={token}")
    with httpx.Client(base_url=f"http://127.0.0.1:{httpx.URL(server.url).port}") as client:
        assert client.get("/").status_code == 401
        assert client.get("/page.js").status_code == 401
        assert client.get("/", params={"token": token}).status_code == 200
        assert client.get("/page.js").status_code == 200  # by the cookie
        assert client.get("/code.svg").status_code == 200
        assert client.get("/", headers={"Host": "evil.example"}).status_code == 421


def lines_until(process, word):
    """Return the lines of standard error up to the one with a word."""
    found = []
    for line in process.stderr:
        found.append(line)
        if word in line:
            return found
    raise AssertionError("".join(found))


@pytest.mark.parametrize("flags", [("--web",), ("--web", "127.0.0.1"), ("--web=localhost",)])
def test_play_prints_the_address_and_serves_there(flags):
    process = start(*PLAY, *flags, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        line = lines_until(process, "page for phones and browsers: ")[-1]
        assert httpx.get(line.split()[-1]).status_code == 200
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=30)
        assert process.returncode == 0 and "Traceback" not in err
    finally:
        process.kill()


def test_play_prints_a_code_for_the_camera_unless_a_program_reads():
    for flags, code in ((("--seconds", "0.5"), True), (("--seconds", "0.5", "--json"), False)):
        process = start(*PLAY, *flags, "--web", "0.0.0.0", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        assert "?token=" in err
        assert ("▀▄" in err) == code
        if not code:
            assert json.loads(out)["frames"] == 24000


def test_a_word_that_is_no_address_is_what_is_played():
    process = start(
        "play", "--web", MODEL, "--device", "null", "--headless", "--seconds", "0.2", stderr=subprocess.PIPE, text=True
    )
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0 and "page for phones" in err


def test_wrong_addresses_are_refused_in_one_line_before_anything_plays(capsys):
    code, _, err = command(capsys, *PLAY, "--web=host:port", "--seconds", 0.1)
    assert (code, err.count("\n")) == (2, 1) and "--web is 'host:port', expected HOST" in err
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, _, err = command(capsys, *PLAY, f"--web=:{port}", "--seconds", 0.1)
    assert (code, err.count("\n")) == (1, 1) and f"port {port} is in use" in err
    assert not web_threads()


def test_a_missing_package_is_named():
    script = "import sys; sys.modules['uvicorn'] = None; from rtfx.cli.main import main; main(sys.argv[1:])"
    flags = [*PLAY, "--web", "--seconds", "0.1"]
    done = subprocess.run([sys.executable, "-c", script, *flags], capture_output=True, text=True, env=ENVIRONMENT)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "rtfx: --web needs the package uvicorn: pip install --upgrade rtfx"


def test_the_documented_port_is_the_first_that_is_tried():
    code = "from rtfx.remote.web.address import PORTS; print(PORTS[0])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=ENVIRONMENT)
    assert done.stdout == "8137\n"


def test_a_stream_that_follows_plays_without_a_page_if_the_port_was_taken_meanwhile(gig):
    page = play._Page(Address())
    rig = rtfx.Rig.from_yaml(gig)
    with rig.play(device="null", say=None) as stream:
        page.serve(stream)
        port = httpx.URL(page._url).port
        assert httpx.get(page._url).status_code == 200
    with rig.play(device="null", say=None) as stream:  # at the same address
        page.serve(stream)
        assert httpx.get(f"http://127.0.0.1:{port}/").status_code == 200
    with socket.socket() as taken, rig.play(device="null", say=None) as stream:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))
        taken.listen()
        page.serve(stream)
        assert f"no page: --web: port {port} is in use" in stream.news()[-1]
        assert stream.active
