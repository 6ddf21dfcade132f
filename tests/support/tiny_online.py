"""Online DPO on tiny policies: prompts, reward models that are functions of the text, and what a run came to."""

from __future__ import annotations

import copy
import dataclasses
import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig
from scripted_scorer import ScriptedScorer
from text_rewards import TextScorer, hashed, pool_of
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel
from trl import DPOConfig

from rewardrouter.annotators import Annotation, Annotator, LossReward, Outcome, RoutedAnnotator, StepContext
from rewardrouter.annotators.base import decision_id
from rewardrouter.annotators.contexts import pair_embeddings
from rewardrouter.annotators.laser import LaserAnnotator
from rewardrouter.config.online import OnlineSettings
from rewardrouter.online.feedback import BanditReward
from rewardrouter.online.quantiles import PercentileScale
from rewardrouter.online.thompson import ThompsonSampler
from rewardrouter.pairs import Label, PreferencePair, digest
from rewardrouter.state import State
from rewardrouter.training.responses import PolicyPrompt, Response, ResponseGenerator
from rewardrouter.training.trainer import RoutedDPOTrainer
from rewardrouter.verdicts import Verdict

ENDS = list(range(1, 60))
"""Tokens that end a response here, so that lengths differ."""


def questions(count: int) -> list[dict[str, str]]:
    """Prompts of different lengths."""
    return [{"id": f"q{n}", "prompt": f"What is {n} + {n % 3}?" + " Well?" * (n % 4)} for n in range(count)]


def load_policy(folder: Path, *, spread: float = 8.0) -> PreTrainedModel:
    """A policy that is sure enough of some tokens for its responses to differ from mere noise."""
    model = AutoModelForCausalLM.from_pretrained(folder)
    with torch.no_grad():
        model.get_output_embeddings().weight.mul_(spread)
    model.generation_config.eos_token_id = ENDS
    return model


def online(**settings: Any) -> OnlineSettings:
    """Four responses of at most eight tokens, three pairs of them."""
    given: dict[str, Any] = {"generation": {"responses": 4, "max_new_tokens": 8}, "pairs": {"per_prompt": 3}}
    return OnlineSettings.model_validate({**given, **settings})


def arguments(folder: Path, **settings: Any) -> DPOConfig:
    """Four prompts a step, three steps, in float32 on the CPU; a learning rate at which losses move."""
    given: dict[str, Any] = {
        "per_device_train_batch_size": 4,
        "max_steps": 3,
        "learning_rate": 1e-2,
        "lr_scheduler_type": "constant",
        "beta": 0.5,
        "bf16": False,
        "use_cpu": True,
        "gradient_checkpointing": False,
        "save_strategy": "no",
        "logging_steps": 1,
        "report_to": "none",
        "disable_tqdm": True,
        "dataloader_pin_memory": False,
        **settings,
    }
    return DPOConfig(output_dir=str(folder), **given)


def lora() -> LoraConfig:
    """A small adapter."""
    return LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")


