"""From fetched prompts to labelled pairs, and from their outcomes to the annotator: one step's round trip.

With ``overlap`` the next step's responses are sampled while the reward models judge this one's pairs: they come from
the policy before this step's update, one step off-policy. What was sampled ahead is part of a checkpoint.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from accelerate import Accelerator
from peft import PeftModel
from torch import nn
from transformers import PreTrainedModel

from rewardrouter.config.online import OnlineSettings
from rewardrouter.errors import CheckpointError, OutageError, TrainingError
from rewardrouter.files import write_text_atomically
from rewardrouter.phases import Phase, measured, phase
from rewardrouter.policies.scoring import ResponseScorer
from rewardrouter.training.experience import Embeddings, Experience, from_json, paired_up
from rewardrouter.training.labelling import Labeller, Labelling
from rewardrouter.training.processes import gathered
from rewardrouter.training.records import RunRecords
from rewardrouter.training.responses import PolicyPrompt, ResponseGenerator, Verifier
from rewardrouter.training.step import Collected, Step
from rewardrouter.training.unwrapping import unwrapped

Fetch: TypeAlias = Callable[[], list[list[PolicyPrompt]]]
"""Fetches the prompts of one step, in as many batches as go through the model; none at the end of an epoch."""


class Collector:
    """Collects steps and finishes them.

    Parameters
    ----------
    generator, labeller
        Who samples and who labels.
    online
        What is asked of them.
    accelerator
        Of the processes.
    prompts
        All prompts, by their ids.
    seed
        Of all draws.
    reads_prompts
        Whether the annotator wants the policy's embeddings of the prompts.
    verifier
        Tells whether a response is right, for the metrics.
    """

    def __init__(
        self,
        generator: ResponseGenerator,
        labeller: Labeller,
        online: OnlineSettings,
        accelerator: Accelerator,
        *,
        prompts: Mapping[str, PolicyPrompt],
        seed: int,
        reads_prompts: bool,
        verifier: Verifier | None,
    ) -> None:
        self._generator, self._labeller, self._online = generator, labeller, online
        self._accelerator, self._seed, self._verifier = accelerator, seed, verifier
        self._prompts, self._reads_prompts = prompts, reads_prompts
        self._scorer: ResponseScorer | None = None
        self._ahead: tuple[Experience, int] | None = None
        self._restored = False
        self._without_labels = 0

    def begin(self, checkpoint: Path | None) -> None:
        """Begin anew, or with what had been sampled ahead when a checkpoint was written.

        Raises
        ------
        CheckpointError
            If that is broken, or of another number of processes.
        """
        self._ahead, self._without_labels = None, 0
        written = 0 if checkpoint is None else len(list(checkpoint.glob("sampled-ahead-*.json")))
        if written not in (0, self._accelerator.num_processes):
            raise CheckpointError(
                f"{checkpoint}: holds what {written} processes had sampled ahead, but here are"
                f" {self._accelerator.num_processes}; go on with as many"
            )
        path = None if checkpoint is None else self._file(checkpoint)
        if path is not None and path.exists():
            try:
                saved = json.loads(path.read_text(encoding="utf-8"))
                experience = from_json(
                    saved["experience"], self._prompts, self._online.pairs, seed=self._seed
                )
                self._ahead = experience, int(saved["batches"])
            except (ValueError, KeyError, TypeError) as error:
                raise CheckpointError(f"{path}: broken ({error!r}); go on from another checkpoint") from error
        self._restored = self._ahead is not None

    def save(self, checkpoint: Path) -> None:
        """Write what was sampled ahead into a checkpoint, where anything was."""
        if self._ahead is not None:
            experience, batches = self._ahead
            saved = {"experience": experience.as_json(), "batches": batches}
            write_text_atomically(self._file(checkpoint), json.dumps(saved))

    def collect(self, model: nn.Module, fetch: Fetch, number: int, *, is_last: bool) -> Collected | None:
        """Return the labelled pairs of step ``number``, counted from 1; ``None`` where there are no more prompts.

        Raises
        ------
        TrainingError
            If no pair got a label in ``give_up_after`` steps in a row.
        """
        with measured("generate") as seconds:
            found = self._current(model, fetch, number)
            if found is None:
                return None
            experience, batches = found
            self._labeller.begin(experience)
            if self._online.overlap and not is_last and (prompts := fetch()):
                self._ahead = self._sample(model, prompts, number + 1), len(prompts)
            with phase("judge"):  # what is left to wait for
                labelling = self._labeller.finish()
        if not self._online.overlap:
            seconds.pop("judge")
            seconds |= labelling.seconds
        self._check_labels(labelling)
        return Collected(experience, labelling, batches, seconds)

    def finish(self, step: Step, records: RunRecords | None) -> dict[str, float]:
        """Hand the outcomes of a trained step back and record it; return its metrics (in the first process)."""
        seconds: dict[Phase, float] = defaultdict(float, step.collected.seconds)
        seconds["update"] += time.perf_counter() - step.began
        outcomes = dict(sorted(gathered(self._accelerator, step.outcomes)))
        seconds |= self._labeller.observe(outcomes)
        others = self._generation_metrics(step.collected.experience)
        others |= {f"seconds/{name}": value for name, value in seconds.items()}
        return {} if records is None else records.write(step.collected.labelling, outcomes, others)

    def _current(self, model: nn.Module, fetch: Fetch, number: int) -> tuple[Experience, int] | None:
        found, self._ahead = self._ahead, None
        if found is not None and found[0].step == number:
            if self._restored:
                fetch()  # the loop goes on behind the last step; these prompts were answered before
            self._restored = False
            return found
        prompts = fetch()
        return (self._sample(model, prompts, number), len(prompts)) if prompts else None

    def _sample(self, model: nn.Module, batches: Sequence[Sequence[PolicyPrompt]], number: int) -> Experience:
        prompts = [prompt for batch in batches for prompt in batch]
        with unwrapped(model, self._accelerator) as policy:
            embeddings = self._embeddings(policy, prompts) if self._reads_prompts else {}
            responses = self._generator.generate(policy, prompts, step=number)
        return paired_up(number, prompts, responses, embeddings, self._online.pairs, seed=self._seed)

    def _embeddings(self, policy: PreTrainedModel, prompts: Sequence[PolicyPrompt]) -> Embeddings:
        if self._scorer is None:
            self._scorer = ResponseScorer(
                policy.get_base_model() if isinstance(policy, PeftModel) else policy
            )
        means = self._scorer.prompt_means([prompt.ids for prompt in prompts]).cpu().numpy()
        return {prompt.id: mean for prompt, mean in zip(prompts, means, strict=True)}

    def _generation_metrics(self, experience: Experience) -> dict[str, float]:
        every = experience.every_response
        right = experience.verified(self._verifier) if self._verifier else []
        counts = [
            len(every),
            sum(not response.finished for response in every),
            sum(len(response.ids) for response in every),
            len(right),
            sum(right),
        ]
        responses, unfinished, tokens, judged, accepted = np.sum(
            gathered(self._accelerator, [counts]), axis=0
        )
        found = {"response_tokens": float(tokens / responses), "unfinished": float(unfinished / responses)}
        return found | ({"right": float(accepted / judged)} if judged else {})

    def _check_labels(self, labelling: Labelling) -> None:
        self._without_labels = 0 if labelling.labelled else self._without_labels + 1
        if self._without_labels >= self._online.give_up_after:
            reasons = [one.reason for one in labelling.annotations.values()]
            what = f"no pair got a label in {self._without_labels} steps in a row"
            if reasons:
                raise OutageError(f"{what}; the first pair's reason: {reasons[0]}")
            raise TrainingError(f"{what}; all responses to each prompt are equal")

    def _file(self, checkpoint: Path) -> Path:
        return checkpoint / f"sampled-ahead-{self._accelerator.process_index}.json"
