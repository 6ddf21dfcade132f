"""The page holds every figure of the results, says nothing else, and is safe for any name."""

from __future__ import annotations

import re

import matplotlib as mpl
import pytest
from html_tables import Page, percent, points, shown
from replay_results import POSTERIOR, RMS, ROUTED, STRATEGIES, replay_results

from rewardrouter.errors import DataError
from rewardrouter.report import render
from rewardrouter.simulation.results import Curves, Failure, Reliability, ReplayResults

RESULTS = replay_results()


@pytest.fixture(scope="module")
def html() -> str:
    return render({"a-run": RESULTS})


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def read(results: ReplayResults) -> Page:
    return Page(render({"a-run": results}))


def changed(results: ReplayResults, strategy: str, **fields: object) -> ReplayResults:
    """Return the results with other figures of one strategy."""
    figures = results.strategies[strategy].model_copy(update=fields)
    return results.model_copy(update={"strategies": {**results.strategies, strategy: figures}})


def exact(value: float) -> object:
    return pytest.approx(value, abs=0.000501)


class TestFigures:
    """Every number of the results, in its place."""

    @pytest.mark.parametrize("name", STRATEGIES)
    def test_the_main_table(self, name: str, page: Page) -> None:
        figures = RESULTS.strategies[name]
        accuracy, difference, early, late, calls, coverage, auc = page.table("Accuracy over kept pairs").one(
            name
        )
        assert accuracy.numbers == [percent(v) for v in (figures.accuracy, *figures.accuracy_interval)]
        if figures.difference is None or figures.difference_interval is None:
            assert (name, difference.text, difference.detail) == ("router", "–", "")
        else:
            assert difference.numbers == [
                points(v) for v in (figures.difference, *figures.difference_interval)
            ]
        assert early.numbers + late.numbers == [
            percent(figures.accuracy_early),
            percent(figures.accuracy_late),
        ]
        assert calls.numbers == [pytest.approx(figures.calls_per_pair, abs=0.005)]
        assert coverage.numbers == [percent(figures.coverage)]
        assert auc.numbers == ([] if figures.reward_auc is None else [exact(figures.reward_auc)])

    @pytest.mark.parametrize("name", STRATEGIES)
    def test_the_other_tables(self, name: str, page: Page) -> None:
        figures = RESULTS.strategies[name]
        domains = page.table("Accuracy by domain").one(name)
        assert shown(domains) == [percent(figures.by_domain[domain]) for domain in RESULTS.domains]
        everywhere, *deviations = page.table("Accuracy over all pairs").one(name)
        assert everywhere.numbers == [percent(figures.accuracy_all)]
        given = [figures.accuracy_std, figures.accuracy_se, figures.difference_se]
        assert shown(deviations) == [points(value) for value in given if value is not None]
        calls = page.table("Calls of each RM").one(name)
        assert [cell.numbers[0] for cell in calls] == [figures.calls_by_rm.get(rm, 0) for rm in RMS]
        assert [cell.numbers[1] for cell in calls if cell.detail] == [
            percent(value) for value in figures.arm_share.values()
        ]
        assert shown(page.table("AUC of the policy").one(name)) == [
            exact(value)
            for value in (
                figures.policy_auc_start, figures.policy_auc_end,
                figures.likelihood_auc_start, figures.likelihood_auc_end,
            )
        ]  # fmt: skip

    @pytest.mark.parametrize("name", STRATEGIES)
    def test_the_time_of_each_phase_beside_the_policy_s_step(self, name: str, page: Page) -> None:
        seconds = RESULTS.strategies[name].seconds
        table = page.table("Median time per batch")
        assert table.columns == ["strategy", *seconds]
        for cell, (phase, taken) in zip(table.one(name), seconds.items(), strict=True):
            own, *relative = cell.numbers
            assert (own, "ms" in cell.text) == (pytest.approx(1000 * taken, abs=0.05), True)
            assert relative == ([] if phase == "policy" else [percent(taken / seconds["policy"])])

    @pytest.mark.parametrize("name", STRATEGIES)
    def test_the_curves(self, name: str, page: Page) -> None:
        curves = RESULTS.strategies[name].curves
        rows = page.table("Accuracy by window").of(name)
        assert [row[0].numbers for row in rows] == [[batch] for batch in curves.batches]
        assert [row[1].numbers for row in rows] == [[percent(value)] for value in curves.accuracy]
        bounds = zip(curves.accuracy_low, curves.accuracy_high, strict=True)
        assert [row[2].numbers for row in rows] == [[percent(low), percent(high)] for low, high in bounds]
        shares = page.table("Share of the labels by RM").of(name)
        assert len(shares) == (len(curves.batches) if name in ROUTED else 0)
        for i, row in enumerate(shares):
            assert shown(row) == [curves.batches[i], *(percent(curves.arm_share[rm][i]) for rm in RMS)]
        beliefs = page.table("Posterior mean").of(name)
        assert len(beliefs) == (len(curves.batches) if name in POSTERIOR else 0)
        for i, row in enumerate(beliefs):
            means = [v for rm in RMS for v in (curves.score_mean[rm][i], curves.score_spread[rm][i])]
            assert shown(row) == [curves.batches[i], *map(exact, means)]

    def test_reliability(self, page: Page) -> None:
        for caption, bins in (
            ("Bradley–Terry head", RESULTS.reliability.bt),
            ("Classification head", RESULTS.reliability.cls),
        ):
            table = page.table(caption)
            assert [row[0].numbers for row in table.rows] == [
                [pytest.approx(one.low), pytest.approx(one.high)] for one in bins
            ]
            assert [shown(row[1:]) for row in table.rows] == [
                [one.n, exact(one.predicted), exact(one.observed)] for one in bins
            ]

    def test_what_was_run(self, page: Page) -> None:
        for text in (
            "655, of rewardbench_half.parquet", "630 (96.2%)", "100 batches of 64 pairs, in 10 epochs",
            "10 (0 to 9)", f"4: {', '.join(RMS)}", RESULTS.policy, *RESULTS.notes,
        ):  # fmt: skip
            assert text in page.text

    def test_the_headline_is_the_first_thing_said(self, page: Page) -> None:
        told = page.text.index("router gave the human’s label on 87.8\u00a0% of the kept pairs")
        assert told < page.text.index("What was run")
        assert "That is 4.20 points more, 95\u00a0% interval 3.72 to 4.68 over 10 seeds." in page.text

    def test_order_and_marks(self, page: Page) -> None:
        heads = [row[0].text for row in page.table("Accuracy over kept pairs").rows]
        accuracies = [RESULTS.strategies[name].accuracy for name in heads[:-1]]
        assert heads[-1] == "oracle"
        assert accuracies == sorted(accuracies, reverse=True)
        assert page.text.count("router reference") == 6  # once in every table of one row per strategy
        assert page.text.count("oracle told the labels") == 6


