"""The page in a real headless Chromium, as on a desk and as on a phone, light and dark."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from replay_results import replay_results
from training_results import training_results

from rewardrouter.report import render

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip

LONG = "an-organisation/" + "a-model-with-a-very-long-name-" * 6
LAYOUTS = [(1280, "light"), (1280, "dark"), (360, "light"), (360, "dark")]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    executable = next(filter(None, map(shutil.which, NAMES)), None)
    if executable is None:
        pytest.skip(f"no browser: none of {', '.join(NAMES)} is installed")
    with sync_api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=executable, headless=True, args=list(FLAGS))
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of a usual replay and training, and of one each with long names."""
    rms = [LONG, "W" * 80, *(f"rm-{i}" for i in range(8))]
    runs = {
        "usual": replay_results(),
        LONG: replay_results(("router", *rms, *(f"single/{rm}" for rm in rms)), rms=rms),
        "trained": training_results(),
        f"{LONG}, trained": training_results(("router", *rms, f"single/{rms[0]}"), rms=rms, domains=rms),
    }
    written = tmp_path_factory.mktemp("report") / "report.html"
    written.write_text(render(runs), encoding="utf-8")
    return written


@pytest.mark.parametrize(("width", "scheme"), LAYOUTS)
def test_it_is_whole_and_fits(width: int, scheme: str, browser: Any, file: Path, tmp_path: Path) -> None:
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    console: list[str] = []
    requests: list[str] = []
    page.on("console", lambda message: console.append(message.text))
    page.on("pageerror", lambda error: console.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(file.as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    page.screenshot(path=tmp_path / f"report-{width}-{scheme}.png", full_page=True)

    assert console == []
    assert [url for url in requests if not url.startswith("data:")] == [file.as_uri()]
    assert page.evaluate("document.scrollingElement.scrollWidth <= window.innerWidth")

    boxes = page.eval_on_selector_all("svg", "all => all.map(one => one.getBoundingClientRect().toJSON())")
    assert len(boxes) == file.read_text(encoding="utf-8").count("<svg") > 40
    assert all(box["width"] > 200 and box["height"] > 100 for box in boxes)
    assert all(box["left"] >= 0 and box["right"] <= width for box in boxes)
    assert all(page.eval_on_selector_all("svg", "all => all.map(one => one.checkVisibility())"))
    page.close()


@pytest.mark.parametrize(("width", "scheme"), LAYOUTS)
def test_the_plots_text_can_be_read(width: int, scheme: str, browser: Any, file: Path) -> None:
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page.goto(file.as_uri())
    sizes = page.eval_on_selector_all(
        "svg text",
        """all => all.map(one => parseFloat(getComputedStyle(one).fontSize)
            * one.ownerSVGElement.getBoundingClientRect().width / one.ownerSVGElement.viewBox.baseVal.width)""",
    )
    assert len(sizes) > 100
    assert min(sizes) >= 10
    overflow = page.eval_on_selector_all(
        "svg text",
        """all => Math.max(...all.map(one => one.getBoundingClientRect().right
            - one.closest('figure').getBoundingClientRect().right))""",
    )
    assert overflow <= 0
    ink = page.eval_on_selector("svg text", "one => getComputedStyle(one).fill")
    card = page.eval_on_selector("figure", "one => getComputedStyle(one).backgroundColor")
    assert (_brightness(ink) < _brightness(card)) == (scheme == "light")
    page.close()


def test_wide_tables_scroll_in_their_own_frame(browser: Any, file: Path) -> None:
    page = browser.new_page(viewport={"width": 360, "height": 800})
    page.goto(file.as_uri())
    wide = page.eval_on_selector_all(".scroll", "all => all.map(one => one.scrollWidth > one.clientWidth)")
    assert any(wide)
    page.close()


def _brightness(colour: str) -> int:
    """Return the sum of the parts of ``rgb(r, g, b)``."""
    return sum(int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(","))
