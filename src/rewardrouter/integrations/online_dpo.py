"""A label for each pair of TRL's experimental online DPO, from any annotator.

``OnlineDPOTrainer`` samples two completions per prompt, asks its reward functions about all 2 B of them, first those
that stand as A and then those as B, and takes the one with the higher reward as the better one. So an annotator's
label is the reward 1 of one and 0 of the other::

    pairs = RoutedPairs(OfflineOnlyAnnotator(pool, router))
    OnlineDPOTrainer(policy, reward_funcs=pairs, train_dataset=prompts, callbacks=[SaveRouter(pairs)], ...).train()

What that trainer makes of rewards, and no reward function can change:

* It drops no pair. Where no RM gave a label, both rewards are 0 and A is taken as the better one. A and B are drawn
  alike, so that is a label by chance: noise, without a preference for either. Such pairs are counted in ``failed`` and
  told on stderr. ``RoutedDPOTrainer`` drops them.
* Two equal completions are a pair too, but one without gradient: no RM is asked about them.
* It knows no weights: those of annotations are not used.
* A ``missing_eos_penalty`` of 1 or more turns labels of completions that were cut; less than 1 turns none.
* Other reward functions beside this one are added to it: give this one alone.

With ``beta`` the annotator learns too: the losses of a step's pairs are computed here, from the same weights that the
trainer computes them from, at the price of another pass of policy and reference. Without, an annotator that learns
stays what it is: give one that does not try arms out, :class:`~rewardrouter.annotators.OfflineOnlyAnnotator`.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from rewardrouter.annotators.base import Annotation, Annotator, Outcome, StepContext
from rewardrouter.errors import CheckpointError, ConfigError, DataError
from rewardrouter.integrations.batches import as_text
from rewardrouter.integrations.log_ratios import PolicyLogRatios
from rewardrouter.integrations.ranks import gathered, rank
from rewardrouter.online.arrays import Floats
from rewardrouter.pairs import PreferencePair, digest
from rewardrouter.progress import log
from rewardrouter.state import State


class RoutedPairs:
    """A reward function for ``trl.experimental.online_dpo.OnlineDPOTrainer``.

    Parameters
    ----------
    annotator
        Labels the pairs. On several ranks each has its own: give their draws different seeds.
    beta
        The trainer's, where the annotator is to learn from its sigmoid losses; ``None`` where not.
    reference
        The policy as it was; ``None`` where the policy trains a LoRA adapter. Read only with ``beta``.
    name
        Of the reward function.

    Attributes
    ----------
    failed
        Pairs so far that got no label.

    Raises
    ------
    ConfigError
        If the TRL that is installed has no ``OnlineDPOTrainer``, or an annotator is to learn on several ranks.
    """

    def __init__(
        self,
        annotator: Annotator,
        *,
        beta: float | None = None,
        reference: PreTrainedModel | None = None,
        name: str = "routed_pairs",
    ) -> None:
        check_online_dpo()
        self.__name__ = name
        self._annotator, self._beta = annotator, beta
        self._log_ratios = PolicyLogRatios(reference, add_special_tokens=False)
        self._ends: frozenset[int] = frozenset()
        self._calls = 0
        self.failed = 0

    def watch(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
        """Take the trainer's model, adapters included, and its tokenizer."""
        given: Any = model.generation_config.eos_token_id
        ends = given if isinstance(given, list) else [given]
        self._ends = frozenset([*ends, tokenizer.eos_token_id])
        self._log_ratios.watch(model, tokenizer)

    def __call__(
        self,
        prompts: Sequence[Any],
        completions: Sequence[Any],
        completion_ids: Sequence[Sequence[int]] = (),
        **columns: Any,
    ) -> list[float]:
        """Return 1 for the better completion of each pair and 0 for the other, ``[2 B]``; 0 for both without label.

        Raises
        ------
        DataError
            If prompts do not come as two equal blocks: this is no ``OnlineDPOTrainer``.
        ConfigError
            If an annotator is to learn on several ranks, which would then believe different things.
        """
        size = len(prompts) // 2
        if len(prompts) != len(completions) or list(prompts[:size]) != list(prompts[size:]):
            raise DataError(
                f"{self.__name__}: expected every prompt once for A, then once for B, as OnlineDPOTrainer asks;"
                " for GRPO and RLOO take RoutedReward"
            )
        if self._beta is not None and len(gathered([rank()])) > 1:
            raise ConfigError(
                f"{self.__name__}: beta lets the annotator learn, on one rank only; leave it out"
            )
        pairs = _pairs(prompts, completions, columns)
        # Equal completions have no gradient, whichever is the better one.
        rows = [row for row, pair in enumerate(pairs) if pair.response_a != pair.response_b]
        context = StepContext(batch_id=f"{rank()}/{self._calls}", step=self._calls)
        annotations = self._annotator.annotate([pairs[row] for row in rows], context)
        self._calls += 1
        if self._beta is not None:
            margins = self._margins(prompts, completion_ids, self._beta)
            self._annotator.observe(_outcomes(annotations, margins[rows]))
        self._count(annotations)
        rewards = [0.0] * len(prompts)
        for row, one in zip(rows, annotations, strict=True):
            if one.label is not None:
                rewards[row if one.label == "A" else row + size] = 1.0
        return rewards

    def state_dict(self) -> State:
        """Return the annotator's state, and what was counted."""
        counts = {"calls": self._calls, "failed": self.failed}
        return State.joined(counts, annotator=self._annotator.state_dict())

    def load_state_dict(self, state: State) -> None:
        """Continue where the state was taken.

        Raises
        ------
        CheckpointError
            If it is broken or of another annotator; nothing is changed then.
        """
        calls, failed = int(state.value("calls", int)), int(state.value("failed", int))
        if min(calls, failed) < 0:
            raise CheckpointError(f"state: {calls} calls, {failed} failed; it is broken")
        self._annotator.load_state_dict(state.part("annotator"))
        self._calls, self.failed = calls, failed

    def _margins(
        self, prompts: Sequence[Any], completion_ids: Sequence[Sequence[int]], beta: float
    ) -> Floats:
        """Return the implicit reward margins of A over B, ``float64 [B]``, nats, beta included (paper Eq. 1)."""
        ratios = self._log_ratios(prompts, [self._without_padding(ids) for ids in completion_ids])
        size = len(prompts) // 2
        return beta * (ratios[:size] - ratios[size:])

    def _without_padding(self, ids: Sequence[int]) -> Sequence[int]:
        """Return a completion up to its end; what the trainer fills it up with follows the end."""
        return ids[: next((n + 1 for n, token in enumerate(ids) if token in self._ends), len(ids))]

    def _count(self, annotations: Sequence[Annotation]) -> None:
        reasons = [one.reason for one in annotations if one.reason is not None]
        self.failed += len(reasons)
        if reasons:
            log(
                f"{self.__name__}: {len(reasons)} of {len(annotations)} pairs got no label, and are trained on with"
                f" one by chance: {reasons[0]}"
            )


