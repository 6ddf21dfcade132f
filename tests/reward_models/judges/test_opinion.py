"""What a judge said: the last verdict, in its own words, or none."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardrouter.config.judging import JudgeTemplate
from rewardrouter.http.endpoint import BadAnswerError
from rewardrouter.reward_models.judges.opinion import Output, read_opinion, read_output
from rewardrouter.reward_models.judges.templates import judge_templates

GENERIC = judge_templates()["generic"]


def read(text, *, cut=False, tokens=(), template=GENERIC):
    return read_opinion(template, Output(text, cut, tuple(tokens)))


@pytest.mark.parametrize(
    ("text", "winner"),
    [
        ("[[A]]", "A"),
        ("I first thought [[A]], but no: [[B]].", "B"),
        ("[[C]]\n", "tie"),
        ("<think>Maybe [[A]].</think>[[B]]", "B"),
        ("Maybe [[A]].</think>\n\n[[B]]", "B"),
        ("[[A]] and, of [[1, 2]], nothing", "A"),
    ],
)
def test_the_last_verdict_counts(text, winner):
    assert read(text).winner == winner


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no verdict in its answer: empty"),
        ("A is better.", "no verdict in its answer: A is better."),
        ("First [[A]]. No: [[D]].", "its verdict is 'D': First [[A]]. No: [[D]]."),
        ("[[A]] or [[B]]", "its verdict is 'B', which is denied or contradicted: [[A]] or [[B]]"),
        ("<think>[[A]] it is, or", "its reasoning did not end: <think>[[A]] it is, or"),
        ("<think>[[A]]</think>", "no verdict in its answer: <think>[[A]]</think>"),
        (f"{'x ' * 200}end", f"no verdict in its answer: ...{'x ' * 57}end"),
    ],
)
def test_what_is_no_verdict_is_none_with_its_reason(text, reason):
    found = read(text)
    assert (found.winner, found.reason) == (None, reason)


def test_an_answer_that_was_cut_off_counts_only_if_the_verdict_is_its_end():
    assert read("So: [[A]] ", cut=True).winner == "A"
    assert read("If A were right, [[A]], but", cut=True).reason == (
        "its answer was cut off behind a verdict, which was cut off at max_tokens: If A were right, [[A]], but"
    )
    assert read("Both are", cut=True).reason == (
        "no verdict in its answer, which was cut off at max_tokens: Both are"
    )


def test_words_may_be_of_ones_own():
    template = JudgeTemplate(
        user="{question}{answer_a}{answer_b}", verdict="Better: (.*)", a="first", b="second", tie="neither"
    )
    assert read("Better: second", template=template).winner == "B"
    assert read("Better: neither", template=template).winner == "tie"
    assert read("Better: first or second", template=template).winner is None


def test_thoughts_that_the_template_opens_are_thoughts():
    opened = GENERIC.model_copy(update={"user": f"{GENERIC.user}\n<think>\n"})
    assert read("Maybe [[A]], or", template=opened).reason.startswith("its reasoning did not end")
    assert read("Maybe [[A]].</think>[[B]]", template=opened).winner == "B"
    quoting = GENERIC.model_copy(update={"user": f"Think in <think> first.\n{GENERIC.user}"})
    assert read("[[B]]", template=quoting).winner == "B"


def token(text, logprob=-0.1, **others):
    top = [{"token": other, "logprob": value} for other, value in others.get("top", {text: logprob}).items()]
    return {"token": text, "logprob": logprob, "top_logprobs": top}


def verdict(before="[[", after="]]", **top):
    """Return the tokens of an answer whose verdict is A."""
    whole = {f"{before}{word}{after}": value for word, value in top.items()}
    return token(f"{before}A{after}", top.get("A", -0.1), top=whole)


class TestLogprobs:
    def test_they_are_those_of_the_token_that_holds_the_word(self):
        tokens = [
            token("So "),
            token("[["),
            verdict("", "", A=-0.2, B=-1.7, C=-9.0),
            token("]]"),
            token("<|eot|>"),
        ]
        assert read("So [[A]]", tokens=tokens).logprobs == (-0.2, -1.7)

    @pytest.mark.parametrize(("before", "after"), [("[[", "]]"), ("[[", ""), ("", "]]"), (" [[", "]]")])
    def test_the_token_may_hold_more_than_the_word(self, before, after):
        rest = [token("[["[len(before.strip()) :])] if not before.strip() else []
        tokens = [
            token("So:"),
            *rest,
            verdict(before, after, A=-0.2, B=-1.7),
            token("]]"[len(after) :] or "\n"),
        ]
        text = "".join(part["token"] for part in tokens)
        assert read(text, tokens=tokens).logprobs == (-0.2, -1.7)

    def test_it_is_the_last_verdict_whose_token_counts(self):
        tokens = [verdict(A=-0.1, B=-5.0), token(" no, yes "), verdict(A=-0.3, B=-1.5)]
        assert read("[[A]] no, yes [[A]]", tokens=tokens).logprobs == (-0.3, -1.5)

    def test_they_may_come_as_bytes_where_a_character_is_cut(self):
        parts = [list("é".encode())[:1], list("é".encode())[1:]]
        tokens = [{"token": "\ufffd", "bytes": part, "logprob": -1.0} for part in parts]
        assert read("é[[A]]", tokens=[*tokens, verdict(A=-0.2, B=-1.7)]).logprobs == (-0.2, -1.7)

    @pytest.mark.parametrize(
        "tokens",
        [
            [],
            [token("[["), token("A"), token("]]")],  # B is not among the likeliest
            [verdict(A=float("nan"), B=-0.7)],
            [verdict(A=None, B=-0.7)],
            [token("other"), verdict(A=-0.2, B=-1.7)],  # of another text
            [{"token": 3}],
            ["[[A]]"],
            [None],
        ],
    )
    def test_where_they_are_not_offered_there_is_a_name_only(self, tokens):
        found = read("[[A]]", tokens=tokens)
        assert (found.winner, found.logprobs) == ("A", None)

    @pytest.mark.parametrize(("a", "winner"), [(-0.7, "tie"), (-1.7, "A")])
    def test_equal_ones_are_a_tie_and_what_was_sampled_against_the_odds_stays(self, a, winner):
        found = read("[[A]]", tokens=[verdict(A=a, B=-0.7)])
        assert (found.winner, found.logprobs) == (winner, (a, -0.7))

    def test_those_of_one_word_with_and_without_white_space_add_up(self):
        top = {"A": math.log(0.2), " A": math.log(0.3), " B": math.log(0.4), "\nB": math.log(0.1)}
        template = JudgeTemplate(user="{question}{answer_a}{answer_b}", verdict=r"^\s*(\w)")
        found = read(" A", tokens=[token(" A", top[" A"], top=top)], template=template)
        assert found.logprobs == pytest.approx((math.log(0.5), math.log(0.5)))
        assert found.winner == "tie"

    def test_a_word_spelled_otherwise_has_the_same_alternatives(self):
        tokens = [token("[[ "), token("b", -0.2, top={"b": -0.2, "a": -1.7}), token(" ]]")]
        assert read("[[ b ]]", tokens=tokens).logprobs == (-1.7, -0.2)

    def test_a_tie_has_none(self):
        tokens = [token("[[C]]", top={"[[A]]": -0.2, "[[B]]": -1.7, "[[C]]": -0.1})]
        found = read("[[C]]", tokens=tokens)
        assert (found.winner, found.logprobs) == ("tie", None)

    @given(
        st.lists(st.sampled_from(["So", " ", "[[", "]]", "[[B", "é", "\n"]), max_size=5),
        st.floats(-20, -1e-6),
        st.floats(-20, -1e-6),
    )
    def test_they_are_found_wherever_the_verdict_stands(self, before, a, b):
        a, b = max(a, b), min(a, b)
        tokens = [*map(token, before), token("\n"), token("[["), verdict("", "", A=a, B=b), token("]]")]
        found = read("".join(part["token"] for part in tokens), tokens=tokens)
        assert found.winner == ("tie" if a - b < 1e-9 else "A")
        assert found.logprobs == (a, b)


def completion(**choice):
    return {"choices": [{"index": 0, "message": {"role": "assistant", "content": "[[A]]"}, **choice}]}


def test_an_output_is_read_from_a_completion():
    found = read_output(completion(finish_reason="length", logprobs={"content": [token("x")]}))
    assert found == Output("[[A]]", cut=True, tokens=(token("x"),))
    assert read_output(completion(finish_reason="stop", logprobs=None)) == Output(
        "[[A]]", cut=False, tokens=()
    )
    parts = [{"type": "thinking", "thinking": "[[B]]"}, {"type": "text", "text": "So: "}, {"text": "[[A]]"}]
    assert read_output(completion(message={"content": parts})).text == "So: [[A]]"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"choices": []}, "no choices"),
        (completion(finish_reason="content_filter"), "content filter"),
        (completion(message={"content": None, "refusal": "I will not."}), "refused"),
        (completion(message={"content": [{"type": "refusal", "refusal": "No."}]}), "refused"),
        (completion(message={"content": None, "reasoning_content": "[[A]]"}), "reasoning"),
        (completion(message={"content": "", "reasoning": "[[A]]"}), "reasoning"),
    ],
)
def test_what_does_not_answer_is_named(answer, reason):
    with pytest.raises(BadAnswerError, match=reason):
        read_output(answer)


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
keys = st.sampled_from(
    ["choices", "message", "content", "logprobs", "finish_reason", "token", "top_logprobs"]
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=20,
)


@given(anything | anything.map(lambda found: completion(logprobs={"content": [token("[["), found]})))
def test_whatever_json_comes_is_an_opinion_or_an_error(answer):
    try:
        output = read_output(answer)
    except BadAnswerError:
        return
    found = read_opinion(GENERIC, output)
    assert (found.winner is None) == bool(found.reason)
    assert found.logprobs is None or all(map(math.isfinite, found.logprobs))