class TestFailures:
    """The paper's three failures, where they occurred."""

    def test_they_are_named_with_their_sentence(self, page: Page) -> None:
        for strategy, figures in RESULTS.strategies.items():
            for failure in figures.failures:
                assert f"{failure.name} {strategy}: {failure.says}" in page.text
        assert "occurred in any strategy" not in page.text

    def test_or_a_line_says_that_there_are_none(self) -> None:
        told = read(replay_results(failures={})).text
        assert "(collapse, low early accuracy, late decay) occurred in any strategy" in told


class TestPlots:
    """The plots as text: what they show, and what is left out."""

    def test_every_plot_says_what_it_shows(self, page: Page) -> None:
        panels = 3 + len(ROUTED) + len(POSTERIOR) + 2
        assert len(page.svg_labels) == page.tags.count("figure") == panels
        curves = RESULTS.strategies["laser"].curves
        start, end = (f"{100 * curves.accuracy[i]:.1f}" for i in (0, -1))
        assert f"laser {start} to {end}\u00a0%" in page.svg_labels[0]
        assert all(label.strip() for label in page.svg_labels)

    def test_no_panel_holds_more_than_the_reference_and_five(self) -> None:
        names = ["router", *(f"router:prior_variance={2**-i}" for i in range(11)), "oracle"]
        page = read(replay_results(names))
        panels = [label for label in page.svg_labels if "From the first to the last window" in label]
        assert len(panels) == 3
        for label in panels:
            assert label.count(" to ") - 1 <= 6
            assert "router 8" in label  # the reference
        shown_once = "".join(panels)
        assert all(shown_once.count(f"{name} ") == 1 for name in names[1:-1])
        assert "Not drawn, since told the labels: oracle." in page.text

    def test_names_stand_at_the_lines_as_text(self, page: Page) -> None:
        assert {"without-offline", "random", *RMS} <= set(page.svg_texts)

    def test_only_so_many_rms_have_a_colour(self) -> None:
        rms = [f"rm-{i}" for i in range(9)]
        page = read(replay_results(rms=rms))
        assert "3 other RMs" in page.text
        assert "In the table only: rm-6, rm-7, rm-8." in page.text
        assert page.table("Share of the labels by RM").columns[2:] == rms

    def test_a_run_without_posteriors_reward_or_heads_leaves_these_plots_out(self) -> None:
        results = replay_results(("majority", "single/rm"), rms=["rm"], failures={})
        page = read(results.model_copy(update={"reliability": Reliability(bt=[], cls=[])}))
        assert len(page.svg_labels) == 1
        for title in ("Arm share", "posteriors", "trusted"):
            assert title not in page.text

    def test_no_classification_head(self) -> None:
        kept = Reliability(bt=RESULTS.reliability.bt, cls=[])
        page = read(RESULTS.model_copy(update={"reliability": kept}))
        assert "Bradley–Terry head" in page.text
        assert "Classification head" not in page.text

    def test_empty_bins_are_left_out(self) -> None:
        first, *rest = RESULTS.reliability.bt
        bins = [first.model_copy(update={"n": 0}), *rest]
        page = read(RESULTS.model_copy(update={"reliability": Reliability(bt=bins, cls=[])}))
        assert len(page.table("Bradley–Terry head").rows) == len(rest)


