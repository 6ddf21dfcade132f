"""Every number of a training's results that is in no curve, in its place."""

from __future__ import annotations

import pytest
from html_tables import Page, percent, points, shown
from training_results import AFTER, DOMAINS, changed, measured, training_results

from rewardrouter.report import render
from rewardrouter.training.results import TrainingResults

RESULTS = training_results()
DASH = "–"


@pytest.fixture(scope="module")
def page() -> Page:
    return read(RESULTS)


def read(results: TrainingResults) -> Page:
    return Page(render({"a-run": results}))


class TestFigures:
    """Every number of the results, in its place."""

    @pytest.mark.parametrize("name", AFTER)
    def test_the_main_table(self, name: str, page: Page) -> None:
        figures = RESULTS.strategies[name]
        table = page.table("Right after")
        assert table.columns == [
            "strategy", "right after (%)", "against router (points)", "labels right (%)", "RM calls",
            "failed calls", "wall-clock",
        ]  # fmt: skip
        after, gap, labels, calls, failed, clock = table.one(name)
        assert figures.accuracy is not None
        assert figures.annotation_accuracy is not None
        for cell, told in ((after, figures.accuracy), (labels, figures.annotation_accuracy)):
            assert cell.numbers == [percent(value) for value in (told.mean, *told.interval)]
        if figures.accuracy.difference is None or figures.accuracy.difference_interval is None:
            assert (name, gap.text, gap.detail) == ("router", DASH, "")
        else:
            told = (figures.accuracy.difference, *figures.accuracy.difference_interval)
            assert gap.numbers == [points(value) for value in told]
        assert calls.numbers == [figures.calls, figures.calls_per_pair]
        assert (failed.text, failed.detail) == (("128", "1.0\u00a0%") if name == "laser" else ("0", ""))
        assert (
            clock.text
            == f"{int(figures.wall_seconds) // 60}\u00a0min {int(figures.wall_seconds) % 60}\u00a0s"
        )

    def test_its_caption_says_what_it_was_before(self, page: Page) -> None:
        (caption,) = [caption for caption in page.tables if caption.startswith("Right after")]
        assert "of 1,200 prompts" in caption
        assert "71.2\u00a0% before training" in caption
        assert "95\u00a0% interval, over seeds" in caption

    def test_kinds_of_prompts_before_and_after(self, page: Page) -> None:
        table = page.table("Prompts answered rightly, by kind")
        assert table.columns == ["strategy", *DOMAINS]
        assert table.rows[0][0].text == "before"
        assert shown(table.one("before")) == [percent(value) for value in RESULTS.by_domain_before.values()]
        for name, figures in RESULTS.strategies.items():
            assert shown(table.one(name)) == [percent(figures.by_domain[domain]) for domain in DOMAINS]

    def test_labels(self, page: Page) -> None:
        table = page.table("Labels: how many pairs got one")
        for name, figures in RESULTS.strategies.items():
            labelled, gap = table.one(name)
            assert labelled.numbers == [percent(figures.labelled_share)]
            told = figures.annotation_accuracy
            assert told is not None
            wanted = [] if told.difference is None else [told.difference, *(told.difference_interval or ())]
            assert gap.numbers == [points(value) for value in wanted]

    def test_order_and_marks(self, page: Page) -> None:
        heads = [row[0].text for row in page.table("Right after").rows]
        assert heads == ["router", "majority", "single/ash", "laser", "random", "oracle"]
        assert page.text.count("router reference") == 4  # once in every table of one row per strategy
        assert page.text.count("oracle told the answers") == 4

    def test_an_interval_of_a_share_ends_at_0_and_100(self) -> None:
        page = read(changed(RESULTS, "router", accuracy=measured(0.9, None, half=0.95)))
        assert page.table("Right after").one("router")[0].numbers == [90, 0, 100]
