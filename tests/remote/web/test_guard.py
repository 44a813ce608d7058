"""Who may use the page: names, origins, token, sizes, headers; with requests that no browser would send, too."""

import asyncio
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtfx.remote.web import guard
from rtfx.remote.web.guard import SMALL_BODY, Guard

TOKEN = "a-token-of-22-letters-"
HOST = "192.168.1.5:8137"


class App:
    """Answers everything with its path, after reading the body."""

    def __init__(self):
        self.bodies = []

    async def __call__(self, scope, receive, send):
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
            return
        body = b""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message["body"]
            if not message["more_body"]:
                break
        self.bodies.append(body)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": scope["path"].encode()})


def asked(path="/", method="GET", token="", kind="http", pieces=(b"",), uploads=None, app=None, **headers):
    """Return (status, headers) of an answer; 101 for a socket that was accepted, 0 if there was no answer."""
    path, _, query = path.partition("?")
    given = {"host": HOST} | headers
    pairs = [(name.replace("_", "-").encode(), one.encode("latin-1")) for name, one in given.items() if one is not None]
    scope = {"type": kind, "path": path, "method": method, "query_string": query.encode(), "headers": pairs}
    incoming = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    incoming[-1]["more_body"] = False
    sent = []

    async def receive():
        return incoming.pop(0)

    async def send(message):
        sent.append(message)

    wall = Guard(app or App(), token, frozenset({"localhost", "stage.local"}), uploads or {})
    asyncio.run(wall(scope, receive, send))
    if not sent:
        return 0, {}
    if kind == "websocket":
        return {"websocket.accept": 101, "websocket.close": 403}[sent[0]["type"]], {}
    return sent[0]["status"], {name.decode(): one.decode() for name, one in sent[0]["headers"]}


@pytest.mark.parametrize(
    "host",
    [HOST, "127.0.0.1", "localhost:8137", "LOCALHOST", "stage.local:1", "[::1]:8137", "[fe80::1]", "10.0.0.1:80"],
)
def test_a_name_of_this_machine_passes(host):
    assert asked(host=host)[0] == 200


@pytest.mark.parametrize(
    "host",
    [
        None, "", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "stage.local.",
        "127.0.0.1@evil.example",
        "[::1", "::1", "1.2.3", "0x7f000001", "2130706433", "localhost:abc", "localhost localhost", "löcalhost",
        "127.1",
    ],
)  # fmt: skip
def test_another_name_is_refused_as_it_may_be_rebound(host):
    assert asked(host=host)[0] == 421
    assert asked(host=host, kind="websocket", path="/live", origin=f"http://{host}")[0] == 403


def test_two_names_are_refused():
    scope = {"type": "http", "path": "/", "method": "GET", "query_string": b""}
    scope["headers"] = [(b"host", b"localhost"), (b"host", b"evil.example")]
    sent = []

    async def send(message):
        sent.append(message)

    asyncio.run(Guard(App(), "", frozenset({"localhost"}))(scope, None, send))
    assert sent[0]["status"] == 421


@pytest.mark.parametrize("origin", [f"http://{HOST}", f"https://{HOST}"])
def test_the_page_itself_may_talk(origin):
    assert asked("/live", kind="websocket", origin=origin)[0] == 101
    assert asked("/upload", "POST", origin=origin)[0] == 200
    assert asked(origin=origin)[0] == 200


@pytest.mark.parametrize(
    "origin", ["null", "http://evil.example", "http://192.168.1.5:9000", "http://localhost:8137", ""]
)
def test_another_page_may_not(origin):
    assert asked("/live", kind="websocket", origin=origin)[0] == 403
    assert asked("/upload", "POST", origin=origin)[0] == 403
    assert asked(origin=origin)[0] == 403


def test_without_an_origin_only_reading_is_allowed():
    assert asked()[0] == 200
    assert asked("/upload", "POST")[0] == 403
    assert asked("/live", kind="websocket")[0] == 403


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "get"])
def test_other_methods_are_unknown(method):
    assert asked(method=method, origin=f"http://{HOST}")[0] == 405


