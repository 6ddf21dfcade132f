"""A pool and a learning annotator that keep their contracts: what conformance is checked against."""

from __future__ import annotations

import numpy as np

from rewardrouter.annotators.calling import call_in_order
from rewardrouter.pairs import digest
from rewardrouter.reward_models import RewardModelPool
from rewardrouter.state import State
from rewardrouter.verdicts import Verdict


class Scores:
    """An RM with fixed but arbitrary tastes: scores are digests of its name and the text."""

    def __init__(self, name, ties=0, fails=0):
        self.name, self.ties, self.fails = name, ties, fails

    def judge(self, pairs):
        return [self.one(pair) for pair in pairs]

    def one(self, pair):
        kind = self.number(pair.prompt) % 4
        if kind < self.fails:
            return Verdict.failed(self.name, "overloaded")
        if kind < self.fails + self.ties:
            return Verdict.from_scores(self.name, 0.5, 0.5)
        return Verdict.from_scores(self.name, self.number(pair.response_a), self.number(pair.response_b))

    def number(self, text):
        return int(digest(self.name, text), 16) % 1000 / 7


POOL = RewardModelPool([Scores("plain"), Scores("ties", ties=2), Scores("fails", fails=1, ties=1)])


class Learner:
    """Keeps the contract: calls the arm of the lowest mean loss, counting only decisions that it made."""

    def __init__(self):
        self.losses = {rm: [] for rm in POOL.names}
        self.open = {}

    def annotate(self, pairs, step):
        order = sorted(POOL.names, key=lambda rm: np.mean(self.losses[rm] or [0.0]))
        given = call_in_order(POOL, pairs, [order] * len(pairs), step)
        self.open |= {one.decision_id: one.rm for one in given if one.rm is not None}
        return given

    def observe(self, outcomes):
        for decision, outcome in outcomes.items():
            if rm := self.open.pop(decision, None):
                self.losses[rm].append(outcome.loss)

    def state_dict(self):
        arrays = {rm: np.array(losses) for rm, losses in self.losses.items()}
        return State(arrays, {"open": dict(self.open)})

    def load_state_dict(self, state):
        self.losses = {rm: state.array(rm, (None,)).tolist() for rm in self.losses}
        self.open = dict(state.value("open", dict))
