"""The seam itself: two members make a reward model, and the docstring's example is one."""

import inspect
import textwrap

from rewardrouter.reward_models import RecordedRewardModel, RewardModel, base
from rewardrouter.testing import check_reward_model
from rewardrouter.verdicts import Verdict


def test_a_name_and_judge_make_a_reward_model():
    assert isinstance(RecordedRewardModel("rm", [], []), RewardModel)
    assert not isinstance(object(), RewardModel)


def test_the_example_of_the_docstring_keeps_the_contract():
    lines = inspect.getdoc(base).splitlines()
    start = lines.index("    class LongerIsBetter:")
    end = next(i for i in range(start, len(lines)) if lines[i] and not lines[i].startswith("    "))
    names = {"Verdict": Verdict}
    exec(textwrap.dedent("\n".join(lines[start:end])), names)  # noqa: S102 - our own documentation
    check_reward_model(names["LongerIsBetter"]())
