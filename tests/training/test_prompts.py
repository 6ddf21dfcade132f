"""Prompts as the policy reads them: templates, limits, ids."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset
from tiny_online import ByHash, load_policy, online, rows, tiny_run
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from rewardrouter.config.online import PromptSettings
from rewardrouter.errors import DataError
from rewardrouter.pairs import Message
from rewardrouter.training.prompts import LoadedPrompts, lay_out_prompts


@pytest.fixture
def strict(tiny_llama: Path) -> PreTrainedTokenizerBase:
    """A template of alternating turns that writes the beginning-of-text token, which the tokenizer adds too."""
    return AutoTokenizer.from_pretrained(tiny_llama)


@pytest.fixture
def chatml(tiny_qwen2: Path) -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(tiny_qwen2)


def laid_out(given: Any, tokenizer: PreTrainedTokenizerBase, **settings: Any) -> LoadedPrompts:
    return lay_out_prompts(given, tokenizer, PromptSettings.model_validate(settings))


def texts(found: LoadedPrompts, tokenizer: PreTrainedTokenizerBase) -> list[str]:
    return [tokenizer.decode(prompt.ids.tolist()) for prompt in found.prompts]


CHAT = [
    {"role": "user", "content": "What is 1 + 2?"},
    {"role": "assistant", "content": "It is 3."},
    {"role": "user", "content": "And 2 + 3?"},
]


def test_text_is_one_turn_of_the_chat_and_begins_once(strict: PreTrainedTokenizerBase) -> None:
    found = laid_out([{"prompt": "What is 1 + 2?"}], strict)
    assert texts(found, strict) == ["<s>[INST] What is 1 + 2? [/INST]"]


def test_messages_keep_their_roles(strict: PreTrainedTokenizerBase, chatml: PreTrainedTokenizerBase) -> None:
    found = laid_out([{"prompt": CHAT}], strict)
    assert texts(found, strict) == ["<s>[INST] What is 1 + 2? [/INST] It is 3.</s>[INST] And 2 + 3? [/INST]"]
    assert found.prompts[0].text == tuple(Message(**message) for message in CHAT)
    system = [{"role": "system", "content": "Be kind."}, CHAT[0]]
    assert texts(laid_out([{"prompt": system}], chatml), chatml) == [
        "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nWhat is 1 + 2?<|im_end|>\n<|im_start|>assistant\n"
    ]


def test_without_a_template_the_response_follows_the_prompt(
    strict: PreTrainedTokenizerBase, tiny_llama_without_template: Path
) -> None:
    """The paper's mode; a tokenizer without a template reads plain prompts so in any case."""
    found = laid_out([{"prompt": "def add(a, b):"}], strict, template="none")
    assert texts(found, strict) == ["<s>def add(a, b):"]
    assert found.prompts[0].ids.tolist() == strict.encode("def add(a, b):")
    plain = AutoTokenizer.from_pretrained(tiny_llama_without_template)
    assert "def add(a, b):" in texts(laid_out([{"prompt": "def add(a, b):"}], plain), plain)[0]


LONG = [{"id": f"p{n}", "prompt": "x y " * n} for n in range(1, 11)]


def test_prompts_over_the_limit_are_left_out_and_named(chatml: PreTrainedTokenizerBase) -> None:
    whole = laid_out(LONG, chatml, template="none", max_tokens=1000)
    lengths = {prompt.id: len(prompt.ids) for prompt in whole.prompts}
    assert whole.line() is None
    limit = lengths["p4"]
    found = laid_out(LONG, chatml, template="none", max_tokens=limit)
    assert [prompt.id for prompt in found.prompts] == ["p1", "p2", "p3", "p4"]
    assert found.over_limit == ("p5", "p6", "p7", "p8", "p9", "p10")
    assert found.line() == f"6 prompts of more than {limit} tokens are left out (p5, p6, p7, p8, p9, ...)"
    with pytest.raises(
        DataError, match="prompts: none can be used, all 10 have more than 1 tokens; raise prompts"
    ):
        laid_out(LONG, chatml, template="none", max_tokens=1)


def test_prompts_over_the_limit_can_be_cut_to_their_ends(strict: PreTrainedTokenizerBase) -> None:
    whole = laid_out(LONG, strict, template="none", max_tokens=1000).prompts
    limit = len(whole[3].ids)
    found = laid_out(LONG, strict, template="none", max_tokens=limit, over_limit="cut")
    assert [prompt.id for prompt in found.prompts] == [row["id"] for row in LONG]
    for short, long in zip(found.prompts, whole, strict=True):
        assert len(short.ids) == min(len(long.ids), limit)
        assert short.ids[0] == strict.bos_token_id
        assert short.ids[1:].tolist() == long.ids[len(long.ids) - len(short.ids) + 1 :].tolist()
    assert (
        found.line()
        == f"6 prompts of more than {limit} tokens are cut: their ends stay (p5, p6, p7, p8, p9, ...)"
    )


