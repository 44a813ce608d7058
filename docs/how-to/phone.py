"""Take phone.png, the page of ``rtfx play --web``, beside this file: ``python docs/how-to/phone.py``.

A shipped set list plays on the null device, and chromium shows its page as two phones would.
"""

from __future__ import annotations

import base64
import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

import rtfx
from rtfx.remote.address import Address
from rtfx.remote.web.address import listen
from rtfx.remote.web.server import Server


def main(target: Path) -> None:
    """Write the picture: the stage in the dark, the pedalboard in the light."""
    with rtfx.Rig.from_yaml("crunch.yaml").play(device="null", say=None) as stream, sync_playwright() as tool:
        server = Server(stream, listen(Address()))
        stream.accompany(server)
        chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
        browser = tool.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        stream.do("preset 2")
        shots = []
        for width, scheme, view in ((360, "dark", "stage"), (360, "light", "sound")):
            size = {"width": width, "height": 740}
            page = browser.new_page(viewport=size, color_scheme=scheme)
            page.goto(server.url)
            page.click(f"nav [data-view={view}]")
            page.wait_for_selector(".level")
            page.wait_for_timeout(300)
            shots.append(page.screenshot())
        sheet = browser.new_page(viewport={"width": 752, "height": 764})
        sheet.set_content("<body style='margin:12px;display:flex;gap:8px;background:#808890'><img><img></body>")
        sheet.evaluate(
            "async shots => { for (const [place, image] of [...document.images].entries()) {"
            " image.src = 'data:image/png;base64,' + shots[place]; await image.decode(); } }",
            [base64.b64encode(shot).decode() for shot in shots],
        )
        sheet.screenshot(path=target)
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("phone.png"))
