"""Settings of ``rewardrouter benchmark``: which questions, how a policy answers them, who judges, at what price.

::

    judge:
      url: https://api.openai.com/v1
      model: gpt-4-1106-preview
      key_env: OPENAI_API_KEY        # the environment variable that holds the key, never the key
      input_price: 10                # per million tokens
      output_price: 30
    alpaca_eval:
      questions: alpaca_eval.json    # with the reference model's outputs
    arena_hard:
      questions: question.jsonl
      baseline: sft-run/answers/arena_hard.jsonl

What a benchmark leaves open (temperature, length of an answer) is as its authors have it, unless ``generation`` says
otherwise. Question files are read in their native forms, or from the hub as ``hub:owner/name:split``.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator

from rewardrouter.config.base import StrictModel
from rewardrouter.config.servers import ServerConfig

GlmName = Literal["length_controlled_v1", "length_controlled_noreg", "length_controlled_minimal"]
"""The models of AlpacaEval's length-controlled win rate, by their names there."""

_NOT_TO_SET = ("model", "messages", "prompt", "n", "stream")


class AnswerSettings(StrictModel):
    """How the policy answers; a checkpoint that is loaded here reads all of them, a server the first two."""

    temperature: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """Of every answer; 0 takes the likeliest token. Unset: as the benchmark has it."""

    max_new_tokens: int | None = Field(default=None, ge=1)
    """Tokens of an answer, at most. Unset: as the benchmark has it. The paper: 256."""

    template: Literal["auto", "none"] = "auto"
    """``auto``: the tokenizer's chat template where it has one; ``none``: the answer follows the question."""

    revision: str | None = None
    """Branch, tag or commit of a hub checkpoint; unset means its default branch."""

    device: str = Field(default="auto", min_length=1)
    """``cpu``, ``cuda``, ``cuda:1``, ...; ``auto`` is ``cuda`` where there is one, else ``cpu``."""

    dtype: Literal["auto", "fp32", "bf16"] = "auto"
    """Arithmetic; ``auto`` is bf16 on a GPU that has it, else fp32."""

    batch_size: int = Field(default=16, ge=1)
    """Answers written at once; halved where a GPU has no room for them."""


class PolicyServer(ServerConfig):
    """A policy behind an OpenAI-compatible server, asked at its chat completions."""

    name: str = "policy"
    """What messages call it."""

    model: str = Field(min_length=1)
    """The model's name on the server."""

    timeout: float = Field(default=600.0, gt=0, allow_inf_nan=False)
    """Seconds without the whole answer after which a request has failed."""

    extra: dict[str, Any] = Field(default_factory=dict)
    """Further fields of a request, such as ``top_p``; null takes one out."""

    @field_validator("extra")
    @classmethod
    def _leaves_the_question(cls, extra: dict[str, Any]) -> dict[str, Any]:
        return _allowed(extra)


class JudgeServer(ServerConfig):
    """The LLM that judges, at an OpenAI-compatible server."""

    name: str = "judge"
    """What messages call it."""

    model: str = Field(min_length=1)
    """The model's name on the server."""

    timeout: float = Field(default=300.0, gt=0, allow_inf_nan=False)
    """Seconds without the whole answer after which a request has failed."""

    tries: int = Field(default=8, ge=1, le=100)
    """How often a request is sent at most."""

    extra: dict[str, Any] = Field(default_factory=dict)
    """Further fields of a request; null takes one out."""

    input_price: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """Price of a million tokens that the judge reads, in a currency of your own."""

    output_price: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """Price of a million tokens that it writes."""

    expected_tokens: int = Field(default=400, ge=1)
    """Tokens of a verdict with its explanation, for the estimate of the costs until 20 replies of a benchmark
    are there."""

    max_cost: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """Ask nothing where the estimate is above this."""

    @field_validator("extra")
    @classmethod
    def _leaves_the_question(cls, extra: dict[str, Any]) -> dict[str, Any]:
        return _allowed(extra)


class Gsm8kSettings(StrictModel):
    """GSM8K: share of right final answers, without examples, step by step."""

    questions: str | None = Field(default=None, min_length=1)
    """Rows with ``question`` and ``answer``."""

    prompt: str = "{question}\nPlease reason step by step, and put your final answer within \\boxed{}."
    """What the policy is asked."""

    check: Literal["math", "exact"] = "math"
    """``math``: the same mathematics as the gold answer (math-verify); ``exact``: the same final number or text."""

    seconds: float = Field(default=5.0, gt=0, allow_inf_nan=False)
    """How long the check of one answer may take."""

    workers: int = Field(default=2, ge=1)
    """Processes that check."""

    @field_validator("prompt")
    @classmethod
    def _has_place(cls, prompt: str) -> str:
        return _with_places(prompt, "{question}")


