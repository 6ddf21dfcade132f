"""Pairs from samples: a right with a wrong response of one problem, in one manner where it can be."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rewardrouter.sandbox.problems import MANNERS, answered, right
from rewardrouter.sandbox.samples import pair_rows, read_samples, sample_of, write_samples
from rewardrouter.sandbox.tasks import distinct_problems

PROBLEMS = distinct_problems("router", 40, 0)


@st.composite
def samples(draw: st.DrawFn):
    """Problems with responses that are right, wrong, repeated, empty or no text at all."""
    found = []
    for number, problem in enumerate(PROBLEMS[: draw(st.integers(1, 12))]):
        others = [answered(other, m) for other in PROBLEMS[number + 1 : number + 3] for m in MANNERS]
        choices = st.sampled_from([*(answered(problem, m) for m in MANNERS), *others, "", "?"])
        found.append(sample_of(problem, draw(st.lists(choices, min_size=1, max_size=8))))
    return found


@given(samples(), st.integers(1, 3), st.integers(0, 99))
def test_pairs_are_right_against_wrong(found, per_problem, seed):
    made = pair_rows(found, per_problem, seed)
    by_id = {sample.problem.id: sample for sample in found}
    for row in made.rows:
        problem = by_id[row["group"]].problem
        good, bad = (
            (row["response_a"], row["response_b"])
            if row["label"] == "A"
            else (row["response_b"], row["response_a"])
        )
        assert right(problem, good)
        assert bad
        assert not right(problem, bad)
        assert (row["prompt"], row["domain"], row["answer"]) == (
            problem.prompt,
            problem.kind.name,
            problem.answer,
        )
    assert len({row["id"] for row in made.rows}) == len(made.rows)
    for sample in found:
        own = [row for row in made.rows if row["group"] == sample.problem.id]
        assert bool(own) == bool(sample.right and sample.wrong)
        assert len(own) <= per_problem
        responses = [row[side] for row in own for side in ("response_a", "response_b")]
        assert len(set(responses)) == len(responses)
    assert made.problems == len(found)
    assert made.problems - made.never_right - made.never_wrong == len({row["group"] for row in made.rows})


def test_responses_in_one_manner_meet_first():
    problem, other = PROBLEMS[0], next(p for p in PROBLEMS[1:] if p.kind == PROBLEMS[0].kind)
    responses = [answered(problem, "plain"), answered(problem, "hedged")]
    responses += [answered(other, "hedged"), answered(other, "steps")]
    for seed in range(10):
        (row,) = pair_rows([sample_of(problem, responses)], 1, seed).rows
        assert row["manner_a"] == row["manner_b"] == "hedged"


def test_which_response_is_a_is_a_coin():
    sample = sample_of(PROBLEMS[0], [PROBLEMS[0].answer, "?"])
    labels = [pair_rows([sample], 1, seed).rows[0]["label"] for seed in range(200)]
    assert 70 < labels.count("A") < 130


@given(samples())
def test_samples_survive_being_written(found):
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        write_samples(found, Path(folder) / "samples.jsonl")
        assert read_samples(Path(folder) / "samples.jsonl") == found
