"""A causal LM that learns from labelled pairs, one step per batch (paper Eq. 1), and says how it judges each.

The *reference* is the policy as it was at the start: the model without its adapter (LoRA), or with its initial
weights (full). Its log-probabilities are part of the prepared pairs, so one model is in memory. Until the first
update the policy is its reference, and every margin is exactly 0: what differently composed batches differ by in
rounding is no judgement.

A batch goes through the model in micro-batches of pairs of similar length; the step is that of the whole batch.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from contextlib import nullcontext
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch

from rewardrouter.config.policy import PolicyConfig
from rewardrouter.errors import CheckpointError
from rewardrouter.pairs import PreferencePair
from rewardrouter.policies.checkpoint import (
    PolicyCheckpoint,
    enable_checkpointing,
    load_policy_checkpoint,
    resolve_dtypes,
)
from rewardrouter.policies.lora import LoraAdapter
from rewardrouter.policies.losses import PairLosses, pair_losses
from rewardrouter.policies.optimiser import Optimiser
from rewardrouter.policies.prepared import PreparedPairs
from rewardrouter.policies.prepared_scoring import PreparedScorer, Rows
from rewardrouter.policies.scoring import ResponseScorer
from rewardrouter.policies.tokens import PolicyLayout
from rewardrouter.pretrained.loading import resolve_device
from rewardrouter.pretrained.weights import weights_digest
from rewardrouter.state import State

Floats = npt.NDArray[np.float64]
_N = TypeVar("_N", np.float32, np.int64)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class StepOutcome:
    """What a step's B pairs cost before the update, unweighted; each is ``float64 [B]``.

    ``swapped_losses`` are those under the opposite labels; ``margins`` are A minus B, nats, beta included.
    """

    losses: Floats
    swapped_losses: Floats
    margins: Floats


class PreferencePolicy:
    """A policy in training.

    Attributes
    ----------
    config
        Its settings.
    width
        d, the size of its hidden states.
    identity
        Names its initial weights and the way it reads pairs.
    updates
        Steps that changed the weights.
    """

    def __init__(self, checkpoint: PolicyCheckpoint, config: PolicyConfig, *, seed: int) -> None:
        self.config = config
        self._model, tokenizer = checkpoint.model, checkpoint.tokenizer
        self._layout = PolicyLayout(
            tokenizer, config.template, config.max_prompt_tokens, config.max_response_tokens
        )
        self.width = int(self._model.config.get_text_config().hidden_size)
        self.identity = f"{weights_digest(self._model)[:32]} {self._layout.setting}"
        if config.gradient_checkpointing:
            enable_checkpointing(self._model)
        self._adapter = LoraAdapter(self._model, config.lora) if config.tuning == "lora" else None
        dtypes = resolve_dtypes(config, self._model.device)
        scorer = ResponseScorer(self._model, None if dtypes.computed == dtypes.held else dtypes.computed)
        self._scorer = PreparedScorer(scorer, config.microbatch_tokens)
        trained = {name: p for name, p in self._model.named_parameters() if p.requires_grad}
        self._optimiser = Optimiser(trained, config.learning_rate, config.weight_decay)
        self._known: tuple[PreparedPairs, npt.NDArray[np.float32]] | None = None
        self.reset(seed)

    @classmethod
    def from_config(cls, config: PolicyConfig, *, seed: int) -> PreferencePolicy:
        """Load the policy that ``config.checkpoint`` names, from a folder or the hub.

        Raises
        ------
        CheckpointError
            If it cannot be found, is broken or no causal LM, or the device is not there.
        ConfigError
            If no checkpoint is named, or a setting does not fit it.
        MissingDependencyError
            If it is tuned with LoRA and peft is not installed.
        """
        device = resolve_device(config.device)
        return cls(
            load_policy_checkpoint(config, device, resolve_dtypes(config, device).held), config, seed=seed
        )

    @property
    def updates(self) -> int:
        """Steps that changed the weights since the start."""
        return self._optimiser.steps

    def reset(self, seed: int) -> None:
        """Go back to the initial policy; ``seed`` is that of a new adapter (full tuning draws nothing)."""
        if self._adapter is not None:
            self._adapter.reset(seed)
        elif self.updates:
            held = next(self._model.parameters()).dtype
            initial = load_policy_checkpoint(self.config, torch.device("cpu"), held).model
            with torch.no_grad():
                for parameter, value in zip(self._model.parameters(), initial.parameters(), strict=True):
                    parameter.copy_(value)
        self._optimiser.reset()
        self._known = None

    def prepare(self, pairs: Sequence[PreferencePair]) -> PreparedPairs:
        """Tokenise P pairs and ask the reference.

        Raises
        ------
        CheckpointError
            If the chat template rejects a prompt in every form, or a log-probability is not finite.
        ValueError
            If all weights are tuned and the policy is not the reference any more: prepare first, then train.
        """
        if self._adapter is None and self.updates:
            raise ValueError("prepare: the initial weights are gone after an update; prepare before training")
        unknown = np.zeros((len(pairs), 2), np.float32)
        prepared = PreparedPairs(self._layout.tokens(pairs), unknown, unknown, self.identity)
        rows = np.arange(len(pairs))
        with self._adapter.disabled() if self._adapter is not None else nullcontext():
            reference = self._scorer.log_probs(prepared, rows)
            rests = self._scorer.log_probs(prepared, rows, rests=True)
        wrong = np.flatnonzero(~np.isfinite(reference + rests).all(axis=1))
        if len(wrong):
            raise CheckpointError(
                f"policy {self.config.checkpoint} gives pair {pairs[wrong[0]].id} no finite probability"
                f" ({len(wrong)} of {len(pairs)} pairs): its weights are broken, or policy.dtype is too coarse"
            )
        return dataclasses.replace(prepared, reference=reference, reference_rests=rests)

    def train_step(
        self, prepared: PreparedPairs, rows: Rows, labels: npt.NDArray[np.int8], weights: Floats
    ) -> StepOutcome:
        """Take one step on a batch: the gradient of ``sum_i weights_i losses_i / B``.

        A pair whose loss is not finite has no part in the gradient; its numbers are returned as they are. With
        no finite loss there is no update.

        Parameters
        ----------
        prepared
            From :meth:`prepare`.
        rows
            ``int [B]``: the pairs of the batch.
        labels
            ``int8 [B]``: +1 where response A is better, -1 where B is.
        weights
            ``float [B]``: of the losses.

        Raises
        ------
        CheckpointError
            If the pairs were prepared for another policy.
        ValueError
            If the arrays' lengths differ, a label is not +1 or -1, or a weight is negative or not finite.
        """
        self._check(prepared)
        rows, labels, weights = (
            np.asarray(rows, np.int64),
            np.asarray(labels),
            np.asarray(weights, np.float64),
        )
        _check_batch(rows, labels, weights)
        outcome = np.empty((3, len(rows)))
        self._optimiser.zero_grad()
        for places in self._scorer.batches(prepared, rows):
            found = self._losses(prepared, rows[places], labels[places])
            both = torch.stack([found.losses, found.swapped_losses, found.margins]).detach()
            outcome[:, places] = both.double().cpu().numpy()
            finite = places[np.isfinite(outcome[0, places])]
            if len(finite) == 0:
                continue
            if len(finite) < len(places):  # once more without them: 0 times NaN would still be NaN
                found = self._losses(prepared, rows[finite], labels[finite])
            share = torch.from_numpy(weights[finite] / len(rows)).to(found.losses)
            (share * found.losses).sum().backward()  # type: ignore[no-untyped-call]
        if np.isfinite(outcome[0]).any():
            self._optimiser.step()
            self._known = None
        return StepOutcome(*outcome)

    def margins(self, prepared: PreparedPairs, rows: Rows | None = None) -> Floats:
        """Return the implicit reward of A minus that of B, ``float64 [P]``, nats, beta included; 0 at the start."""
        ratios = self._log_probs(prepared, rows).astype(np.float64) - _select(prepared.reference, rows)
        margins: Floats = self.config.beta * (ratios[:, 0] - ratios[:, 1])
        return margins

    def log_likelihoods(self, prepared: PreparedPairs, rows: Rows | None = None) -> Floats:
        """Return the mean log-probability per token of A and of B under the policy, ``float64 [P, 2]``, nats."""
        means: Floats = self._log_probs(prepared, rows).astype(np.float64) / _select(prepared.counts, rows)
        return means

    def prompt_embeddings(self, prepared: PreparedPairs, rows: Rows) -> npt.NDArray[np.float32]:
        """Return the mean last hidden state of each prompt's tokens, ``float32 [B, d]``, of the policy as it is."""
        self._check(prepared)
        return self._scorer.prompt_means(prepared, rows, self.width)

    def state_dict(self) -> State:
        """Return what was trained: weights, moments, number of updates."""
        return State.joined({"policy": self.identity}, training=self._optimiser.state_dict())

    def load_state_dict(self, state: State) -> None:
        """Go on where :meth:`state_dict` was taken, bit for bit.

        Raises
        ------
        CheckpointError
            If it is the state of another policy or broken; nothing is changed then.
        """
        if state.value("policy", str) != self.identity:
            raise CheckpointError(
                "state: it is of another policy, or of one that reads its pairs differently"
            )
        self._optimiser.load_state_dict(state.part("training"))
        self._known = None

    def _losses(self, prepared: PreparedPairs, rows: Rows, labels: npt.NDArray[np.int8]) -> PairLosses:
        rests = self.config.loss != "ipo"  # the only loss that is not of the margin alone
        log_probs, counts = self._scorer.log_probs_at_once(prepared, rows, rests=rests)
        known = prepared.reference_rests if rests else prepared.reference
        reference = torch.from_numpy(known[rows]).to(log_probs)
        if not self.updates:
            log_probs = reference + (log_probs - log_probs.detach())
        return pair_losses(
            log_probs,
            reference,
            counts.to(log_probs),
            torch.from_numpy(labels).to(log_probs),
            kind=self.config.loss,
            beta=self.config.beta,
        )

    def _log_probs(self, prepared: PreparedPairs, rows: Rows | None) -> npt.NDArray[np.float32]:
        """Return the log-probabilities ``float32 [P, 2]``; those of all pairs are kept until the policy changes."""
        self._check(prepared)
        if not self.updates:
            return _select(prepared.reference, rows)
        if rows is not None:
            return self._scorer.log_probs(prepared, np.asarray(rows))
        if self._known is None or self._known[0] is not prepared:
            self._known = prepared, self._scorer.log_probs(prepared, np.arange(len(prepared)))
        return self._known[1]

    def _check(self, prepared: PreparedPairs) -> None:
        if prepared.policy != self.identity:
            raise CheckpointError(
                "the pairs were prepared for another policy, or for other policy.template, max_prompt_tokens or"
                " max_response_tokens: prepare them again"
            )


def _check_batch(rows: Rows, labels: npt.NDArray[np.int8], weights: Floats) -> None:
    if not len(rows) == len(labels) == len(weights):
        raise ValueError(f"train_step: {len(rows)} rows, {len(labels)} labels, {len(weights)} weights")
    if not np.isin(labels, (1, -1)).all():
        raise ValueError(f"train_step: labels are +1 (A) or -1 (B), found {np.unique(labels)}")
    if not (np.isfinite(weights) & (weights >= 0)).all():
        raise ValueError("train_step: a weight is negative or not finite")


def _select(values: npt.NDArray[_N], rows: Rows | None) -> npt.NDArray[_N]:
    return values if rows is None else values[np.asarray(rows)]