def test_the_token_opens_the_page_and_its_cookie_the_rest():
    assert asked(token=TOKEN)[0] == 401
    assert asked("/live", kind="websocket", token=TOKEN, origin=f"http://{HOST}")[0] == 403
    status, headers = asked(f"/?token={TOKEN}", token=TOKEN)
    assert status == 200
    assert headers["set-cookie"] == f"rtfx={TOKEN}; Path=/; Max-Age=31536000; HttpOnly; SameSite=Strict"
    cookie = f"other=1; rtfx={TOKEN}; more=2"
    assert asked(token=TOKEN, cookie=cookie)[0] == 200
    assert "set-cookie" not in asked(token=TOKEN, cookie=cookie)[1]
    assert asked("/live", kind="websocket", token=TOKEN, cookie=cookie, origin=f"http://{HOST}")[0] == 101


@pytest.mark.parametrize(
    "path",
    ["/?token=", "/?token=a", f"/?token={TOKEN}x", f"/?TOKEN={TOKEN}", f"/page.js?token={TOKEN}", "/?" + "a=1&" * 99],
)
def test_another_token_opens_nothing(path):
    status, headers = asked(path, token=TOKEN)
    assert status == 401
    assert "set-cookie" not in headers


@pytest.mark.parametrize(
    "cookie", ["", "rtfx", "rtfx=", "rtfx=wrong", f"other={TOKEN}", "rtfx=\xff", ";;;=", 'rtfx="' + TOKEN]
)
def test_another_cookie_opens_nothing(cookie):
    assert asked(token=TOKEN, cookie=cookie)[0] == 401


def test_tokens_are_compared_in_constant_time(monkeypatch):
    compared, compare = [], hmac.compare_digest
    monkeypatch.setattr(guard.hmac, "compare_digest", lambda a, b: compared.append((a, b)) or compare(a, b))
    asked("/?token=wrong", token=TOKEN)
    assert (b"wrong", TOKEN.encode()) in compared


def test_every_answer_forbids_what_the_page_does_not_need():
    for status, headers in (asked(), asked(host="evil.example"), asked(token=TOKEN)):
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'") and "unsafe" not in policy and "*" not in policy, status
        assert "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"  # the token is in the address
        assert headers["cache-control"] == "no-store"
        assert not any(name.startswith("access-control") for name in headers)


def test_the_size_of_a_body_is_bounded_by_what_it_states_and_by_what_comes():
    origin = f"http://{HOST}"
    assert asked("/", "POST", origin=origin, content_length=str(SMALL_BODY))[0] == 200
    for length in (str(SMALL_BODY + 1), "-1", "1e3", "9" * 30, "", "x"):
        assert asked("/", "POST", origin=origin, content_length=length)[0] == 413
    app = App()
    pieces = [b"x" * 1000] * 5
    assert asked("/", "POST", origin=origin, pieces=pieces, app=app)[0] == 0
    assert asked("/upload", "POST", origin=origin, pieces=pieces, app=app, uploads={"/upload": 5000})[0] == 200
    assert asked("/upload", "POST", origin=origin, pieces=[*pieces, b"x"], app=app, uploads={"/upload": 5000})[0] == 0
    assert app.bodies == [b"x" * 5000]


@given(
    path=st.text(st.characters(max_codepoint=255), max_size=60),
    names=st.dictionaries(
        st.sampled_from(["host", "origin", "cookie", "content_length"]),
        st.text(st.characters(max_codepoint=255), max_size=60),
    ),
    kind=st.sampled_from(["http", "websocket"]),
)
def test_no_request_passes_without_the_token_or_breaks_the_guard(path, names, kind):
    status, _ = asked("/" + path.replace("?", ""), token=TOKEN, kind=kind, **names)
    assert status in (401, 403, 405, 413, 421)
