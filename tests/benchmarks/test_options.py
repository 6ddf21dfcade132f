"""Which option an answer settles on."""

from __future__ import annotations

import pytest

from rewardrouter.benchmarks.options import settled_option

OPTIONS = ["Paris", "Berlin", "Rome", "Madrid"]


@pytest.mark.parametrize(
    ("text", "option"),
    [
        ("The answer is: B", "B"),
        ("The answer is: (B)", "B"),
        ("**Answer**: B", "B"),
        ("The correct option is B.", "B"),
        ("\\boxed{\\textbf{B}}", "B"),
        ("The answer is Berlin.", "B"),
        ("(B)", "B"),
        ("B.", "B"),
        ("B) text", "B"),
        ("**B**", "B"),
        ("[B]", "B"),
        ("Answer - B", "B"),
        ("option (b)", "B"),
        ("Correct answer: B. Berlin", "B"),
        ("I choose B", "B"),
        ("The answer is not A but B", "B"),
        ("A: Let's think step by step. So it must be option B.", "B"),
        ("A: Let's think. It has many parts.", None),
        ("A: Let's think step by step about option B. The answer is C.", "C"),
        ("A city in Germany.", None),
        ("The answer is A capital.", None),
        ("I think so.", None),
        ("The answer is B or C.", None),
        ("The answer is both A and B", None),
        ("The answer is A because it is", "A"),
        ("A", "A"),
        ("A. Paris\nB. Berlin\nC. Rome\nD. Madrid", None),
        ("A. Paris\nB. Berlin\nC. Rome\nD. Madrid\nThe answer is B", "B"),
        ("The answer is B. Berlin is a city", "B"),
        ("The answer is B. Paris", None),
        ("Option A is wrong. Option B is correct.", "B"),
        ("(C) is the correct answer", "C"),
        ("Let me think.\n\n**B**", "B"),
        ("Final Answer: \\boxed{B}", "B"),
        ("The final answer is $\\boxed{\\text{(B)}}$.", "B"),
        ("The answer is unclear.", None),
        ("The answer is B. Hmm, the answer is not B.", None),
        ("The answer is B, not A.", "B"),
        ("The best answer is choice C", "C"),
        ("Answer: b", "B"),
        ("answer is\n\n**B) Berlin**", "B"),
        ("So the correct choice is therefore (D).", "D"),
        ("The answer to this question is B", "B"),
        ("If the answer is A, it fails. So I pick C.", "C"),
        ("Is the answer A? No, it is option B.", "B"),
        ("A: Paris", "A"),
        ("A: B", "B"),
        ("Answer: The capital is Berlin.", None),
        ("Berlin is the correct answer.", "B"),
        ("the correct answer is **(B) Berlin**.", "B"),
        ("ANSWER: B", "B"),
        ("#### B", "B"),
        ("<answer>B</answer>", "B"),
        ("The answer is option B: Berlin", "B"),
        ("B: Berlin", "B"),
        ("B - Berlin", "B"),
        ("B, because", "B"),
        ("B is correct", "B"),
        ("B because it is the capital", "B"),
        ("My answer: B!", "B"),
        ("The correct answers are A and B", None),
        ("The answer is $B$", "B"),
        ("I'd say B.", "B"),
        ("Therefore, B.", "B"),
        ("The answer is B, Berlin", "B"),
        ("So, the answer must be B", "B"),
        ("Thus the answer is option (B).", "B"),
        ("The answer is A, but actually the answer is B.", "B"),
        ("Answer:B", "B"),
        ("The correct answer is Berlin (B).", "B"),
        ("The correct answer is Berlin, option B", "B"),
        ("Correct Option: B", "B"),
        ("\\boxed{B. Berlin}", "B"),
        ("\\boxed{Berlin}", "B"),
        ("\\(\\boxed{B}\\)", "B"),
        ("\\boxed{\\mathrm{(B)}}", "B"),
        ('The answer is "B".', "B"),
        ("The answer is 'B'", "B"),
        ("答案是 B", None),
        ("The answer is A Paris", "A"),
        ("The answer is Paris or Rome", None),
        ("A or B", None),
        ("Both", None),
        ("A.", "A"),
        ("The answer is neither A nor B", None),
        ("Answer: A: Paris", "A"),
        ("I", None),
        ("It's B.", "B"),
        ("B\n\nBecause it is large.", "B"),
        ("The answer isn't A but B", "B"),
        ("The answer is B.\n\nA is correct only if x.", "B"),
        ("berlin.", "B"),
        (" (c). ", "C"),
        ("the answer is **c**", "C"),
        ("The answer is a capital.", None),
        ("The answer is A. Wait, no. The answer is D.", "D"),
        ("It must be one of A, B, C and D.", None),
        ("The answer is E.", None),
        ("", None),
    ],
)
def test_the_last_statement_decides(text: str, option: str | None) -> None:
    assert settled_option(text, OPTIONS) == option


@pytest.mark.parametrize(
    ("text", "option"),
    [
        ("The answer is 4.", "B"),
        ("\\boxed{4}", "B"),
        ("The answer is 2 + 2 = 4", "B"),
        ("The answer is 4.5", None),
        ("The answer is B. 5", None),
        ("The answer is not 4.", None),
    ],
)
def test_options_that_are_numbers(text: str, option: str | None) -> None:
    assert settled_option(text, ["3", "4", "5", "6"]) == option


def test_the_pronoun_is_no_ninth_option() -> None:
    options = [f"o{n}" for n in range(10)]
    assert settled_option("I think it is hard.", options) is None
    assert settled_option("The answer is I.", options) == "I"


@pytest.mark.parametrize("letter", "ABCD")
@pytest.mark.parametrize("lead", ["", "A: Let's see. B looks odd.\n", "Maybe the answer is D. Wait.\n"])
@pytest.mark.parametrize(
    "form", ["The answer is: ({}).", "**Answer**: {}", "Final answer: \\boxed{{\\text{{{}}}}}"]
)
def test_every_letter_in_every_form(letter: str, lead: str, form: str) -> None:
    assert settled_option(lead + form.format(letter), OPTIONS) == letter
