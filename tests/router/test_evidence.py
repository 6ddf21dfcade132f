"""What calibration says of one pair is what a cascade works with."""

from __future__ import annotations

import numpy as np
import pytest
from small_tables import written_pairs, written_table

from rewardrouter.annotators import StepContext
from rewardrouter.annotators.admitted import Admitted
from rewardrouter.annotators.cascade import CascadeAnnotator
from rewardrouter.calibration import Plan
from rewardrouter.config.cascade import CascadeSettings
from rewardrouter.reward_models import recorded_pool
from rewardrouter.router.evidence import evidence_of
from rewardrouter.router.explanation import explain_pair
from rewardrouter.verdicts import Verdict

TABLE = written_table(8, 5)
PAIR = written_pairs(1, 3)[0][0]


def said(row):
    return {rm: TABLE.verdict(row, rm) for rm in TABLE.rms}


@pytest.mark.parametrize("kind", ["linear", "mlp", "cosine"])
def test_it_is_the_cascade_of_the_annotator(router_of, kind, monkeypatch):
    never_sure = Plan(threshold=np.inf, price=0.0, cost=3.0, accuracy=1.0)
    monkeypatch.setattr(Admitted, "plan", lambda *_: never_sure)
    router = router_of(kind)
    annotator = CascadeAnnotator(recorded_pool(TABLE), router, CascadeSettings())
    for row, found in enumerate(annotator.annotate(TABLE.pairs, StepContext("batch"))):
        pair = TABLE.pairs[row]
        calls = evidence_of(router, router.score([pair]), said(row)).calls
        assert [call.name for call in calls] == list(found.rms)
        assert [call.verdict for call in calls] == [v.winner or "failed" for v in found.verdicts]
        assert calls[-1].label == found.label
        assert calls[0].name == router.rank([pair])[0][0]
        assert calls[0].why == "score"


def test_before_any_verdict_only_the_first_is_known(router_of):
    router = router_of("linear")
    found = explain_pair(router, PAIR).evidence
    assert [arm.name for arm in found.arms] == list(router.rank([PAIR])[0])
    (call,) = found.calls
    assert (call.name, call.verdict, call.label) == (found.arms[0].name, None, None)
    assert call.gain == found.arms[0].gain
    assert all(arm.verdict is None and arm.calibrated is None for arm in found.arms)
    assert 0.5 <= found.sure <= 1.0


def test_a_wider_margin_is_trusted_no_less_and_a_judge_gets_what_was_expected(router_of):
    router = router_of("linear").with_arm("scored", None)
    found = [
        explain_pair(router, PAIR, {router.arms[0]: verdict, router.arms[1]: Verdict(router.arms[1], winner)})
        for verdict, winner in (
            (Verdict.from_scores(router.arms[0], 1.0, 0.0), "A"),
            (Verdict.from_scores(router.arms[0], 9.0, 0.0), "tie"),
        )
    ]
    small, large = ({arm.name: arm for arm in one.evidence.arms} for one in found)
    assert (small[router.arms[0]].margin, large[router.arms[0]].margin) == (1.0, 9.0)
    assert large[router.arms[0]].calibrated >= small[router.arms[0]].calibrated
    judge = small[router.arms[1]]
    assert judge.margin is None
    assert judge.calibrated == pytest.approx(judge.expected)
    tied = large[router.arms[1]]
    assert (tied.verdict, tied.calibrated) == ("tie", None)
    assert small["scored"].verdict is None


def test_without_held_out_pairs_a_note_says_so(router_of):
    router = router_of("linear").with_arm("new")
    router.held_out = router.held_out.select(np.zeros(len(router.held_out), np.bool_))
    found = explain_pair(router, PAIR)
    assert found.evidence is None
    assert any("no held-out pairs" in note for note in found.notes)
