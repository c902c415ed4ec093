"""Reports in a real browser: `python -m testing.check_pages PAGE…`, or, without a page, planted ones.

Opens each page in headless Chromium at a laptop's, a desktop's and a phone's width, light and dark, folded
and unfolded, and on paper. It names what is wider than the window, texts of a figure that lie over each
other, tables that are cut, what the console complains of, and every request that leaves the file. Needs
`chromium`, or the command in CHROMIUM; speaks the DevTools protocol over a pipe.
"""

import argparse
import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SIZES = {"laptop": (1280, 800), "desktop": (1920, 1080), "phone": (390, 844)}
ROOM = ("laptop", "desktop")  # where tables have to be seen whole
SCHEMES = ("light", "dark")
PAPER = 718  # A4 less margins of a centimetre, in CSS pixels
TALLEST = 16_000  # pixels of a picture, which Chromium's surfaces allow: of a longer page the beginning
QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--remote-debugging-pipe", "--force-color-profile=srgb",
)  # fmt: skip
# What is wider than the window; what scrolls by itself may be.
WIDE = """
(() => {
  const room = document.documentElement.clientWidth + 1;
  const box = e => e.getBoundingClientRect();
  const inside = e => e.closest('.scroll, pre');
  const free = e => !inside(e.parentElement) || e === inside(e);
  const boxes = [...document.querySelectorAll('body *')].filter(e => free(e) && !e.closest('svg'));
  const texts = [...document.querySelectorAll('.panels svg text')];
  const wide = [...boxes.filter(e => box(e).right > room),
                ...texts.filter(e => box(e).right > room || box(e).left < -1)];
  const scrolls = document.documentElement.scrollWidth > window.innerWidth;
  return [scrolls, wide.slice(0, 5).map(e => e.tagName + ' ' + e.textContent.trim().slice(0, 60))];
})()
"""
# Texts of one figure of which one covers more than a sliver of another.
COVERED = """
[...document.querySelectorAll('.panels svg')].flatMap(svg => {
  const texts = [...svg.querySelectorAll('text')].map(e => [e.textContent.trim(), e.getBoundingClientRect()]);
  return texts.flatMap(([one, a], k) => texts.slice(k + 1)
    .filter(([_, b]) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 2
      && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 0.35 * Math.min(a.height, b.height))
    .map(([other]) => one + ' | ' + other));
}).slice(0, 8)
"""
WIDER_THAN_PAPER = """
[...document.querySelectorAll('body *')]
  .filter(e => e.getBoundingClientRect().right > window.innerWidth + 1 && !e.closest('svg')).slice(0, 5)
  .map(e => e.tagName + ' ' + e.textContent.trim().slice(0, 60))
"""
# Tables that are cut: from ten columns on, where nobody compares rows, they may scroll.
CUT = """
[...document.querySelectorAll('.scroll')]
  .filter(e => e.scrollWidth > e.clientWidth + 1 && e.querySelectorAll('th').length < 11)
  .slice(0, 8)
  .map(e => (e.scrollWidth - e.clientWidth) + ' px of ' + e.getAttribute('aria-label').slice(0, 60))
"""
UNFOLD = "document.querySelectorAll('details').forEach(e => e.open = true)"


@dataclass
class Browser:
    """A headless Chromium with one page."""

    write: Any
    read: Any
    session: str = ""
    number: int = 0
    events: list[dict[str, Any]] = field(default_factory=list)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and return its result; events that come meanwhile are kept."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        self.write.write(json.dumps(message).encode() + b"\0")
        self.write.flush()
        while True:
            found = self.receive()
            if found.get("id") == self.number:
                if "error" in found:
                    raise RuntimeError(f"{method}: {found['error']['message']}")
                return dict(found["result"])
            self.events.append(found)

    def wait(self, method: str) -> None:
        """Wait until an event of this name has come."""
        while not any(event.get("method") == method for event in self.events):
            self.events.append(self.receive())

    def receive(self) -> dict[str, Any]:
        """The next message."""
        data = bytearray()
        while (byte := self.read.read(1)) != b"\0":
            if not byte:
                raise RuntimeError("Chromium ended")
            data += byte
        return dict(json.loads(data))

    def value(self, expression: str) -> Any:
        """What a script returns."""
        return self.call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")


