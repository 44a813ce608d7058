"""The page in a real browser: every control, two pages at once, a player that goes and returns, all sizes of screen."""

import os
import re
import shutil
import time
from pathlib import Path

import httpx
import pytest

from rtfx.find import shipped, user_folder
from rtfx.pitch import Pitch
from rtfx.remote.address import Address
from rtfx.remote.web.address import listen
from rtfx.remote.web.server import Server

sync_api = pytest.importorskip("playwright.sync_api")
expect = sync_api.expect

pytestmark = pytest.mark.slow

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PHONE, TABLET, DESKTOP = (360, 740), (820, 1180), (1440, 900)
EXPECTED = re.compile("ERR_CONNECTION|status of 400")  # the player is away; a file was refused
PICTURES = os.environ.get("RTFX_PICTURES")  # a folder for pictures of every size, to be looked at


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("no chromium: apt-get install chromium")
    with sync_api.sync_playwright() as tool:
        browser = tool.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def visit(browser, served):
    """Open the page as a device of a size; a message on the browser's console fails the test."""
    contexts, wrong = [], []

    def opened(size=PHONE, url=served.url, **settings):
        width, height = size
        contexts.append(browser.new_context(viewport={"width": width, "height": height}, **settings))
        page = contexts[-1].new_page()
        page.set_default_timeout(10_000)
        page.on("console", lambda message: wrong.append(message.text) if not EXPECTED.search(message.text) else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(url)
        page.wait_for_selector("body:not([data-offline])")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert wrong == []


def until(condition, seconds=5.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def knob(page, address):
    return page.locator(f'#board [data-address="{address}"]')


def view(page, name):
    page.click(f"nav [data-view={name}]")


def test_the_stage_shows_the_song_and_the_next_one_that_can_play(visit, stream):
    page = visit()
    expect(page.locator("#now")).to_have_text("verse")
    expect(page.locator("#next")).to_have_text("next The long and winding middle eight")  # "lost" cannot play
    page.click("text=Next ›")
    expect(page.locator("#now")).to_have_text("The long and winding middle eight")
    assert stream.preset == 2
    page.click("text=‹ Back")
    until(lambda: stream.preset == 0)
    stream.select(3)
    expect(page.locator("#now")).to_have_text("chorus")
    expect(page.locator("#next")).to_have_text("next amp")
    assert page.title() == "chorus – rtfx"


@pytest.mark.parametrize("size", [PHONE, TABLET, DESKTOP])
def test_songs_are_readable_from_two_metres(visit, stream, size):
    """Capitals of a 200th of the distance, 10 mm, are read at a glance; a long name on a phone of 65 mm has 5 mm."""
    page = visit(size)
    millimetre = 360 / 65 if size == PHONE else 96 / 25.4
    for place, least in ((0, 9.0), (2, 5.0)):
        stream.select(place)
        expect(page.locator("#now")).to_have_text(stream.presets[place])
        page.wait_for_timeout(50)
        letters = float(page.evaluate("parseFloat(getComputedStyle(document.querySelector('#now')).fontSize)"))
        assert 0.7 * letters / millimetre >= least
        assert page.evaluate("(n => n.scrollWidth <= n.clientWidth)(document.querySelector('#now'))")
    following = float(page.evaluate("parseFloat(getComputedStyle(document.querySelector('#next')).fontSize)"))
    assert 0.7 * following / millimetre >= 5.0


def test_the_set_list_chooses_and_says_what_cannot_play(visit, stream):
    page = visit()
    view(page, "list")
    songs = page.locator("#songs button")
    expect(songs).to_have_count(5)
    expect(songs.nth(0)).to_have_attribute("aria-current", "true")
    expect(songs.nth(1)).to_be_disabled()
    expect(songs.nth(1)).to_contain_text("no-such-model.json")
    songs.nth(3).click()
    expect(songs.nth(3)).to_have_attribute("aria-current", "true")
    assert stream.preset == 3
    page.click("text=Another phone")
    until(lambda: page.evaluate("document.querySelector('#code').naturalWidth") > 100)


def test_scenes(visit, stream):
    page = visit()
    page.click("#scenes >> text=solo")
    expect(page.locator("#scenes >> text=solo")).to_have_attribute("aria-pressed", "true")
    assert stream.get("boost.gain_db") == 9.0
    page.click("#scenes >> text=quiet")
    until(lambda: stream.get("boost.gain_db") == -12.0)
    expect(page.locator("#scenes >> text=solo")).to_have_attribute("aria-pressed", "false")


def test_mute_cannot_be_missed_and_is_always_at_hand(visit, stream):
    page, other = visit(), visit(TABLET)
    for name in ("stage", "sound", "list"):
        view(page, name)
        expect(page.locator("#mute")).to_be_in_viewport()
    page.click("#mute")
    for each in (page, other):
        expect(each.locator("#muted")).to_be_visible()
        box = each.locator("#muted").bounding_box()
        assert box["width"] >= each.viewport_size["width"] * 0.95 and box["height"] >= 80
        expect(each.locator("#muted")).to_contain_text("MUTED")
    assert stream.mute
    page.click("#muted")
    expect(other.locator("#muted")).to_be_hidden()
    assert not stream.mute


def test_bypass(visit, stream):
    page = visit()
    page.click("#switches >> text=Bypass")
    expect(page.locator("#dry")).to_be_visible()
    assert stream.bypass
    stream.bypass = False
    expect(page.locator("#dry")).to_be_hidden()


def test_the_tuner_reads_the_string_in_silence(visit, stream, monkeypatch):
    page = visit()
    page.click("#switches >> text=Tuner")
    expect(page.locator("#tuner")).to_be_visible()
    expect(page.locator("#muted")).to_be_visible()
    page.select_option("#tunings", "drop-D")
    expect(page.locator("#strings span")).to_have_count(6)
    low = stream.tuner.target.reading(Pitch(73.0, 0.5, 0.95, 0.0, 0.0, 0.0), 1.0)
    monkeypatch.setattr(stream.tuner, "reading", lambda: low)
    expect(page.locator("#note")).to_have_text("D2")
    expect(page.locator("#needle")).to_have_attribute("aria-valuetext", "D2, 10 cents flat")
    expect(page.locator("#strings .sounds")).to_have_text("D2")
    page.click("text=Done")
    expect(page.locator("#tuner")).to_be_hidden()
    expect(page.locator("#muted")).to_be_hidden()


def test_captures_are_searched_tried_and_sent(visit, stream, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    stream.select(4)
    page = visit()
    view(page, "sound")
    name = page.locator("#board [data-file=amp]")
    expect(name).to_have_text("klon.json")
    page.get_by_label("next for amp").click()
    expect(name).to_have_text("rodent.json")
    name.click()
    expect(page.locator("#names [aria-current]")).to_have_text("rodent.json")
    page.fill("#search", "SCREA")
    expect(page.locator("#names button")).to_have_count(1)
    page.click("#names button")
    expect(page.locator("#names [aria-current]")).to_have_text("screamer.json")
    assert serious(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    mine = tmp_path / "mine.json"
    shutil.copy(shipped() / "models" / "klon.json", mine)
    page.set_input_files("#file", mine)
    expect(name).to_have_text("mine.json")
    assert (user_folder() / "models" / "mine.json").is_file()
    (tmp_path / "bad.nam").write_text("{}")
    page.set_input_files("#file", tmp_path / "bad.nam")
    expect(page.locator("#files #said")).to_contain_text("bad.nam")
    page.click("#close")
    expect(page.locator("#files")).to_be_hidden()


class Pedals:
    """MIDI inputs that note what is to be learned."""

    def __init__(self):
        self.learning, self.asked = "", []

    def learn(self, target):
        self.learning = "" if target == "off" else target
        self.asked.append(target)
        return ""

    def state(self):
        return {"inputs": ["pedals"], "learning": self.learning, "map": []}


def test_a_pedal_is_learned_for_what_is_touched_next(visit, stream):
    page = visit()
    view(page, "sound")
    expect(page.locator("#learn")).to_be_hidden()
    stream.midi = pedals = Pedals()
    stream.feed.touch()
    page.click("#learn")
    expect(page.locator("#learn")).to_have_text("Touch a control …")
    before = stream.get("boost.gain_db")
    knob(page, "boost.gain_db").click()
    expect(page.locator("#learn")).to_have_text("Move the pedal for boost.gain_db …")
    assert stream.get("boost.gain_db") == before
    page.click("#learn")
    expect(page.locator("#learn")).to_have_text("Learn a pedal")
    page.wait_for_timeout(350)
    page.click("#learn")
    view(page, "stage")
    page.click("text=Next ›")
    until(lambda: pedals.asked == ["boost.gain_db", "off", "preset next"])
    assert stream.preset == 0


def test_only_commands_that_exist_have_buttons(visit, stream):
    page = visit(DESKTOP)
    for button in page.locator("[data-do]").all():
        name = button.get_attribute("data-do").split()[0]
        if button.is_visible():
            assert name in stream.commands
    missing = page.evaluate("[...document.querySelectorAll('[data-do]')].filter(b => b.hidden).map(b => b.dataset.do)")
    assert all(line.split()[0] not in stream.commands or line == "mute off" for line in missing)


def test_a_knob_is_dragged(visit, stream):
    page = visit()
    view(page, "sound")
    dial = knob(page, "boost.gain_db")
    dial.scroll_into_view_if_needed()
    box = dial.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + 30
    page.mouse.move(x, y)
    page.mouse.down()
    for step in range(1, 12):
        page.mouse.move(x, y - 4 * step)
    page.mouse.up()
    until(lambda: stream.get("boost.gain_db") > 8.0)
    page.wait_for_timeout(400)
    assert float(dial.get_attribute("aria-valuenow")) == stream.get("boost.gain_db")
    dial.dblclick()
    until(lambda: stream.get("boost.gain_db") == 3.0)  # as it is written
    expect(dial).to_have_attribute("aria-valuetext", "+3.0 dB")


def test_a_knob_is_turned_by_touch(browser, served, visit, stream):
    page = visit(has_touch=True, is_mobile=True)
    view(page, "sound")
    dial = knob(page, "klon.gain")
    dial.scroll_into_view_if_needed()
    box = dial.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + 30
    fingers = page.context.new_cdp_session(page)
    before = page.evaluate("scrollY")
    fingers.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    for step in range(1, 9):
        fingers.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [{"x": x, "y": y - 8 * step}]})
    fingers.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    until(lambda: stream.get("klon.gain") > 0.5)
    assert page.evaluate("scrollY") == before


def test_a_knob_is_turned_by_keys_and_wheel(visit, stream):
    page = visit(DESKTOP)
    dial = knob(page, "boost.gain_db")
    dial.focus()
    pressed = {
        "ArrowUp": 4.0,
        "ArrowLeft": 3.0,
        "Shift+ArrowUp": 3.1,
        "PageDown": -6.9,
        "Home": -60,
        "End": 24,
        "0": 3.0,
    }
    for key, value in pressed.items():
        page.keyboard.press(key)
        until(lambda value=value: stream.get("boost.gain_db") == pytest.approx(value))
    hertz = knob(page, "eq.bell1_hz")
    hertz.focus()
    before = stream.get("eq.bell1_hz")
    page.keyboard.press("ArrowUp")
    until(lambda: stream.get("eq.bell1_hz") == pytest.approx(before * 2 ** (1 / 12), rel=1e-3))
    dial.hover()
    page.mouse.wheel(0, -60)
    until(lambda: stream.get("boost.gain_db") == 4.0)


def test_choices_and_tools(visit, stream):
    page = visit(DESKTOP)
    page.select_option('#board [data-address="klon.mode"] select', "circuit")
    until(lambda: stream.get("klon.mode") == "circuit")
    expect(page.locator("#undo")).to_be_enabled()
    page.click("#undo")
    until(lambda: stream.get("klon.mode") == "neural")
    page.click("#redo")
    until(lambda: stream.get("klon.mode") == "circuit")
    expect(page.locator("#save")).to_have_class("primary")
    page.click("[data-slot=B]")
    expect(page.locator("[data-slot=B]")).to_have_attribute("aria-pressed", "true")
    page.click("[data-slot=A]")
    expect(page.locator("[data-slot=A]")).to_have_attribute("aria-pressed", "true")


def test_save_says_where(visit, stream, gig):
    before = gig.read_text()
    try:
        page = visit(DESKTOP)
        page.locator("#board").get_by_role("slider", name="boost gain").press("ArrowUp")
        until(lambda: stream.get("boost.gain_db") == 4.0)
        page.click("#save")
        page.click("#cancel")
        page.click("#save")
        page.fill("#name", "loud")
        assert serious(page) == []
        page.keyboard.press("Enter")
        expect(page.locator("#said")).to_contain_text("saved as scene 'loud'")
        expect(page.locator("#scenes >> text=loud")).to_be_visible()
        expect(page.locator("#scenes button")).to_have_count(3)
    finally:
        gig.write_text(before)


def test_what_is_turned_on_one_page_moves_on_the_other_but_not_under_the_hand(visit, stream):
    page, other = visit(DESKTOP), visit()
    view(other, "sound")
    mine, theirs = knob(page, "boost.gain_db"), knob(other, "boost.gain_db")
    mine.focus()
    page.keyboard.press("End")
    expect(theirs).to_have_attribute("aria-valuenow", "24")
    theirs.scroll_into_view_if_needed()
    box = theirs.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + 30
    other.mouse.move(x, y)
    other.mouse.down()
    other.mouse.move(x, y + 20)
    until(lambda: stream.get("boost.gain_db") < 24.0)
    held = theirs.get_attribute("aria-valuenow")
    page.keyboard.press("Home")  # the other hand turns it down
    until(lambda: stream.get("boost.gain_db") == -60.0)
    other.wait_for_timeout(400)
    assert theirs.get_attribute("aria-valuenow") == held
    other.mouse.up()
    expect(theirs).to_have_attribute("aria-valuenow", "-60")
    expect(mine).to_have_attribute("aria-valuenow", "-60")


def test_meters_move_and_health_is_shown(visit):
    page = visit()
    expect(page.locator(".level")).to_have_count(2)
    seen = set()
    until(lambda: len(seen.add(page.locator("#levels .figure").nth(1).text_content()) or seen) > 3)
    expect(page.locator("#load")).to_contain_text(re.compile(r"load \d+ %"))
    expect(page.locator("#xruns")).to_contain_text("xruns")
    expect(page.locator("#latency")).to_contain_text("ms")


def test_a_player_that_goes_is_said_and_one_that_comes_back_is_shown_whole(visit, stream, served):
    page = visit(DESKTOP)
    page.click("text=Next ›")
    until(lambda: stream.preset == 2)
    served.close()
    expect(page.locator("#offline")).to_be_visible()
    expect(page.locator("#offline")).to_contain_text("No connection")
    assert page.evaluate("document.querySelector('#all').inert")  # nothing stale can be touched
    stream.select(0)
    stream.mute = True
    stream.set("boost.gain_db", -9.0)
    again = Server(stream, listen(Address(port=httpx.URL(served.url).port)))
    stream.accompany(again)
    page.wait_for_selector("body:not([data-offline])")
    expect(page.locator("#offline")).to_be_hidden()
    expect(page.locator("#now")).to_have_text("verse")
    expect(page.locator("#muted")).to_be_visible()
    expect(knob(page, "boost.gain_db")).to_have_attribute("aria-valuenow", "-9")
    page.click("#muted")
    until(lambda: not stream.mute)


def test_the_token_is_asked_for_and_leaves_the_address(browser, stream, tmp_path, monkeypatch):
    monkeypatch.setattr("rtfx.remote.web.server.token_file", lambda: tmp_path / "token")
    server = Server(stream, listen(Address("0.0.0.0")))
    stream.accompany(server)
    url = httpx.URL(server.url)
    context = browser.new_context()
    page = context.new_page()
    assert page.goto(f"http://127.0.0.1:{url.port}/").status == 401
    page.goto(f"http://127.0.0.1:{url.port}/?{url.query.decode()}")
    page.wait_for_selector("body:not([data-offline])")
    assert page.url == f"http://127.0.0.1:{url.port}/"
    assert page.evaluate("document.cookie") == ""  # no script reads it
    page.reload()
    page.wait_for_selector("body:not([data-offline])")
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, TABLET, DESKTOP])
def test_no_size_scrolls_sideways_and_axe_finds_nothing_serious(visit, stream, size, scheme):
    page = visit(size, color_scheme=scheme)
    page.wait_for_selector(".level")
    narrow = size == PHONE
    for name in ("stage", "sound", "list") if narrow else ("",):
        if name:
            view(page, name)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert size == TABLET or serious(page, scheme) == []  # it has the desktop's elements
        if PICTURES:
            page.screenshot(path=f"{PICTURES}/{scheme}-{size[0]}{name}.png")
    stream.mute = stream.bypass = True
    expect(page.locator("#muted")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert size == TABLET or serious(page, scheme) == []
    if PICTURES:
        page.screenshot(path=f"{PICTURES}/{scheme}-{size[0]}muted.png")


def serious(page, scheme="light"):
    """Return what axe-core finds on a page that keeps people out; in the dark only the contrast differs."""
    import axe_playwright_python

    if not page.evaluate("'axe' in window"):
        page.evaluate(Path(axe_playwright_python.__file__).with_name("axe.min.js").read_text())
    found = page.evaluate("rules => axe.run(rules)", {"runOnly": ["color-contrast"]} if scheme == "dark" else {})[
        "violations"
    ]
    return [
        (each["id"], node["html"], node["failureSummary"])
        for each in found
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"]
    ]


def test_a_phone_on_its_side_has_song_and_buttons_in_view(visit):
    page = visit((740, 360))
    for part in ("#now", "#next", "text=Next ›", "text=‹ Back", "#mute"):
        expect(page.locator(part)).to_be_in_viewport(ratio=0.9)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_fingers_find_every_button(visit):
    page = visit(has_touch=True, is_mobile=True)
    for name in ("stage", "sound", "list"):
        view(page, name)
        for button in page.locator("main button:visible, nav button:visible, main .knob:visible").all():
            box = button.bounding_box()
            assert min(box["width"], box["height"]) >= 44, button.inner_text()


def test_the_page_asks_no_other_machine(browser, served):
    context, asked = browser.new_context(), []
    page = context.new_page()
    page.on("request", lambda request: asked.append(request.url))
    page.goto(served.url)
    page.wait_for_selector("body:not([data-offline])")
    assert asked and all(url.startswith(served.url) for url in asked)
    assert len(asked) <= 7
    context.close()