class TestSmallRuns:
    """Runs of which there is little."""

    def test_one_seed_has_no_interval(self) -> None:
        page = read(replay_results(seeds=1))
        assert "One seed gives no interval: +4.20 points here may be chance." in page.text
        assert "no intervals" in page.text
        assert not any(cell.detail for row in page.table("Accuracy over kept pairs").rows for cell in row)
        assert {row[3].text for row in page.table("Accuracy by window").rows} == {"–"}
        assert {cell.text for row in page.table("Accuracy over all pairs").rows for cell in row[2:]} == {"–"}

    def test_one_strategy_only(self) -> None:
        page = read(replay_results(("router",)))
        assert "no single reward model was replayed beside it" in page.text
        assert [row[0].text for row in page.table("Accuracy over kept pairs").rows] == ["router"]
        assert page.svg_labels[0].startswith("The reference.")

    def test_one_window(self) -> None:
        page = read(replay_results(windows=1))
        assert len(page.table("Accuracy by window").of("router")) == 1

    def test_a_strategy_without_curves(self) -> None:
        nothing = Curves(
            batches=[],
            accuracy=[],
            accuracy_low=[],
            accuracy_high=[],
            arm_share={},
            score_mean={},
            score_spread={},
        )
        page = read(changed(RESULTS, "laser", curves=nothing))
        assert page.table("Accuracy by window").of("laser") == []
        assert not any("laser" in label for label in page.svg_labels)

    def test_a_domain_missing_from_one_strategy(self) -> None:
        page = read(changed(RESULTS, "laser", by_domain={"Chat": 0.5, "Reasoning": 0.6}))
        assert [cell.text for cell in page.table("Accuracy by domain").one("laser")] == ["50.0", "–", "60.0"]

    def test_a_reference_that_is_not_there(self) -> None:
        with pytest.raises(
            DataError, match="a-run: its reference strategy nobody is not among its strategies"
        ):
            read(RESULTS.model_copy(update={"reference": "nobody"}))


