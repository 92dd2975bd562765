"""Takes ``docs/demo.png``, the page with two models: ``python docs/draw_demo.py`` (two minutes; needs a Chromium).

Two networks are trained on synthesised recordings and shown a recording of other artists.
"""

from __future__ import annotations

import io
import shutil
import sys
import tempfile
import threading
from pathlib import Path

from draw_timeline import join, train
from PIL import Image
from playwright.sync_api import sync_playwright

from genrezoo.demo.models import open_models
from genrezoo.demo.page import serve
from genrezoo.files import write_atomic


def main() -> None:
    """Trains, serves, drops the recording, plays a little, and keeps what is seen."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("there is no chromium on the PATH")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        names = [str(train(folder, name).folder) for name in ("mel_cnn", "statistics_mlp")]
        joined, started, end, address = join(folder), threading.Event(), threading.Event(), []

        def tell(url: str) -> None:
            address.append(url)
            started.set()

        server = threading.Thread(target=serve, args=(open_models(names),), kwargs={"on_start": tell, "until": end})
        server.start()
        started.wait()
        with sync_playwright() as browsers:
            browser = browsers.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1000, "height": 900}, color_scheme="light")
            page.goto(address[0])
            page.set_input_files("#gz-sound input[type=file]", joined)
            page.wait_for_selector(".gz-timeline")
            page.locator(".gz-plot").first.click(position={"x": 150, "y": 40})
            page.wait_for_timeout(1500)
            content = page.screenshot(full_page=True)
            browser.close()
        end.set()
        server.join()
    picture = io.BytesIO()
    Image.open(io.BytesIO(content)).quantize(64).save(picture, "PNG", optimize=True)
    write_atomic(Path(__file__).with_name("demo.png"), picture.getvalue())


if __name__ == "__main__":
    main()
