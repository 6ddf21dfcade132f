"""The last thing that looks like a verdict decides, however it is spelled; what is not clear is none."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardrouter.reward_models.judges.reading import pair_reader
from rewardrouter.reward_models.judges.templates import judge_templates

BRACKETS = r"\[\[(\w+)\]\]"
READER = pair_reader("A", "B", "C", BRACKETS)


def read(text: str, *, template: tuple[str, str, str | None, str] = ("A", "B", "C", BRACKETS)) -> str | None:
    """Return the verdict; "unclear" where something looks like one and is none, None where nothing does."""
    found = pair_reader(*template).last(text)
    return None if found is None else found.value or "unclear"


@pytest.mark.parametrize("before", ["", "I leaned to [[A]]. ", "I leaned to [[C]], or [A].\n\n"])
@pytest.mark.parametrize(
    "said",
    [
        *(
            "[[B]]",
            "[[ B ]]",
            "[[b]]",
            "[[**B**]]",
            "**[[B]]**",
            "`[[B]]`",
            '[["B"]]',
            "[[(B)]]",
            "[[B.]]",
            "[[[B]]]",
        ),
        *("[ [B] ]", r"\[\[B\]\]", "[[B]", "【B】", "【【B】】", "［［B］］", "[[Ｂ]]", "⟦B⟧", "[[\u200bB]]"),
        *(
            "[[Answer B]]",
            "[[Assistant B]]",
            "[[Response B is better]]",
            "[[answer_b]]",
            "[[Winner: B]]",
            "[[回答B]]",
        ),
        *(
            "Final verdict: [B]",
            "Final verdict: B",
            "Final Verdict: **B**.",
            "**Final verdict:** Response B",
            "[B]",
        ),
        *(
            "**Result:** **B**",
            "**Result:** [Answer B]",
            "My choice is B.",
            "The better response is B.",
            "Winner: B!",
        ),
        *(
            "The winner is Assistant B, because it is right.",
            "Verdict: B is better than A.",
            "Verdict = B",
            "verdict -> B",
        ),
        *(r"\boxed{B}", r"\boxed{\text{B}}", r"$\boxed{\textbf{Response B}}$", r"\boxed{[[B]]}", "{{B}}"),
        *("<answer>B</answer>", "<verdict>Response B</verdict>", "<final_answer>[[B]]</final_answer>"),
        *(
            '{"winner": "B"}',
            '{"verdict": "B", "why": "it is right"}',
            "'better_response': 'B'"[:0] + "最终结论：B",
        ),
        *("## Final verdict\nB", "# Verdict\n\n**[[B]]**", "So:\n\nB", "So:\n**B.**", "So:\nResponse B"),
        *(
            "[[B]], not [[A]].",
            "[[B]] rather than [[A]]",
            "I prefer [[B]] over [[A]]",
            "[[B]] is better than [[A]].",
        ),
        *(
            "[[B]] > [[A]]",
            "[[B]] and again [[B]]",
            "[[A]]? Actually, I take that back: [[B]]",
            "[[B]]: response B is better.",
        ),
        '[[B]]. As told, "[[A]]" if assistant A is better, "[[B]]" if assistant B is better, and "[[C]]" for a tie.',
        *(
            r"[[B]]. A tried to sneak in [[\A]].",
            r"[[B]]. A wrote [[\ A ]]",
            r"[[B]]. A wrote 【\A】, [\[\A]\]",
        ),
        *("[[B]] ~~[[A]]~~", "Final: B", "Final verdict: <b>B</b>", "[[<strong>B</strong>]]", "Verdict: <B>"),
        "[[B]]\nA good answer [1] is short; of [[1, 2], [3, 4]] and [[1, 2]] nothing is right.",
        *(
            "[[B]] [the answer of A is [sic] wrong]",
            "[[B]], see [[1]](http://x)",
            "[[B]] since \\boxed{42} is right",
        ),
    ],
)
def test_a_last_verdict_counts_in_whatever_spelling(before: str, said: str) -> None:
    assert read(before + said) == "B"


@pytest.mark.parametrize(
    "said",
    ["[[C]]", "[[Tie]]", "[[tie]]", "[[It's a tie]]", "[[Equal]]", "Verdict: a tie.", r"\boxed{\text{Tie}}"],
)
def test_a_tie_may_be_named(said: str) -> None:
    assert read(f"[[A]]? No. {said}") == "tie"


@pytest.mark.parametrize(
    "said",
    [
        *(
            "[[A/B]]",
            "[[A or B]]",
            "[[A and B]]",
            "[[A, B]]",
            "[[?]]",
            "[[]]",
            "[[D]]",
            "[[Both]]",
            "[[neither]]",
            "[[...]]",
        ),
        *(
            "[A/B]",
            "【?】",
            r"\boxed{A/B}",
            "<verdict>hard to say</verdict>",
            "Final verdict: A/B",
            "Final verdict: A or B",
        ),
        *(
            "Final verdict: hard to say.",
            "Verdict: the second one",
            "**Result:** neither",
            "Conclusion: A and B are similar.",
        ),
        *(
            "[[A]] or [[B]]",
            "[[A]] / [[B]]",
            "[[A]], [[B]]",
            "[[A]] vs. [[B]]",
            "[[A]] = [[B]]",
            "It is not [[A]].",
            "It can't be [[A]]",
        ),
        *(
            "[[A]] is less helpful than [[B]]",
            "neither [[A]] nor [[B]]",
            "[[B]] is worse",
            "Verdict: B is worse.",
        ),
        *(
            "[[A]]. Actually, Response B is better.",
            "[[A]]\n\nOn reflection, B wins.",
            "[[A]]. Now I prefer B.",
            "[[A]] → B",
            "[[A]]\n- B",
            "[[A]]. I'd change it to B.",
            "[[A]] though [B] is fine",
        ),
    ],
)
def test_what_is_not_clear_is_no_verdict_whatever_came_before(said: str) -> None:
    assert read(f"I leaned to [[A]]. {said}") == "unclear"


@pytest.mark.parametrize(
    "said",
    [
        *(
            "",
            "A",
            "Hm. A good answer is short.",
            "A is better.",
            "Response A and Response B are fine.",
            "As [1] says",
        ),
        *(
            "A better answer would name B",
            "[Assistant A] is long, [Assistant B] is short",
            "The winner is a mystery",
        ),
        'I am to end with "[[A]]" if assistant A is better, or "[[B]]" if assistant B is better.',
        *(
            "Response A says \\boxed{42}",
            "<answer>42</answer>",
            "**Assistant A:** fine\n**Assistant B:** wrong",
        ),
        *("Correctness - A: 7, B: 9", "The score of the model is 8/10", "[A] is long and [B] is short in it"),
    ],
)
def test_what_only_names_responses_is_no_verdict(said: str) -> None:
    assert read(said) == ("A" if said == "A" else None)
    assert read(f"[[A]]. {said}") in ("A", "unclear"), "never another"


SELENE = ("A", "B", None, r"\*\*Result:\*\*\s*(\w+)")


@pytest.mark.parametrize(
    ("template", "said", "verdict"),
    [
        (SELENE, "**Result:** A", "A"),
        (SELENE, "**Result:** A\n**Result:** Assistant B", "B"),
        (SELENE, "**Result:** B\n**Result:** A/B", "unclear"),
        (SELENE, "**Result:** B\n**Result:** A good answer", "unclear"),
        (SELENE, "**Result:** A\n\nNo: [[B]]", "B"),
        (("1", "2", None, r"Better: (\d)"), "Better: 1, no, Better: 2, as [1] says", "B"),
        (("1", "2", None, r"Better: (\d)"), "Better: 1. No, Better: 12", "unclear"),
        (("1", "2", None, r"Better: (\d)"), "Better: 1. No: [[ 2 ]]", "B"),
        (("1", "2", None, r"(\d)"), "2", "B"),
        (("1", "2", None, r"Better: (\d)"), "Better: 1. On reflection, Response 2 is better.", "unclear"),
        (("1", "2", None, r"Better: (\d)"), "Better: 1, as Response 1 is better in 2 of 3 points.", "A"),
        (("first", "second", "neither", "Better: (.*)"), "Better: first\nBetter: Second", "B"),
        (("first", "second", "neither", "Better: (.*)"), "Better: first\nFinal verdict: neither", "tie"),
        (("first", "second", "neither", "Better: (.*)"), "Better: first or second", "unclear"),
        (("m", "M", None, r"(\w)"), "M", "B"),
        (("m", "M", None, r"\[\[(\w)\]\]"), "[[m]], no: [[ M ]]", "B"),
        (("Model X", "Model Y", None, "Winner: (.+)"), "Winner: Model X\nFinal: [[Model Y]]", "B"),
        (("A", "B", None, "([AB])"), "B is the Best Answer", "B"),
        (("A", "B", None, "结论：(.)"), "结论：A。结论：B", "B"),
        (("+", "-", None, r"\((.)\)"), "(+), no, (-)", "B"),
    ],
)
def test_words_and_expressions_may_be_of_ones_own(
    template: tuple[str, str, str | None, str], said: str, verdict: str
) -> None:
    assert read(said, template=template) == verdict


pieces = st.sampled_from(
    [
        "[[A]]",
        "[[",
        "]]",
        "A",
        "B",
        " ",
        "[",
        "]",
        "Final verdict: ",
        "not ",
        "{",
        "\\boxed{",
        "\n",
        "/",
        "【",
        "İ",
        "**",
    ]
)


@given(st.lists(pieces, max_size=12).map("".join), st.booleans())
def test_any_text_is_read_and_exchanging_the_words_exchanges_the_verdict(text: str, cut: bool) -> None:
    found = READER.last(text, cut=cut)
    assert found is None or 0 <= found.start <= found.end <= len(text)
    exchanged = READER.last(text.translate(str.maketrans("AB", "BA")), cut=cut)
    flipped = {"A": "B", "B": "A", "tie": "tie", None: None}
    assert (found and flipped[found.value]) == (exchanged and exchanged.value)


@pytest.mark.parametrize("piece", ["\n", "*", "[[", '"', "# ", "so, ", "the better answer is "])
def test_what_a_judge_repeats_endlessly_is_read_at_once(piece: str) -> None:
    started = time.monotonic()
    assert READER.last(piece * 8000 + "\n[[ B ]]").value == "B"
    assert time.monotonic() - started < 4


@pytest.mark.parametrize("name", judge_templates())
def test_a_template_that_a_judge_repeats_holds_no_verdict(name: str) -> None:
    template = judge_templates()[name]
    found = pair_reader(template.a, template.b, template.tie, template.verdict).last(
        f"{template.system}\n{template.user}"
    )
    assert found is None or found.value is None
