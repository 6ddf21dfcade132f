"""xFinder (arXiv 2405.11874): a small LLM that finds the answer that a text settles on, asked as its authors serve it.

A request is ``{"prompt", "temperature", "max_tokens", "stop"}``, its reply ``{"text": ["..."]}`` with or without the
prompt before it (package xfinder 0.2.6). The prompt's words are those that the models were trained with; the package
leaves out the instruction before the question, which its first release and the training data have.
"""

from __future__ import annotations

import dataclasses

from rewardrouter.benchmarks.calls import Call, Reply
from rewardrouter.benchmarks.options import settled_option
from rewardrouter.benchmarks.questions import Question
from rewardrouter.config.benchmark import XfinderServer

NO_ANSWER = "[No valid answer]"

_STOP = ("<|endoftext|>", "<|im_end|>", "<eoa>", "<||>", "<end_of_turn>", "<|eot_id|>")

_SYSTEM = (
    "You are a help assistant tasked with extracting the precise key answer from given output sentences."
    " You must only provide the extracted key answer without including any additional text."
)

_INSTRUCTION = """\
I will provide you with a question, output sentences along with an answer range. The output sentences are the response of the question provided. The answer range could either describe the type of answer expected or list all possible valid answers. Using the information provided, you must accurately and precisely determine and extract the intended key answer from the output sentences. Please don't have your subjective thoughts about the question.
First, you need to determine whether the content of the output sentences is relevant to the given question. If the entire output sentences are unrelated to the question (meaning the output sentences are not addressing the question), then output [No valid answer].
Otherwise, ignore the parts of the output sentences that have no relevance to the question and then extract the key answer that matches the answer range.
Below are some special cases you need to be aware of:\x20
    (1) If the output sentences present multiple different answers, carefully determine if the later provided answer is a correction or modification of a previous one. If so, extract this corrected or modified answer as the final response. Conversely, if the output sentences fluctuate between multiple answers without a clear final answer, you should output [No valid answer].
    (2) If the answer range is a list and the key answer in the output sentences is not explicitly listed among the candidate options in the answer range, also output [No valid answer].

"""  # noqa: E501 - the authors' lines

_FORMS = {
    "xFinder-qwen1505": "<|System|>:{system}\n<|User|>:{input}\n<|Bot|>:",
    "xFinder-llama38it": (
        "<|start_header_id|>system<|end_header_id|>\n\n{system}<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\n{input}<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n"
    ),
}


@dataclasses.dataclass(frozen=True, slots=True)
class Extracted:
    """The letter of the option that was found, or the name of why there is none."""

    option: str | None
    failure: str | None = None


def xfinder_prompt(question: str, answer: str, options: tuple[str, ...], model: str) -> str:
    """Return what xFinder is asked about an answer to a question with options."""
    listed = [[chr(ord("A") + place), option] for place, option in enumerate(options)]
    asked = (
        f'{_INSTRUCTION}Question: """{question}"""\n\nOutput sentences: """{answer}"""\n\n'
        f"Answer range: {listed}\n\nKey extracted answer: "
    )
    return _FORMS[model].replace("{system}", _SYSTEM).replace("{input}", asked)


def xfinder_call(question: Question, answer: str, settings: XfinderServer) -> Call:
    """Return the request about an answer; its id is the question's."""
    return Call(
        question.id,
        {
            "prompt": xfinder_prompt(question.bare, answer, question.options, settings.model),
            "temperature": 0,
            "max_tokens": settings.max_tokens,
            "stop": list(_STOP),
        },
    )


def extracted(question: Question, reply: Reply, call: Call) -> Extracted:
    """Return the option in xFinder's reply to a call, by letter or text."""
    if reply.failure is not None:
        return Extracted(None, f"xFinder: {reply.failure}")
    said = reply.text.removeprefix(call.body["prompt"])
    if said.strip(" \t\r\n.[]").lower() == NO_ANSWER.strip("[]").lower():
        return Extracted(None, "xFinder: no valid answer")
    option = settled_option(said, question.options)
    return Extracted(option) if option else Extracted(None, "xFinder: names no option")
