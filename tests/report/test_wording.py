"""How numbers are written, and what the headline dares to say."""

from __future__ import annotations

import pytest
from html_tables import numbers
from hypothesis import given
from hypothesis import strategies as st
from replay_results import replay_results

from rewardrouter.report import wording
from rewardrouter.simulation.results import ReplayResults

shares = st.floats(0, 1)
differences = st.floats(-1, 1)


def versus(difference: float, interval: tuple[float, float] | None, *, seeds: int = 10) -> ReplayResults:
    """Return a run whose only single RM differs so from the reference."""
    results = replay_results(("router", "single/rm"), rms=["rm"], seeds=seeds)
    rival = results.strategies["single/rm"].model_copy(
        update={"difference": difference, "difference_interval": interval}
    )
    return results.model_copy(update={"strategies": {**results.strategies, "single/rm": rival}})


class TestNumbers:
    """Figures read back within half of the last digit, with a true minus and no signed zero."""

    @given(differences)
    def test_points(self, value: float) -> None:
        text = wording.points(value)
        assert "-" not in text
        assert numbers(text) == [pytest.approx(100 * value, abs=0.00501)]
        assert (text[0] in "+−") == (numbers(text) != [0.0])

    @given(shares)
    def test_shares(self, value: float) -> None:
        assert numbers(wording.share(value)) == [pytest.approx(100 * value, abs=0.0501)]
        assert wording.percent(value) == f"{wording.share(value)}\u00a0%"

    @pytest.mark.parametrize(
        ("seconds", "text"),
        [(0.0, "0.00\u00a0ms"), (0.00042, "0.42\u00a0ms"), (0.1524, "152.4\u00a0ms"), (2.5, "2.50\u00a0s")],
    )
    def test_durations(self, seconds: float, text: str) -> None:
        assert wording.duration(seconds) == text

    @pytest.mark.parametrize(
        ("seconds", "text"),
        [
            (7.84, "7.8\u00a0s"),
            (59.97, "1\u00a0min 0\u00a0s"),
            (125.4, "2\u00a0min 5\u00a0s"),
            (3599.8, "1\u00a0h 0\u00a0min"),
            (4_000_000, "1,111\u00a0h 6\u00a0min"),
        ],
    )
    def test_how_long_a_run_took(self, seconds: float, text: str) -> None:
        assert wording.clock(seconds) == text

    @pytest.mark.parametrize(
        ("names", "text"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")]
    )
    def test_names_in_a_sentence(self, names: list[str], text: str) -> None:
        assert wording.listed(names) == text

    @pytest.mark.parametrize(
        ("given", "text"), [([3], "3"), ([0, 1], "0, 1"), ([4, 5, 6], "4 to 6"), ([0, 2, 3], "0, 2, 3")]
    )
    def test_lists_of_seeds(self, given: list[int], text: str) -> None:
        assert wording.numbers(given) == text

    @pytest.mark.parametrize("write", [wording.share, wording.points, wording.decimal])
    def test_what_does_not_exist_is_a_dash(self, write: object) -> None:
        assert callable(write)
        assert write(None) == "–"

    @given(st.text(max_size=40), st.integers(0, 50))
    def test_a_name_cut_short_keeps_its_ends(self, name: str, width: int) -> None:
        cut = wording.short(name, width)
        assert len(cut) == min(len(name), width)
        if cut != name and width:
            start, _, end = cut.partition("…") if "…" not in name else (cut[:0], "", cut[:0])
            assert name.startswith(start)
            assert name.endswith(end)


class TestHeadline:
    """The answer, and no more than was seen."""

    @given(differences, differences, differences)
    def test_no_difference_is_claimed_where_the_interval_includes_zero(
        self, one: float, two: float, three: float
    ) -> None:
        low, middle, high = sorted((one, two, three))
        said = wording.headline(versus(middle, (low, high)))
        assert ("no difference that these seeds can show" in said) == (low <= 0 <= high)
        assert (" points more" in said) == (high < 0)
        assert (" points less" in said) == (low > 0)

    @pytest.mark.parametrize(
        ("difference", "interval", "said"),
        [
            (
                -0.031,
                (-0.04, -0.022),
                "That is 3.10 points more, 95\u00a0% interval 2.20 to 4.00 over 10 seeds.",
            ),
            (
                0.031,
                (0.022, 0.04),
                "That is 3.10 points less, 95\u00a0% interval 2.20 to 4.00 over 10 seeds.",
            ),
            (
                -0.002,
                (-0.009, 0.005),
                "That is no difference that these seeds can show: +0.20 points,"
                " 95\u00a0% interval −0.50 to +0.90 over 10 seeds.",
            ),
        ],
    )
    def test_the_reference_s_gain_is_the_rival_s_loss(
        self, difference: float, interval: tuple[float, float], said: str
    ) -> None:
        assert wording.headline(versus(difference, interval)).endswith(said)

    def test_one_seed(self) -> None:
        said = wording.headline(versus(-0.03, (-0.03, -0.03), seeds=1))
        assert said.endswith("One seed gives no interval: +3.00 points here may be chance.")

    def test_the_best_single_is_the_most_accurate(self) -> None:
        assert wording.best_single(replay_results()) == "single/skywork-v2-0.6b"

    def test_a_reference_that_is_a_single_is_compared_with_the_others(self) -> None:
        results = replay_results(reference="single/skywork-v2-0.6b")
        said = wording.headline(results)
        assert said.startswith("single/skywork-v2-0.6b gave")
        assert "the best other single reward model, grm-llama3.2-3b, on" in said

    @pytest.mark.parametrize(
        ("name", "told"),
        [("oracle", True), ("router:reward=truth", True), ("router", False), ("laser", False)],
    )
    def test_who_is_told_the_labels(self, name: str, told: bool) -> None:
        assert wording.reads_labels(name) is told