def tiny_run(
    checkpoint: Path,
    out: Path,
    annotator: Annotator | None,
    *,
    prompts: Sequence[Mapping[str, Any]] | None = None,
    settings: OnlineSettings | None = None,
    adapter: bool = False,
    model: PreTrainedModel | None = None,
    generator: Any = None,
    verifier: Any = None,
    **args: Any,
) -> RoutedDPOTrainer:
    """Return a trainer of the policy in ``checkpoint``, ready to train."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # TRL's and transformers' affairs with each other
        return RoutedDPOTrainer(
            load_policy(checkpoint) if model is None else model,
            arguments(out, **args),
            annotator,
            questions(24) if prompts is None else prompts,
            online=online() if settings is None else settings,
            generator=generator,
            verifier=verifier,
            processing_class=AutoTokenizer.from_pretrained(checkpoint),
            peft_config=lora() if adapter else None,
        )


def drawn(*texts: str) -> float:
    """Return a number from 0 to 1 that belongs to the texts."""
    return int(digest(*texts), 16) / 16 ** len(digest(*texts))


class ByHash:
    """Labels pairs by a function of their texts, and keeps what it is told; ``weight`` and ``drop`` too are such.

    A third of the pairs has no label where ``dropping``; weights are 0, 1/2 or 1 where ``weighing``.
    """

    def __init__(self, *, dropping: bool = False, weighing: bool = False) -> None:
        self._dropping, self._weighing = dropping, weighing
        self.seen: list[tuple[PreferencePair, ...]] = []
        self.labels: dict[str, Label] = {}
        self.weights: dict[str, float] = {}
        self.outcomes: dict[str, Outcome] = {}
        self.told: list[dict[str, Outcome]] = []

    def annotate(self, pairs: Sequence[PreferencePair], step: StepContext) -> list[Annotation]:
        self.seen.append(tuple(pairs))
        return [self._annotation(pair, step) for pair in pairs]

    def observe(self, outcomes: Mapping[str, Outcome]) -> None:
        self.told.append(dict(outcomes))
        self.outcomes |= outcomes

    def state_dict(self) -> State:
        return State({}, {"told": len(self.told)})

    def load_state_dict(self, state: State) -> None:
        self.told = [{}] * state.value("told", int)

    def _annotation(self, pair: PreferencePair, step: StepContext) -> Annotation:
        name = decision_id(pair, step)
        if self._dropping and drawn("drop", pair.id) < 1 / 3:
            return Annotation(name, pair.id, None, ("rm",), reason="rm: out of order")
        a, b = (drawn("label", str(text)) for text in (pair.response_a, pair.response_b))
        label: Label = "A" if a > b else "B"
        weight = int(3 * drawn("weighed", pair.id)) / 2 if self._weighing else 1.0
        self.labels[name], self.weights[name] = label, weight
        return Annotation(
            name, pair.id, label, ("rm",), rm="rm", weight=weight, verdicts=(Verdict("rm", label),)
        )


ARMS = ("rm0", "rm1", "rm2")


def scorers() -> tuple[TextScorer, ...]:
    """Three RMs that disagree; the last one fails on some texts."""
    return (
        TextScorer("rm0", hashed("0")),
        TextScorer("rm1", hashed("1", 50.0, 7.0)),
        TextScorer("rm2", lambda text: None if len(text) % 5 == 0 else hashed("2")(text)),
    )


def router(seed: int = 0) -> RoutedAnnotator:
    """Thompson sampling over the three RMs with contexts of their own; it learns from the second step on."""
    scorer = ScriptedScorer(ARMS, 5)
    return RoutedAnnotator(
        pool_of(*scorers()),
        ThompsonSampler.without_prior(ARMS, 5, seed=seed),
        pair_embeddings(scorer),
        LossReward(BanditReward(PercentileScale(least=3))),
    )


def laser() -> LaserAnnotator:
    """LASER on the tiny Llama's prompt embeddings."""
    return LaserAnnotator(pool_of(*scorers()), 32)


def rows(path: Path) -> list[dict[str, Any]]:
    """The objects of a JSON-lines file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def weights_of(trainer: RoutedDPOTrainer) -> dict[str, torch.Tensor]:
    """The trained weights, by name."""
    return {name: p.detach().clone() for name, p in trainer.model.named_parameters() if p.requires_grad}


def apart(one: Mapping[str, torch.Tensor], other: Mapping[str, torch.Tensor]) -> float:
    """The largest difference of two sets of weights."""
    assert one.keys() == other.keys()
    return max(float((one[name] - other[name]).detach().abs().max()) for name in one)


def alone(model: PreTrainedModel) -> PreTrainedModel:
    """A copy of a policy, which TRL has given a forward of its own that would still run the original."""
    found = copy.deepcopy(model).eval()
    for module in found.modules():
        vars(module).pop("forward", None)
    return found


class Recording:
    """A generator that keeps what another one sampled, from which weights, by step."""

    def __init__(self, generator: ResponseGenerator) -> None:
        self._generator = generator
        self.prompts: dict[int, list[PolicyPrompt]] = {}
        self.responses: dict[int, dict[str, list[Response]]] = {}
        self.models: dict[int, PreTrainedModel] = {}
        self.closed = False

    def generate(
        self, model: PreTrainedModel, prompts: Sequence[PolicyPrompt], *, step: int
    ) -> list[list[Response]]:
        found = self._generator.generate(model, prompts, step=step)
        self.prompts[step] = list(prompts)
        self.responses[step] = {prompt.id: given for prompt, given in zip(prompts, found, strict=True)}
        self.models[step] = alone(model)
        return found

    def close(self) -> None:
        self._generator.close()
        self.closed = True


@dataclasses.dataclass(frozen=True)
class Texts:
    """The token ids of a labelled pair."""

    prompt: list[int]
    chosen: list[int]
    rejected: list[int]


def texts_of(recording: Recording, step: int, pair: str, label: Label) -> Texts:
    """Return a pair's tokens by its id, ``step/prompt/a-b``."""
    _, name, numbers = pair.split("/")
    a, b = (recording.responses[step][name][int(n)].ids.tolist() for n in numbers.split("-"))
    prompt = next(p for p in recording.prompts[step] if p.id == name).ids.tolist()
    return Texts(prompt, *((a, b) if label == "A" else (b, a)))


@torch.no_grad()
def log_prob(model: torch.nn.Module, prompt: list[int], response: list[int]) -> float:
    """A response's log-probability: alone, without padding or mask, summed in float64."""
    logits = model(input_ids=torch.tensor([prompt + response])).logits[0, len(prompt) - 1 : -1].double()
    return float(logits.log_softmax(-1)[range(len(response)), response].sum())
