"""Text forms of a model's own: what is written, what is kept, and how they are told apart."""

from __future__ import annotations

from tiny_checkpoints import CHATML, bert_tokenizer, causal_tokenizer

from rewardrouter.config.text_form import TextForm
from rewardrouter.pairs import Message, Text
from rewardrouter.reward_models.formats import TextFormat, TokenText

FORM = TextForm(begin="Rate.\n", user="\nUser: {content}", assistant="\nAssistant: {content}")
WITH_SYSTEM = TextForm(user="U {content} ", assistant="A {content} ", system="S {content} ", end="Score:")
PLAIN = causal_tokenizer(CHATML, adds_bos=True)


def read(prompt: Text, response: Text, form: TextForm = FORM, tokenizer=PLAIN, **settings) -> TokenText:
    given = {"template": "auto", "system": None, "max_tokens": 10_000, **settings}
    (text,) = TextFormat(tokenizer, form=form, **given).tokens([(prompt, response)])
    assert isinstance(text, TokenText), text
    return text


def written(*given, **settings) -> str:
    return PLAIN.decode(read(*given, **settings).ids)


TURNS = (Message("user", "q"), Message("assistant", "a"), Message("user", "r"))


def test_messages_are_written_by_their_roles_and_the_tokenizer_adds_its_own() -> None:
    assert written("q", "x") == "<s>Rate.\n\nUser: q\nAssistant: x"
    assert written(TURNS, "x") == "<s>Rate.\n\nUser: q\nAssistant: a\nUser: r\nAssistant: x"
    assert written(TURNS, (Message("assistant", "x"),)) == written(TURNS, "x")
    system = (Message("system", "s"), *TURNS)
    assert written(system, "x", WITH_SYSTEM) == "<s>S s U q A a U r A x Score:"
    assert written("q", "x", WITH_SYSTEM, system="s") == "<s>S s U q A x Score:"


def test_braces_in_a_text_stay() -> None:
    assert written("{content}", "{user} {}") == "<s>Rate.\n\nUser: {content}\nAssistant: {user} {}"


def test_a_role_without_a_form_has_its_conversation_written_out() -> None:
    text = read((Message("system", "s"), Message("user", "q")), "x")
    assert text.rewritten
    assert PLAIN.decode(text.ids) == "<s>Rate.\n\nUser: system: s\nuser: q\nAssistant: x"
    assert not read("q", "x").rewritten
    tool = (Message("assistant", "x"), Message("tool", "y"))
    assert written("q", tool) == "<s>Rate.\n\nUser: q\nAssistant: x\ntool: y"


def test_a_long_prompt_loses_its_beginning_and_not_what_stands_before_it() -> None:
    whole, short = read("is " * 100, "x"), read("is " * 100, "x", max_tokens=40)
    head = len(PLAIN("Rate.\n\nUser: ")["input_ids"])
    assert short.ids.tolist() == [*whole.ids[:head], *whole.ids[len(whole.ids) - 40 + head :]]
    assert PLAIN.decode(short.ids).startswith("<s>Rate.\n\nUser: ")
    assert PLAIN.decode(short.ids).endswith("\nAssistant: x")


def test_a_form_stands_in_place_of_a_pair_too() -> None:
    bert = bert_tokenizer()
    text = read("q", "x", FORM, bert)
    assert text.ids.tolist() == bert("Rate.\n\nUser: q\nAssistant: x")["input_ids"]
    assert text.types is None


def test_the_name_tells_forms_apart() -> None:
    names = [TextFormat(PLAIN, "auto", None, 100, form).name for form in (FORM, WITH_SYSTEM, None)]
    assert len(set(names)) == 3
    assert [name.split(":")[0] for name in names] == ["form", "form", "chat"]