@contextmanager
def browser() -> Iterator[Browser]:
    """A Chromium with an empty profile."""
    command = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if command is None:
        sys.exit("check_pages: no chromium; set CHROMIUM to its command")
    theirs_in, ours_out = os.pipe()
    ours_in, theirs_out = os.pipe()

    def at_three_and_four() -> None:
        # Where --remote-debugging-pipe looks; by way of high numbers, as either may hold the other's place.
        for target, source in ((3, os.dup2(theirs_in, 103)), (4, os.dup2(theirs_out, 104))):
            os.dup2(source, target)

    with tempfile.TemporaryDirectory() as profile:
        process = subprocess.Popen(
            [command, *QUIET, f"--user-data-dir={profile}", "about:blank"],
            preexec_fn=at_three_and_four,
            close_fds=False,
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        with os.fdopen(ours_out, "wb") as write, os.fdopen(ours_in, "rb", buffering=65536) as read:
            opened = Browser(write, read)
            target = opened.call("Target.createTarget", url="about:blank")["targetId"]
            opened.session = opened.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            for domain in ("Page", "Runtime", "Log", "Network"):
                opened.call(f"{domain}.enable")
            yield opened
            opened.session = ""
            opened.call("Browser.close")
        process.wait(timeout=20)


def check(opened: Browser, page: Path, pictures: Path | None) -> list[str]:
    """What is wrong with a page, one line each."""
    address = page.resolve().as_uri()
    wrong = []
    for size, (width, height) in SIZES.items():
        for scheme in SCHEMES:
            where = f"{page} ({size}, {scheme})"
            opened.events.clear()
            opened.call(
                "Emulation.setDeviceMetricsOverride",
                width=width,
                height=height,
                deviceScaleFactor=1,
                mobile=size == "phone",
            )
            feature = {"name": "prefers-color-scheme", "value": scheme}
            opened.call("Emulation.setEmulatedMedia", media="screen", features=[feature])
            opened.call("Page.navigate", url=address)
            opened.wait("Page.loadEventFired")
            wrong += [f"{where}: {line}" for line in _wide(opened)]
            _picture(opened, pictures, f"{page.parent.name}-{size}-{scheme}")
            opened.value(UNFOLD)
            wrong += [f"{where}, unfolded: {line}" for line in _wide(opened)]
            if size in ROOM:
                wrong += [f"{where}: a table is cut: {line}" for line in opened.value(CUT)]
            wrong += [f"{where}: texts lie over each other: {pair}" for pair in opened.value(COVERED)]
            wrong += [f"{where}: {line}" for line in _complaints(opened, address)]
    return wrong + [f"{page} (paper): {line}" for line in _paper(opened, page, pictures)]


def _paper(opened: Browser, page: Path, pictures: Path | None) -> list[str]:
    """An A4 sheet has no scroll bars: there nothing at all may be wider than it."""
    opened.call("Emulation.setEmulatedMedia", media="print", features=[])
    opened.call(
        "Emulation.setDeviceMetricsOverride", width=PAPER, height=1123, deviceScaleFactor=1, mobile=False
    )
    _picture(opened, pictures, f"{page.parent.name}-paper")
    return [f"is wider than the sheet: {element}" for element in opened.value(WIDER_THAN_PAPER)]


def _wide(opened: Browser) -> list[str]:
    scrolls, elements = opened.value(WIDE)
    found = ["scrolls sideways"] if scrolls else []
    return found + [f"is wider than the window: {element}" for element in elements]


def _complaints(opened: Browser, address: str) -> list[str]:
    found = []
    for event in opened.events:
        parameters = event.get("params", {})
        method = event.get("method")
        if method == "Network.requestWillBeSent":
            url = parameters["request"]["url"]
            if url != address and not url.startswith("data:"):
                found.append(f"asks for {url}")
        elif method == "Log.entryAdded":
            found.append(f"console: {parameters['entry']['text']}")
        elif method in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown"):
            found.append(f"console: {json.dumps(parameters)[:200]}")
    return found


def _picture(opened: Browser, pictures: Path | None, name: str) -> None:
    if pictures is None:
        return
    pictures.mkdir(parents=True, exist_ok=True)
    width, height = opened.value("[window.innerWidth, document.documentElement.scrollHeight]")
    part = {"x": 0, "y": 0, "width": width, "height": min(height, TALLEST), "scale": 1}
    shot = opened.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=part)
    (pictures / f"{name}.png").write_bytes(base64.b64decode(shot["data"]))


def planted(folder: Path) -> list[Path]:
    """Pages of planted snapshots: the quickstart, every kind of gap, and very many of everything."""
    from matters.reports.report import write_report
    from testing import planted as plants

    pages = []
    planted = {"quickstart": plants.quickstart(), "gaps": plants.gaps(), "large": plants.large()}
    for name, (suite, snapshot) in planted.items():
        pages.append(write_report(suite, snapshot, folder / name, command=f"matters report {name}"))
    return pages


BAD = """<!DOCTYPE html><title>Bad</title><div style="width: 3000px">a table</div>
<img src="http://127.0.0.1:9/picture.png" alt="">
<div class="scroll" style="width: 50px" aria-label="cut"><div style="width: 90px">cut</div></div>
<div class="panels"><svg><text y="20">one text</text><text y="21">another</text></svg></div>
<script>console.error("a complaint")</script>
"""


def blind(opened: Browser, folder: Path) -> list[str]:
    """What the check does not see on a page with every fault: without this, silence would prove nothing."""
    (folder / "index.html").write_text(BAD)
    found = "\n".join(check(opened, folder / "index.html", None))
    faults = (
        "scrolls sideways",
        "wider than the window",
        "wider than the sheet",
        "asks for http",
        "a complaint",
        "one text | another",
        "a table is cut: 40 px of cut",
    )
    return [f"the check is blind: it does not see {fault!r}" for fault in faults if fault not in found]


def main(arguments: list[str] | None = None) -> int:
    """Check the pages. Returns 1 if anything is wrong."""
    parser = argparse.ArgumentParser(prog="python -m testing.check_pages")
    parser.add_argument("pages", nargs="*", type=Path, metavar="PAGE")
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="where to put pictures and PDFs")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder, browser() as opened:
        pages = chosen.pages or planted(Path(folder))
        wrong = blind(opened, Path(folder))
        wrong += [line for page in pages for line in check(opened, page, chosen.pictures)]
    sys.stdout.writelines(f"{line}\n" for line in wrong)
    looks = len(SIZES) * len(SCHEMES)
    sys.stdout.write(f"{len(pages)} pages, {looks} looks each and paper: {len(wrong)} complaints\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
