"""The pairs that conformance is checked on, and what importing the checks costs."""

import subprocess
import sys

import pytest

from rewardrouter.testing import ConformanceError, check_reward_model, sample_pairs
from rewardrouter.testing.samples import shown


def test_the_samples_hold_every_kind_of_pair_once():
    pairs = sample_pairs()
    texts = [text for pair in pairs for text in (pair.prompt, pair.response_a, pair.response_b)]
    assert len({pair.id for pair in pairs}) == len({pair.prompt for pair in pairs}) == len(pairs)
    assert all(pair.response_a != pair.response_b for pair in pairs)
    assert "" in texts
    assert max(len(text) for text in texts) > 50_000
    assert any(isinstance(text, str) and not text.isascii() for text in texts)
    roles = {tuple(message.role for message in text) for text in texts if not isinstance(text, str)}
    assert roles == {("user",), ("assistant",), ("system", "user", "assistant", "user")}


def test_a_conformance_error_is_an_assertion():
    assert issubclass(ConformanceError, AssertionError)


def test_an_exception_is_shown_in_one_line():
    assert shown(ValueError("two\n  lines")) == "ValueError: two lines"


class Named:
    name = "named"

    def judge(self, pairs):
        raise NotImplementedError


@pytest.mark.parametrize("pairs", [[], [sample_pairs()[0], sample_pairs()[0].swapped()]])
def test_pairs_that_cannot_be_told_apart_are_the_callers_mistake(pairs):
    with pytest.raises(ValueError, match="each id once"):
        check_reward_model(Named(), pairs)


def test_importing_the_checks_imports_nothing_heavy():
    heavy = ("torch", "transformers", "pandas", "pyarrow", "datasets", "pydantic")
    code = f"import sys, rewardrouter.testing; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