def _outcomes(annotations: Sequence[Annotation], margins: Floats) -> dict[str, Outcome]:
    """Return the outcome of every labelled pair, whose margins of A over B are given."""
    found = {}
    for one, margin in zip(annotations, margins.tolist(), strict=True):
        if one.label is not None:
            ahead = margin if one.label == "A" else -margin
            loss, swapped = np.logaddexp(0.0, [-ahead, ahead]).tolist()
            found[one.decision_id] = Outcome(loss, swapped, ahead)
    return found


def check_online_dpo() -> None:
    """Refuse a TRL without ``OnlineDPOTrainer``.

    Raises
    ------
    ConfigError
        If there is none: TRL calls it experimental, and may remove it.
    """
    if importlib.util.find_spec("trl") is None:
        raise ConfigError("online DPO: TRL is not installed: pip install 'rewardrouter[train]'")
    import trl

    if importlib.util.find_spec("trl.experimental.online_dpo") is None:
        raise ConfigError(
            f"online DPO: TRL {trl.__version__} has no trl.experimental.online_dpo; take RoutedDPOTrainer of"
            " rewardrouter.training, or a TRL that still has it (1.16 does)"
        )


def _pairs(
    prompts: Sequence[Any], completions: Sequence[Any], columns: Mapping[str, Any]
) -> list[PreferencePair]:
    size = len(prompts) // 2
    kept = {name: values for name, values in columns.items() if isinstance(values, list)}
    pairs = []
    for n in range(size):
        prompt, a, b = (as_text(text) for text in (prompts[n], completions[n], completions[n + size]))
        metadata = {"group": digest(prompt), **{name: values[n] for name, values in kept.items()}}
        pairs.append(PreferencePair(f"{n}/{digest(prompt, a, b)}", prompt, a, b, metadata))
    return pairs
