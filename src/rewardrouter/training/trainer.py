"""Online DPO on TRL's ``DPOTrainer``: every step samples, labels and trains on pairs of its own (paper Figure 1).

transformers' loop fetches the batches of one optimiser step, then passes each through the model. What it fetches here
are prompts; between the two, :meth:`RoutedDPOTrainer.get_batch_samples` makes labelled pairs of them::

    prompts -> responses -> pairs (experience) -> labels (labelling) -> as many micro-batches as there were (batches)

So gradient accumulation, mixed precision, DDP, FSDP, DeepSpeed, clipping, schedules and checkpoints are the loop's own.
A step's loss is ``sum_i weight_i loss_i / n`` over the n labelled pairs of all processes and micro-batches: the
gradient is that of one large batch. After the update the pairs' losses go back to the annotator.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset as Rows
from peft import PeftConfig
from torch import Tensor, nn
from torch.utils.data import RandomSampler
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.trainer import TRAINING_ARGS_NAME
from trl import DPOConfig, DPOTrainer

from rewardrouter.annotators import Annotator
from rewardrouter.config.online import OnlineSettings
from rewardrouter.errors import ConfigError
from rewardrouter.files import write_text_atomically
from rewardrouter.progress import log
from rewardrouter.training.arguments import check_arguments, prepare_arguments
from rewardrouter.training.batches import micro_batches
from rewardrouter.training.checkpoints import last_checkpoint, remove_incomplete
from rewardrouter.training.collecting import Collector
from rewardrouter.training.engines import response_generator
from rewardrouter.training.experience import training_pairs
from rewardrouter.training.labelling import Labeller
from rewardrouter.training.losses import micro_batch_losses
from rewardrouter.training.processes import decided
from rewardrouter.training.prompts import PromptRows, lay_out_prompts
from rewardrouter.training.records import Callbacks, RunRecords
from rewardrouter.training.reference import frozen_copy
from rewardrouter.training.responses import PolicyPrompt, ResponseGenerator, Verifier
from rewardrouter.training.step import Step


class RoutedDPOTrainer(DPOTrainer):  # type: ignore[misc]
    """Trains a policy on pairs of its own responses, labelled by an annotator as it goes.

    Parameters
    ----------
    model
        The policy: a hub id, a folder or a model.
    args
        TRL's settings. ``per_device_train_batch_size`` counts prompts; a step has that many, times
        ``gradient_accumulation_steps``, times the number of processes. ``loss_type`` is sigmoid, hinge or ipo.
    annotator
        Any strategy of :mod:`rewardrouter.annotators`, or your own. Only the first process's is used: others may give
        ``None``.
    train_dataset
        Rows, of ``datasets`` or plain ones, with ``prompt`` (text or messages), and ``id`` where there is one. Other
        columns become the pairs' metadata.
    online
        What is asked of the policy in every step.
    generator
        Who samples responses; by default what ``online.generation`` names.
    verifier
        Tells whether a response is right, for the metrics alone.
    ref_model, processing_class, peft_config, callbacks, optimizers
        As in ``DPOTrainer``. With ``peft_config`` the reference is the policy without its adapter, else a frozen copy;
        of a model that comes with an adapter, that adapter as it was.

    Attributes
    ----------
    prompts
        The usable prompts, and those over the limit.

    Raises
    ------
    ConfigError
        If a setting of ``args`` has no place here or TRL refuses it, or there are fewer prompts than a step needs.
    DataError
        If the prompts cannot be read.

    Examples
    --------
    >>> trainer = RoutedDPOTrainer(                                            # doctest: +SKIP
    ...     model="Qwen/Qwen2.5-0.5B-Instruct",
    ...     args=DPOConfig(output_dir="run", per_device_train_batch_size=16, beta=1.0, learning_rate=5e-6),
    ...     annotator=BayesianRouterAnnotator(pool, router),
    ...     train_dataset=prompts,
    ...     peft_config=LoraConfig(r=16, lora_alpha=32, target_modules=["q_proj", "v_proj"]),
    ... )
    >>> trainer.train()                                                        # doctest: +SKIP
    """

    def __init__(
        self,
        model: str | PreTrainedModel,
        args: DPOConfig,
        annotator: Annotator | None,
        train_dataset: Rows | Sequence[Mapping[str, Any]],
        *,
        online: OnlineSettings | None = None,
        generator: ResponseGenerator | None = None,
        verifier: Verifier | None = None,
        ref_model: PreTrainedModel | None = None,
        processing_class: PreTrainedTokenizerBase | None = None,
        peft_config: PeftConfig | None = None,
        callbacks: list[Any] | None = None,
        optimizers: tuple[Any, Any] = (None, None),
    ) -> None:
        self.online = OnlineSettings() if online is None else online
        self._loss_kind = check_arguments(args)
        if ref_model is None and peft_config is None and isinstance(model, PreTrainedModel):
            ref_model = frozen_copy(model)
        try:
            super().__init__(
                model=model,
                ref_model=ref_model,
                args=prepare_arguments(args),
                data_collator=list,
                # There is nothing to train on yet: TRL gets a row to look at.
                train_dataset=Rows.from_dict({"prompt": [""]}),
                processing_class=processing_class,
                callbacks=callbacks,
                optimizers=optimizers,
                peft_config=peft_config,
            )
        except (ValueError, NotImplementedError) as error:
            raise ConfigError(f"TRL's DPOTrainer says: {error}") from error
        self.prompts = lay_out_prompts(train_dataset, self.processing_class, self.online.prompts)
        if self.accelerator.is_main_process and (line := self.prompts.line()):
            log(line)
        self.train_dataset = PromptRows(self.prompts.prompts)
        self._check_size()
        if generator is None:
            generator = response_generator(self.processing_class, self.online.generation, seed=args.seed)
        self._generator = generator
        self._collector = Collector(
            generator,
            Labeller(annotator, self.accelerator, background=self.online.overlap),
            self.online,
            self.accelerator,
            prompts={prompt.id: prompt for prompt in self.prompts.prompts},
            seed=args.seed,
            reads_prompts=decided(self.accelerator, lambda: bool(getattr(annotator, "reads_prompts", False))),
            verifier=verifier,
        )
        self._records = None
        if self.accelerator.is_main_process and annotator is not None:
            self._records = RunRecords(Path(args.output_dir), annotator, verifier)
        # The loop removes none: only a complete checkpoint may replace another.
        self._keep, args.save_total_limit = args.save_total_limit, None
        self.add_callback(Callbacks(self._before_update, self._finish_step, self._finish_checkpoint))
        self._step: Step | None = None
        self._unlogged: dict[str, list[float]] = defaultdict(list)

    def train(self, resume_from_checkpoint: str | bool | None = None, **kwargs: Any) -> Any:
        """Train; ``True`` goes on from the last complete checkpoint, or from the start where there is none.

        Raises
        ------
        CheckpointError
            If the checkpoint is not complete, or belongs to another annotator.
        TrainingError
            If no pair gets a label for ``online.give_up_after`` steps, or a loss is not finite.
        """
        run = Path(self.args.output_dir)
        if self.accelerator.is_main_process:
            remove_incomplete(run)
        self.accelerator.wait_for_everyone()
        found = last_checkpoint(run) if resume_from_checkpoint is True else resume_from_checkpoint
        checkpoint = Path(found) if found else None
        if self._records is not None:
            self._records.begin(checkpoint)
        self._collector.begin(checkpoint)
        try:
            return super().train(resume_from_checkpoint=str(found) if found else None, **kwargs)
        finally:
            self._generator.close()

    def get_batch_samples(
        self, epoch_iterator: Iterator[list[PolicyPrompt]], num_batches: int, *args: Any
    ) -> tuple[list[dict[str, Any]], None]:
        """Fetch the prompts of one step and return labelled pairs, in as many micro-batches as were asked for."""

        def fetch() -> list[list[PolicyPrompt]]:
            batches, _ = super(RoutedDPOTrainer, self).get_batch_samples(epoch_iterator, num_batches, *args)
            return list(batches)

        number = int(self.state.global_step) + 1
        # Gone on with from the last checkpoint, the loop would take a step more.
        if number > int(self.state.max_steps):
            self.control.should_training_stop = True
            return [], None
        is_last = number >= int(self.state.max_steps)
        collected = self._collector.collect(self.model_wrapped, fetch, number, is_last=is_last)
        if collected is None:
            return [], None
        pairs = training_pairs(collected.experience, collected.labelling.annotations)
        batches = micro_batches(pairs, collected.batches, self.processing_class.pad_token_id)
        self._step = Step(collected, time.perf_counter())
        return [{"decisions": batch.decisions, **batch.tensors} for batch in batches], None

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,  # noqa: ARG002 - the loop's word; the step knows better
    ) -> Tensor:
        """Return this micro-batch's part of the step's loss.

        Raises
        ------
        TrainingError
            If a pair's loss is not finite.
        RuntimeError
            If the loss is asked for outside a training step.
        """
        step = self._step
        if step is None or return_outputs:
            raise RuntimeError(
                "online DPO has a loss in training steps only; measure the policy with a verifier"
            )
        found = micro_batch_losses(
            self.accelerator.unwrap_model(self.model),
            model,
            self.ref_model,
            inputs,
            kind=self._loss_kind,
            beta=self.beta,
        )
        step.note(inputs["decisions"], found)
        # The loop divides by the micro-batches of a step, and averages over processes.
        scale = (
            step.collected.batches
            * self.accelerator.num_processes
            / max(1, step.collected.labelling.labelled)
        )
        loss: Tensor = (inputs["weights"] * found.losses).sum() * scale
        return loss

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        """Log the loop's numbers with the means of ours since the last time."""
        if "loss" in logs:
            means = {name: sum(values) / len(values) for name, values in self._unlogged.items()}
            logs |= {name: value for name, value in means.items() if name not in logs}
            self._unlogged.clear()
        super().log(logs, *args, **kwargs)

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """Write TRL's card, which knows bases and policies on the hub alone and calls folders ``None``."""
        super().create_model_card(*args, **kwargs)
        card = Path(self.args.output_dir) / "README.md"
        if self.is_world_process_zero() and card.exists():
            base = Path(self.model.config._name_or_path or type(self.model).__name__).name
            text = card.read_text(encoding="utf-8").replace(
                "[None](https://huggingface.co/None)", f"`{base}`"
            )
            write_text_atomically(
                card, text.replace('model="None"', 'model="policy"')
            )  # as runs call its folder

    def _get_train_sampler(self, *args: Any) -> RandomSampler:  # noqa: ARG002
        """Draw whole steps: as many prompts in every epoch, and no others, however they are shared out."""
        prompts = len(self.train_dataset)
        return RandomSampler(self.train_dataset, num_samples=prompts - prompts % self._prompts_per_step)

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        """Write the policy, without the arguments beside it: a pickle, which nothing here reads."""
        super()._save(output_dir, state_dict)
        (Path(output_dir or self.args.output_dir) / TRAINING_ARGS_NAME).unlink(missing_ok=True)

    def _prepare_dataset(self, dataset: Rows, *args: Any) -> Rows:  # noqa: ARG002
        """Leave the rows as they are: they hold no responses to tokenise."""
        return dataset

    @property
    def _prompts_per_step(self) -> int:
        args = self.args
        return int(args.per_device_train_batch_size * args.gradient_accumulation_steps * args.world_size)

    def _check_size(self) -> None:
        args = self.args
        if len(self.prompts.prompts) < self._prompts_per_step:
            raise ConfigError(
                f"prompts: {len(self.prompts.prompts)} can be used, but a step takes {self._prompts_per_step}"
                f" (per_device_train_batch_size {args.per_device_train_batch_size}, gradient_accumulation_steps"
                f" {args.gradient_accumulation_steps}, {args.world_size} processes)"
            )

    def _before_update(self) -> None:
        if self._step is not None and not self._step.collected.labelling.labelled:
            self.optimizer.zero_grad()  # no gradient rather than one of zeros, on which momentum would go on

    def _finish_step(self) -> None:
        step, self._step = self._step, None
        if step is None:
            return
        metrics = self._collector.finish(step, self._records)
        for name, value in metrics.items():
            self._unlogged[name].append(value)

    def _finish_checkpoint(self, folder: Path) -> None:
        self._collector.save(folder)
        self.accelerator.wait_for_everyone()  # what other processes write must be there before it is complete
        if self._records is not None:
            self._records.save(folder, self._keep)