class XfinderServer(ServerConfig):
    """A served xFinder, which finds the option that an answer settles on; ``url`` is that of the endpoint itself."""

    name: str = "xfinder"
    """What messages call it."""

    model: Literal["xFinder-qwen1505", "xFinder-llama38it"] = "xFinder-qwen1505"
    """Which of its two models, which read prompts of different forms."""

    max_tokens: int = Field(default=100, ge=1)
    """Tokens of what it extracts."""


class MmluSettings(StrictModel):
    """MMLU: share of right options, without examples."""

    questions: str | None = Field(default=None, min_length=1)
    """Rows with ``question``, ``choices`` and ``answer``; or the native CSV files' columns."""

    prompt: str = "{question}\n{options}\nThink step by step, and end with: The answer is (X)."
    """What the policy is asked; ``options`` are a line each, ``A. ...``. ``{subject}`` may stand in it."""

    xfinder: XfinderServer | None = None
    """Who finds the option in an answer. Without it, it is found by exact match, and the results say so."""

    @field_validator("prompt")
    @classmethod
    def _has_places(cls, prompt: str) -> str:
        return _with_places(prompt, "{question}", "{options}")


class AlpacaEvalSettings(StrictModel):
    """AlpacaEval 2: length-controlled win rate against a reference model's outputs."""

    questions: str | None = Field(default=None, min_length=1)
    """Rows with ``instruction``, and ``output`` where they hold the reference model's."""

    baseline: str | None = Field(default=None, min_length=1)
    """The reference model's outputs, where not those beside the questions; the paper: the SFT policy's."""

    weighted: bool = True
    """Preferences are the judge's probabilities; false takes the option that it names, and asks for no
    log-probabilities."""

    glm: GlmName | None = None
    """Which model controls for length; unset means v1 where ``gamed`` is given, else the minimal one."""

    gamed: str | None = Field(default=None, min_length=1)
    """AlpacaEval's ``df_gamed.csv``: the difficulty of its instructions, and preferences between long and short
    outputs of one model. The other two models of length control need it."""


class MtBenchSettings(StrictModel):
    """MT-Bench: two turns; each graded from 1 to 10, and compared with a baseline's answers where they are given."""

    questions: str | None = Field(default=None, min_length=1)
    """FastChat's ``question.jsonl``."""

    references: str | None = Field(default=None, min_length=1)
    """FastChat's ``reference_answer/gpt-4.jsonl``; unset means ``reference`` beside the questions, where both turns
    have text."""

    baseline: str | None = Field(default=None, min_length=1)
    """Answers of the policy that this one is compared with."""

    single: bool = True
    """Grade the answers by themselves."""


class ArenaHardSettings(StrictModel):
    """Arena-Hard v0.1: win rate against a baseline's answers, in both orders, with five verdicts."""

    questions: str | None = Field(default=None, min_length=1)
    """Its ``question.jsonl``."""

    baseline: str | None = Field(default=None, min_length=1)
    """Answers of the policy that this one is compared with; the paper: the SFT policy's."""

    attempts: int = Field(default=2, ge=1, le=5)
    """How often the judge is asked to go on where it has named no verdict, the first time included."""


class BenchmarkConfig(StrictModel):
    """A run of benchmarks."""

    seed: int = 0
    """Of the policy's draws, of the orders in which outputs are shown, and of intervals."""

    limit: int | None = Field(default=None, ge=1)
    """Only the first questions of each benchmark: for a trial."""

    resamples: int = Field(default=2000, ge=100)
    """Bootstrap draws of an interval."""

    generation: AnswerSettings = AnswerSettings()
    """How the policy answers."""

    endpoint: PolicyServer | None = None
    """Where the policy is, if behind a server; ``--model http://...`` is its ``url``."""

    judge: JudgeServer | None = None
    """Who judges; AlpacaEval, MT-Bench and Arena-Hard need one."""

    gsm8k: Gsm8kSettings = Gsm8kSettings()
    """GSM8K."""

    mmlu: MmluSettings = MmluSettings()
    """MMLU."""

    alpaca_eval: AlpacaEvalSettings = AlpacaEvalSettings()
    """AlpacaEval 2."""

    mt_bench: MtBenchSettings = MtBenchSettings()
    """MT-Bench."""

    arena_hard: ArenaHardSettings = ArenaHardSettings()
    """Arena-Hard."""


def _allowed(extra: dict[str, Any]) -> dict[str, Any]:
    for field in _NOT_TO_SET:
        if field in extra:
            raise ValueError(f"{field} cannot be set here")
    return extra


def _with_places(prompt: str, *places: str) -> str:
    for place in places:
        if place not in prompt:
            raise ValueError(f"{place} must stand in it")
    return prompt
