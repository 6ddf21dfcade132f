"""Errors that say how to mend what they complain about."""

import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardrouter import errors
from rewardrouter.errors import MissingDependencyError, RewardRouterError, UserError, did_you_mean

PUBLIC = [found for _, found in inspect.getmembers(errors, inspect.isclass) if issubclass(found, Exception)]


def test_every_error_is_one_of_ours_and_all_but_the_base_are_the_users_to_mend():
    assert {error.__name__ for error in PUBLIC} >= {"ConfigError", "DataError", "CheckpointError"}
    assert all(issubclass(error, RewardRouterError) for error in PUBLIC)
    assert [error for error in PUBLIC if not issubclass(error, UserError)] == [RewardRouterError]


def test_a_missing_package_comes_with_the_command_that_installs_it():
    error = MissingDependencyError("datasets", "datasets", "reading hub:owner/name")
    assert isinstance(error, UserError)
    assert str(error) == (
        "reading hub:owner/name needs the package datasets: pip install 'rewardrouter[datasets]'"
    )


@pytest.mark.parametrize(
    ("word", "known", "expected"),
    [
        ("prior_varience", ["noise_variance", "prior_variance"], " Did you mean prior_variance?"),
        ("skywork", ["GRM", "URM"], ""),
        ("x", [], ""),
        ("", ["a"], ""),
        ("judge-2", {"judge-1": 0, "grm": 1}, " Did you mean judge-1?"),
    ],
)
def test_a_suggestion_is_made_only_where_something_is_close(word, known, expected):
    assert did_you_mean(word, known) == expected


@given(st.text(min_size=1, max_size=10), st.lists(st.text(min_size=1, max_size=10)))
def test_a_word_that_is_known_is_its_own_suggestion(word, others):
    assert did_you_mean(word, [*others, word]) == f" Did you mean {word}?"
