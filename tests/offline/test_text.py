"""How prompts and responses become token ids, for each kind of tokenizer."""

from __future__ import annotations

from pathlib import Path

import pytest
from transformers import AutoTokenizer

from rewardrouter.errors import CheckpointError
from rewardrouter.offline.text import PairLayout, TemplateLayout, TextLayout, TokenText, layout_for
from rewardrouter.pairs import Message, Text

CHAT = (
    Message("system", "You are a helpful assistant."),
    Message("user", "What is 1?"),
    Message("assistant", "the capital"),
    Message("user", "the capital of France"),
)


def joined(layout: TextLayout, prompt: Text, response: Text) -> TokenText:
    (prompt_ids,) = layout.tokenize_prompts([layout.prompt_text(prompt).text])
    (response_ids,) = layout.tokenize([layout.response_text(response)])
    return layout.join(prompt_ids.tolist(), response_ids.tolist())


def decoded(layout: TextLayout, prompt: Text, response: Text) -> str:
    return str(layout.tokenizer.decode(joined(layout, prompt, response).ids))


def layout_of(folder: Path, kind: str) -> TextLayout:
    return layout_for(AutoTokenizer.from_pretrained(folder), kind)


@pytest.fixture(scope="module")
def pair_layout(tiny_bert: Path) -> TextLayout:
    return layout_of(tiny_bert, "bidirectional")


@pytest.fixture(scope="module")
def chatml(tiny_qwen2: Path) -> TextLayout:
    return layout_of(tiny_qwen2, "causal")


@pytest.fixture(scope="module")
def strict(tiny_llama: Path) -> TextLayout:
    return layout_of(tiny_llama, "causal")


@pytest.fixture(scope="module")
def plain(tiny_llama_without_template: Path) -> TextLayout:
    return layout_of(tiny_llama_without_template, "causal")


def test_bert_reads_the_tokenizers_own_pair(pair_layout):
    assert isinstance(pair_layout, PairLayout)
    text = joined(pair_layout, "What is the capital?", "Paris, 1 2")
    expected = pair_layout.tokenizer("What is the capital?", "Paris, 1 2")
    assert text.ids.tolist() == expected["input_ids"]
    assert [int(position >= text.segment) for position in range(len(text))] == expected["token_type_ids"]
    assert pair_layout.tokenizer.decode(text.prompt_ids) == "what is the capital ?"
    assert pair_layout.tokenizer.decode(text.response_ids) == "paris , 1 2"
    assert pair_layout.tokenizer.decode(text.suffix_ids) == "[SEP]"
    assert pair_layout.n_special == 3


def test_bert_is_told_the_roles_of_a_conversation(pair_layout):
    assert pair_layout.prompt_text(CHAT).text == (
        "system: You are a helpful assistant.\nuser: What is 1?\nassistant: the capital\n"
        "user: the capital of France"
    )


def test_the_template_writes_what_stands_before_and_after_the_response(chatml):
    assert isinstance(chatml, TemplateLayout)
    turns = [{"role": m.role, "content": m.content} for m in CHAT]
    before = chatml.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    text = joined(chatml, CHAT, "Paris.")
    assert chatml.tokenizer.decode(text.prompt_ids) == before
    assert chatml.tokenizer.decode(text.response_ids) == "Paris."
    assert chatml.tokenizer.decode(text.suffix_ids) == "<|im_end|>\n"
    whole = [*turns, {"role": "assistant", "content": "Paris."}]
    assert chatml.tokenizer.decode(text.ids) == chatml.tokenizer.apply_chat_template(whole, tokenize=False)


def test_a_response_that_looks_like_the_probe_is_laid_out_all_the_same(chatml):
    text = joined(chatml, "say REWARDROUTER-RESPONSE", "REWARDROUTER-RESPONSE!")
    assert chatml.tokenizer.decode(text.response_ids) == "REWARDROUTER-RESPONSE!"
    assert "say REWARDROUTER-RESPONSE<|im_end|>" in chatml.tokenizer.decode(text.prompt_ids)


def test_one_beginning_of_text_is_kept(strict, plain):
    start = strict.tokenizer.bos_token_id
    for layout in (strict, plain):
        for prompt in ("What is 1?", "<s>What is 1?"):
            ids = joined(layout, prompt, "Paris").ids.tolist()
            assert ids[0] == start
            assert ids[1] != start
    (ids,) = strict.tokenize_prompts(["<s><s><s>What"])
    assert ids.tolist().count(start) == 1