class TestSeveralRuns:
    """One page of many runs."""

    def test_each_has_its_part_below_an_overview(self) -> None:
        runs = {
            "first": RESULTS,
            "second": replay_results(("laser", "single/rm", "oracle"), rms=["rm"], seeds=1),
        }
        page = Page(render(runs))
        overview = page.table("Accuracy of the reference strategy")
        assert [row[0].text for row in overview.rows] == ["first", "second"]
        assert shown(overview.one("first")) == [630, 10, 87.8, 83.6, 4.2, 3.72, 4.68]
        assert overview.one("second")[4].detail == ""
        assert [len(tables) for caption, tables in page.tables.items() if "domain" in caption] == [2]
        assert page.text.count("How to read it") == 3  # two links, one part

    def test_ids_are_unique_and_every_reference_has_its_target(self) -> None:
        html = render({"first": RESULTS, "second": RESULTS})
        ids = Page(html).ids
        assert len(ids) == len(set(ids))
        targets = re.findall(r"url\(#([^)]+)\)", html) + re.findall(r'href="#([^"]+)"', html)
        assert len(targets) > 50
        assert set(targets) <= set(ids)


HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'; </style></svg><script>alert(2)</script>",
    "{{ 7 * 7 }} {% raw %}",
    "$\\frac{1}{0$ & &amp; \\n",
    "漢字 🙂 \x01 \u202e right to left",
    "W" * 400,
)


@pytest.fixture(scope="module")
def hostile() -> str:
    names = [*HOSTILE, *(f"single/{name}" for name in HOSTILE)]
    failures = {name: [Failure(name="collapse", says=f"onto {name}")] for name in HOSTILE}
    results = replay_results(names, rms=HOSTILE, domains=dict.fromkeys(HOSTILE, 9), failures=failures)
    beliefs = RESULTS.strategies["router"].curves.score_mean.values()
    mean = dict(zip(HOSTILE, beliefs, strict=False))
    curves = results.strategies[HOSTILE[0]].curves.model_copy(
        update={"score_mean": mean, "score_spread": mean, "arm_share": mean}
    )
    results = changed(results, HOSTILE[0], curves=curves)
    texts = {"policy": HOSTILE[0], "verdicts": HOSTILE[1], "notes": list(HOSTILE)}
    return render({HOSTILE[2]: results.model_copy(update=texts), HOSTILE[3]: results})


class TestAnyName:
    """Names are the user's: data wherever they stand."""

    def test_they_are_never_markup(self, hostile: str) -> None:
        page = Page(hostile)
        assert {"script", "img"} & set(page.tags) == set()
        assert not [name for name, _ in page.attributes if name.startswith("on") or name == "src"]

    def test_they_are_shown_as_they_are(self, hostile: str) -> None:
        page = Page(hostile)
        (main, _) = next(
            tables for caption, tables in page.tables.items() if caption.startswith("Accuracy over kept")
        )
        assert {row[0].text for row in main.rows} >= {name.strip() for name in HOSTILE}
        assert "49" not in page.text.partition("What was run")[0]
        assert any("$" in text for text in page.svg_texts)


class TestAlone:
    """Nothing from elsewhere, and nothing by chance."""

    def test_the_page_refers_to_nothing_outside_itself(self, html: str, page: Page) -> None:
        assert "//" not in re.sub(r"(?s)/\*.*?\*/", "", html)
        assert {"script", "img", "iframe", "object", "base"} & set(page.tags) == set()
        assert {value for name, value in page.attributes if name in ("href", "src") and value[0] != "#"} == {
            "data:,"
        }
        assert "default-src 'none'" in html

    def test_the_same_results_give_the_same_bytes_whatever_matplotlib_is_set_to(self, html: str) -> None:
        with mpl.rc_context({"font.size": 30, "axes.facecolor": "red", "text.usetex": True}):
            assert render({"a-run": RESULTS}) == html
            assert mpl.rcParams["font.size"] == 30

    def test_styles_of_the_plots_do_not_reach_the_page(self, page: Page) -> None:
        assert page.tags.count("style") == 1

    def test_plots_take_their_colours_from_the_page(self, html: str) -> None:
        plots = "".join(re.findall(r"(?s)<svg.*?</svg>", html))
        assert "var(--reference)" in plots
        assert (
            re.findall(r"#[0-9a-f]{6}\b(?![^<]*url)", re.sub(r"[a-z-]+=\"[^\"]*#run[^\"]*\"", "", plots))
            == []
        )
