"""The page at /, as text and in a real headless Chromium: on a desk and on a phone, light and dark."""

from __future__ import annotations

import shutil

import pytest
from gateways import pairs, running

from rewardrouter.serve.counts import Counts
from rewardrouter.serve.status import status_page
from rewardrouter.serve.tape import Calls
from rewardrouter.serve.view import ArmView, Belief, View

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
LAYOUTS = [(1280, "light"), (1280, "dark"), (360, "light"), (360, "dark")]
HOSTILE = "<script>alert('x')</script>"


def view_of(names, spans=30):
    counts = Counts()
    for place in range(spans):
        counts.labelled([names[(place * n) % len(names)] for n in range(8)], 9)
        calls = {name: Calls(8, place % 4 if n == 0 else 0, 1, 0.08) for n, name in enumerate(names)}
        counts.called(calls, 10.0 * place)
    arms = tuple(
        ArmView(name, 1 / len(names), 10, 3, counts.calls[name], Belief(-0.25, 0.5) if n else None, n)
        for n, name in enumerate(names)
    )
    return View("router", {}, arms, ("spare",), counts, 0, 60, None)


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    executable = next(filter(None, map(shutil.which, NAMES)), None)
    if executable is None:
        pytest.skip(f"no browser: none of {', '.join(NAMES)} is installed")
    with sync_api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=executable, headless=True, args=list(FLAGS))
        yield launched
        launched.close()


def test_names_are_text_whatever_they_are():
    page = status_page(view_of([HOSTILE, "b"]), 0.0)
    assert HOSTILE not in page
    assert "&lt;script&gt;" in page


def test_it_says_what_the_numbers_are():
    page = status_page(view_of(["rm0", "rm1"]), 0.0)
    for text in (
        "270 pairs",
        "30 without a label",
        "50.0%",
        "−0.250 ± 0.500",
        "10.0 ms",
        "1970-01-01 00:00:00 UTC",
    ):
        assert text in page
    assert "43 (17.9%)" in page  # failures of rm0
    assert "spare" in page
    assert "5 min, 10 s a bar" in page


def test_an_rm_that_failed_when_it_was_asked_last_is_said_to():
    view = view_of(["rm0", "rm1"])
    view.counts.called({"rm0": Calls(2, 2, 0, 0.0)}, 400.0)
    view.counts.called({"rm1": Calls(2, 0, 0, 0.0)}, 450.0)
    page = status_page(view, 0.0)
    assert page.count("failing") == 1
    assert page.index("rm0") < page.index("failing")


def test_an_empty_gateway_has_a_page():
    view = View("router", {}, (ArmView("rm0", None, 0, 0, Calls(), None, None),), (), Counts(), None, 0, None)
    assert "nothing yet" in status_page(view, 0.0)


@pytest.mark.parametrize(("width", "scheme"), LAYOUTS)
def test_it_is_whole_and_fits(width, scheme, browser, tmp_path):
    long = "an-organisation/" + "a-model-with-a-very-long-name-" * 6
    file = tmp_path / "status.html"
    file.write_text(
        status_page(view_of([long, "W" * 80, *(f"rm{n}" for n in range(8))]), 0.0), encoding="utf-8"
    )
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page.goto(file.as_uri())
    page.screenshot(path=tmp_path / f"status-{width}-{scheme}.png", full_page=True)
    assert page.evaluate("document.scrollingElement.scrollWidth <= window.innerWidth")
    boxes = page.eval_on_selector_all("svg", "all => all.map(one => one.getBoundingClientRect().toJSON())")
    assert len(boxes) == 11
    assert all(box["left"] >= 0 and box["right"] <= width and box["height"] > 20 for box in boxes)
    ink = _brightness(page.eval_on_selector("h1", "one => getComputedStyle(one).color"))
    paper = _brightness(page.eval_on_selector("body", "one => getComputedStyle(one).backgroundColor"))
    assert (ink < paper) == (scheme == "light")
    assert abs(ink - paper) > 450
    colours = page.eval_on_selector_all(
        ".key i", "all => all.map(one => getComputedStyle(one).backgroundColor)"
    )
    assert len(set(colours)) == 7  # six arms and the others
    heights = page.eval_on_selector_all("dd", "all => all.map(one => one.getBoundingClientRect().height)")
    assert max(heights) < 1.5 * min(heights)  # each figure stands in one line
    page.close()


def test_a_running_gateway_shows_it_without_asking_anybody_else(browser, tmp_path):
    with running(tmp_path) as at:
        at.models["rm0"].down = True
        at.client.done("/v1/annotate", {"pairs": pairs(40)})
        page = browser.new_page()
        console, requests = [], []
        page.on("console", lambda message: console.append(message.text))
        page.on("pageerror", lambda error: console.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        address = f"http://127.0.0.1:{at.client.port}/"
        page.goto(address)
        assert "strategy router" in page.inner_text("header")
        assert "40 pairs" in page.inner_text("header")
        assert page.locator(".badge").count() == 1  # rm0 fails on all that it is asked
        first = page.inner_text("footer")
        page.wait_for_function(
            "before => document.querySelector('footer').innerText != before", arg=first, timeout=15000
        )
        page.close()
    assert console == []
    assert {url for url in requests if not url.startswith("data:")} == {address}


def _brightness(colour):
    return sum(int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(","))