def test_a_template_that_rejects_the_roles_is_given_one_user_message(strict):
    accepted = strict.prompt_text(CHAT[1:])
    assert accepted.rejected is None
    assert (
        accepted.text == "<s>[INST] What is 1? [/INST] the capital</s>[INST] the capital of France [/INST] "
    )
    with_system = strict.prompt_text((CHAT[0], CHAT[1]))
    assert with_system.rejected == "System role not supported"
    assert with_system.text == "<s>[INST] system: You are a helpful assistant.\nuser: What is 1? [/INST] "
    assert "alternate" in str(strict.prompt_text((CHAT[1], CHAT[3])).rejected)


def test_a_template_that_trims_does_not_change_the_response(strict):
    text = joined(strict, "What", "  Paris \n")
    assert strict.tokenizer.decode(text.response_ids) == "  Paris \n"


def test_without_a_template_roles_are_written_out(plain):
    assert type(plain) is TextLayout
    assert decoded(plain, "What is 1?", "Paris") == "<s>User: What is 1?\n\nAssistant: Paris</s>"
    assert decoded(plain, CHAT, "Paris") == (
        "<s>System: You are a helpful assistant.\n\nUser: What is 1?\n\nAssistant: the capital\n\n"
        "User: the capital of France\n\nAssistant: Paris</s>"
    )


def test_a_response_continues_the_assistants_turn_that_a_prompt_ends_with(plain, strict, chatml):
    begun = (CHAT[1], Message("assistant", "<think>It is </think> the "))
    opened = {layout: layout.prompt_text(CHAT[1:2]).text for layout in (plain, strict, chatml)}
    for layout, text in opened.items():
        assert layout.prompt_text(begun).text == f"{text}{begun[1].content}"
    developer = chatml.prompt_text((Message("developer", "Be kind."), *begun)).text
    assert developer == chatml.prompt_text((Message("system", "Be kind."), *begun)).text
    dropped = AutoTokenizer.from_pretrained(strict.tokenizer.name_or_path)
    dropped.chat_template = (
        "{% for m in messages %}<{{ m.role }}>{{ m.content.split('</think>')[-1] | trim }}{% endfor %}"
    )
    found = layout_for(dropped, "causal").prompt_text(begun).text
    assert found == f"<user>What is 1?<assistant>{begun[1].content}"


@pytest.mark.parametrize(
    "template", ["{{ raise_exception('no') }}", "{% for m in %}", "nothing of the messages"]
)
def test_a_broken_template_gives_the_plain_layout_with_a_note(tiny_llama, template):
    tokenizer = AutoTokenizer.from_pretrained(tiny_llama)
    tokenizer.chat_template = template
    layout = layout_for(tokenizer, "causal")
    assert type(layout) is TextLayout
    assert "chat template does not work" in str(layout.note)


def test_text_and_one_message_are_the_same(pair_layout, chatml, strict, plain):
    for layout in (pair_layout, chatml, strict, plain):
        as_text = joined(layout, "What is 1?", "Paris")
        as_chat = joined(layout, (Message("user", "What is 1?"),), (Message("assistant", "Paris"),))
        assert as_text == as_chat
        assert hash(as_text) == hash(as_chat)


def test_further_turns_of_a_response_carry_their_roles(chatml):
    turns = (Message("assistant", "1"), Message("user", "and?"), Message("assistant", "2"))
    assert chatml.response_text(turns) == "1\nuser: and?\nassistant: 2"


@pytest.mark.parametrize(
    "odd", ["", " ", "\ud800 lone", "\udc00", "a\x00b", "\U0001f600 é\u202e", "[SEP]", "<|im_end|>"]
)
def test_odd_text_is_laid_out(pair_layout, chatml, strict, plain, odd):
    for layout in (pair_layout, chatml, strict, plain):
        text = joined(layout, odd, odd)
        assert len(text) >= layout.n_special
        assert text.response[0] <= text.response[1] <= len(text)


def test_a_surrogate_pair_is_the_character_it_stands_for(chatml):
    assert chatml.response_text("\ud83d\ude00") == "\U0001f600"
    assert chatml.response_text("a\ud83db") == "a\ufffdb"


def test_an_empty_conversation_is_laid_out(pair_layout, chatml, strict, plain):
    for layout in (pair_layout, chatml, strict, plain):
        assert len(joined(layout, (), ())) >= 3


def test_regions_are_part_of_a_texts_content(pair_layout):
    one, other = pair_layout.join([7, 8], [9]), pair_layout.join([7], [8, 9])
    assert one != other
    assert one.content != other.content


def test_a_tokenizer_that_changes_text_with_special_tokens_is_refused(tiny_llama, monkeypatch):
    tokenizer = AutoTokenizer.from_pretrained(tiny_llama)
    monkeypatch.setattr(
        type(tokenizer),
        "__call__",
        lambda self, text, add_special_tokens=True: {"input_ids": [1, 2] if add_special_tokens else [3]},
    )
    with pytest.raises(CheckpointError, match="tokenizer is not supported"):
        TextLayout(tokenizer)
