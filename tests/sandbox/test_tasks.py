"""Parts of problems have nothing in common, and the same seed draws the same."""

from __future__ import annotations

import itertools
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from rewardrouter.sandbox.tasks import KINDS, distinct_problems, draw_problems, is_right, part_of

PARTS = ("language model", "reward models", "router", "stream", "evaluation")


@settings(max_examples=10)
@given(st.lists(st.integers(0, 2**32), min_size=5, max_size=5))
def test_parts_have_no_problem_in_common_whatever_the_seeds(seeds):
    drawn = [
        {problem.id for problem in itertools.islice(draw_problems(part, seed), 200)}
        for part, seed in zip(PARTS, seeds, strict=True)
    ]
    for one, other in itertools.combinations(drawn, 2):
        assert not one & other


def test_other_words_do_not_make_another_problem():
    by_id = Counter(problem.id for problem in itertools.islice(draw_problems("evaluation", 0), 3000))
    wordings = {}
    for problem in itertools.islice(draw_problems("evaluation", 0), 3000):
        wordings.setdefault(problem.id, set()).add(problem.prompt)
        assert part_of(problem) == "evaluation"
    assert max(by_id.values()) > 1
    assert max(map(len, wordings.values())) > 1


def test_the_seed_decides():
    one, same, other = (
        [problem.prompt for problem in distinct_problems("router", 100, seed)] for seed in (0, 0, 1)
    )
    assert one == same != other


def test_distinct_problems_are_distinct_and_of_all_kinds():
    problems = distinct_problems("stream", 400, 3)
    assert len({problem.id for problem in problems}) == len(problems) == 400
    assert {problem.kind.name for problem in problems} == set(KINDS)


def test_shares_decide_how_often_a_kind_comes():
    drawn = itertools.islice(draw_problems("language model", 0, {"sorting": 1.0, "extreme": 3.0}), 400)
    counts = Counter(problem.kind.name for problem in drawn)
    assert set(counts) == {"sorting", "extreme"}
    assert counts["extreme"] > 2 * counts["sorting"]


def test_a_row_of_a_file_can_be_checked():
    for problem in distinct_problems("evaluation", 50, 0):
        assert is_right(problem.kind.name, problem.answer, problem.answer)
        assert not is_right(problem.kind.name, problem.answer, f"{problem.answer} 1")