def test_rows_have_ids_of_their_own(strict: PreTrainedTokenizerBase) -> None:
    with pytest.raises(DataError, match="prompts: row 3: id p2 comes twice; give every row its own"):
        laid_out([LONG[0], LONG[1], {"id": "p2", "prompt": "other"}], strict)
    same = laid_out([{"prompt": "a"}, {"prompt": "b"}, {"prompt": "a"}, {"prompt": "a"}], strict).prompts
    first = same[0].id
    assert [prompt.id for prompt in same] == [first, same[1].id, f"{first}-3", f"{first}-4"]
    assert [prompt.text for prompt in same] == ["a", "b", "a", "a"]
    assert [prompt.id for prompt in laid_out([{"id": 7, "prompt": "a"}], strict).prompts] == ["7"]


def test_other_columns_are_metadata(strict: PreTrainedTokenizerBase) -> None:
    found = laid_out(
        Dataset.from_list([{"prompt": "a", "answer": 3, "domain": "sums", "none": None}]), strict
    )
    assert found.prompts[0].metadata == {"answer": 3, "domain": "sums"}


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ({"question": "a"}, "prompts: row 2 has no prompt; its columns: question"),
        ({"prompt": None}, "prompts: row 2 has no prompt"),
        ({"prompt": 3}, "prompts: row 2: "),
        ({"prompt": [{"role": "user"}]}, "prompts: row 2: a user message without content"),
        (
            {"prompt": [{"role": "human", "content": "a"}]},
            "row 2: a message has the role 'human', expected one",
        ),
        (
            {"prompt": [{"role": "user", "content": [{"type": "image"}]}]},
            "row 2: a user message holds image: ",
        ),
        ({"prompt": [{"role": "assistant", "content": "It is"}]}, "row 2: asks nothing"),
    ],
)
def test_bad_rows_are_named(strict: PreTrainedTokenizerBase, row: dict[str, Any], complaint: str) -> None:
    with pytest.raises(DataError, match=complaint):
        laid_out([{"prompt": "a"}, row], strict)


def test_no_rows_are_refused(strict: PreTrainedTokenizerBase) -> None:
    with pytest.raises(DataError, match="prompts: none can be used, there are none"):
        laid_out([], strict)


def test_a_conversation_that_the_template_rejects_is_one_message_with_its_roles(
    strict: PreTrainedTokenizerBase,
) -> None:
    asked = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "1 + 2?"}]
    assert texts(laid_out([{"prompt": asked}], strict), strict) == [
        "<s>[INST] system: Be kind.\nuser: 1 + 2? [/INST]"
    ]


@pytest.mark.parametrize("template", ["auto", "none"])
def test_an_assistants_turn_at_the_end_is_continued(
    tiny_llama: Path, tmp_path: Path, strict: PreTrainedTokenizerBase, template: str
) -> None:
    begun = [CHAT[0], {"role": "assistant", "content": "It is ", "tool_calls": None, "name": "x"}]
    (one,) = laid_out([{"prompt": begun}], strict, template=template).prompts
    opened = texts(laid_out([{"prompt": [CHAT[0]]}], strict, template="auto"), strict)[0]
    written = f"{opened} It is " if template == "auto" else "<s>User: What is 1 + 2?\n\nAssistant: It is "
    assert strict.decode(one.ids) == written
    assert (one.text, one.begun) == ((Message(**CHAT[0]),), "It is ")
    asked = [{"id": f"c{n}", "prompt": begun} for n in range(12)]
    annotator = ByHash()
    tiny_run(
        tiny_llama, tmp_path, annotator, prompts=asked, settings=online(prompts={"template": template})
    ).train()
    for pair in annotator.seen[0]:
        assert pair.prompt == (Message(**CHAT[0]),)
        assert pair.response_a.startswith("It is ")
        assert pair.response_b.startswith("It is ")
    counted = laid_out([{"prompt": begun}, {"prompt": [{**CHAT[0], "name": None}]}], strict)
    assert counted.line() == "1 prompts with more than role and content in messages: the rest is not read"


@pytest.mark.parametrize("template", ["auto", "none"])
@pytest.mark.parametrize("adapter", [True, False], ids=["lora", "full"])
def test_conversations_train(tiny_llama: Path, tmp_path: Path, template: str, adapter: bool) -> None:
    asked = [
        {"id": f"c{n}", "prompt": [*CHAT[:2], {"role": "user", "content": f"And {n} + 3?"}], "answer": n + 3}
        for n in range(12)
    ]
    annotator = ByHash()
    settings = online(prompts={"template": template})
    tiny_run(tiny_llama, tmp_path, annotator, prompts=asked, settings=settings, adapter=adapter).train()
    pair = annotator.seen[0][0]
    assert isinstance(pair.prompt, tuple)
    assert [message.role for message in pair.prompt] == ["user", "assistant", "user"]
    assert isinstance(pair.response_a, str)
    assert pair.metadata["answer"] == int(pair.group.removeprefix("c")) + 3
    assert [row["labelled"] for row in rows(tmp_path / "metrics.jsonl")] == [12, 12, 12]


def test_the_run_says_what_became_of_long_prompts(
    tiny_llama: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trainer = tiny_run(
        tiny_llama,
        tmp_path,
        ByHash(),
        prompts=[*LONG, {"id": "long", "prompt": "x y " * 200}],
        model=load_policy(tiny_llama),
        settings=online(prompts={"max_tokens": 100}),
    )
    assert trainer.prompts.over_limit == ("long",)
    assert "1 prompts of more than 100 tokens are left out (long)" in capsys.readouterr().err
