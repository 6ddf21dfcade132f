"""Random numbers that belong to a pair."""

import itertools

from rewardrouter.annotators import StepContext
from rewardrouter.annotators.seeding import pair_generator
from rewardrouter.pairs import PreferencePair


def draw(seed=0, name="p", step=0, batch="b"):
    return pair_generator(seed, PreferencePair(name, "q", "x", "y"), StepContext(batch, step)).random()


def test_seed_step_and_id_each_change_the_draw():
    draws = [draw(*key) for key in itertools.product((0, 1, 12), ("p", "q", "2p"), (0, 1, 2))]
    assert len(set(draws)) == len(draws)


def test_nothing_else_does():
    pair = PreferencePair("p", "other", "y", "x", {"domain": "d"})
    assert draw() == draw(batch="another") == pair_generator(0, pair, StepContext("b", 0)).random()


def test_the_draw_never_changes():
    """A run begun with one version of the package is resumed with the next."""
    assert draw() == 0.7823052746919182


def test_half_a_surrogate_pair_in_an_id_does_no_harm():
    assert 0 <= draw(name="\ud83d") < 1
