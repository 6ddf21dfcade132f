"""Right and wrong by the built-in checks."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardrouter.reward_models.verifiers.checks import exact, final_answer, math_check


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"So \boxed{\frac{1}{2}}. Or \boxed{3}?", ("3", True)),
        (r"So \boxed{\frac{1}{2}}.", (r"\frac{1}{2}", True)),
        (r"The answer is 4, see \boxed{5", (" 4, see \\boxed{5".strip(), True)),
        ("3 + 4 = 7\n#### 7\n", ("7", True)),
        ("The answer is: **Paris**.\nOr not.", ("**Paris**.", True)),
        ("Answer:\n18", ("18", True)),
        ("ANSWER: x = 2", ("x = 2", True)),
        ("steps\nA: 18", ("18", True)),
        ("first answer is 3. No, the answer is 4.", ("4.", True)),
        ("Vitamin A: 3 mg", ("Vitamin A: 3 mg", False)),
        ("just text", ("just text", False)),
    ],
)
def test_the_final_answer_is_what_is_marked_last(text: str, expected: tuple[str, bool]) -> None:
    assert final_answer(text) == expected


@pytest.mark.parametrize(
    ("response", "answer", "right"),
    [
        ("16 - 3 = 13, so 13 * 2 = $26.", "26", True),
        ("16 - 3 = 13, so 13 * 2 = $26.", "13", False),
        ("It costs $1,234.50!", "1234.5", True),
        ("1,234", "1234.0", True),
        ("12,34", "1234", False),
        ("The answer is 5 apples, not 7.", "5", True),
        ("x = -3", "-3", True),
        ("10-3", "-3", False),
        ("\N{MINUS SIGN}3", "-3", True),
        ("about 50 %", "50%", True),
        ("It is .5", "0.5", True),
        ("none at all", "5", False),
        ("", "5", False),
        ("The answer is (B).", "B", True),
        ("Answer: C", "B", False),
        ("  PARIS. ", "Paris", True),
        ("It is Paris", "Paris", False),
        ("Straße", "STRASSE", True),
        ("ﬁne", "fine", True),
        ("a\n b", "a b", True),
        ("[]", "()", False),
        ("He adds 3 and 4.\n#### 7", "Some steps 1 + 6\n#### 7", True),
        (r"\boxed{\text{yes}}", r"\text{yes}", True),
        ("The answer is 5 + 3 = 8", "8", True),
        ("The answer is 5 + 3 = 8", "5", False),
        ("#### 8 = 5 + 3", "8", True),
        ("The answer is 8, because 9 - 1 = 8.", "8", True),
        ("The answer is 8 (since 4 * 3 = 12)", "8", True),
        ("Answer: 5 apples + 3 apples = 8 apples", "8", True),
        ("#### 5 + 3", "5", False),
        (r"\boxed{5 \times 10^3}", "5", False),
        ("The answer is not 9 but 8", "8", True),
        ("The answer is as follows:\n\n8 apples", "8", True),
        (r"\boxed{1{,}000}", "1000", True),
        (r"\boxed{1\,000}", "1000", True),
        (r"\boxed{\$1{,}000{,}000.50}", "1000000.5", True),
        ("The answer is 1 000", "1000", True),
        ("It costs 1\N{NARROW NO-BREAK SPACE}000", "1,000", True),
        (r"\boxed{8\text{ apples}}", "8", True),
        (r"\boxed {8.0}.", "8", True),
        (r"\boxed{\frac{3}{4}}", "0.75", True),
        ("The answer is 3/4.", "3/4", True),
        ("The answer is 3/4.", "3", False),
        ("so 3/4", "4", False),
        ("The answer is 1 3/4 cups", "1.75", True),
        ("The answer is 1.5e3", "1500", True),
        ("The answer is 1.5e3", "1.5", False),
        ("The answer is -$3", "-3", True),
        (r"\boxed{50\%}", "50", True),
    ],
)
def test_exact(response: str, answer: str, right: bool) -> None:
    assert exact(response, {"answer": answer}) is right


@given(st.decimals(-(10**9), 10**9, places=2), st.text("abc .,", max_size=20))
def test_a_number_is_found_however_it_is_written_behind_any_words(number, words) -> None:
    for written in (f"{number}", f"{number:,}", f"{number}0"):
        assert exact(f"{words} and so: {written}", {"answer": str(number)})
        assert not exact(f"{words} and so: {written}", {"answer": str(number + 1)})


@given(st.text(max_size=40))
def test_every_text_is_its_own_answer(text: str) -> None:
    assert exact(text, {"answer": text})


# Row 258 of GSM8K's test, shortened: math-verify takes what follows "answer ...:" for the answer.
DOLLARS = (
    "First multiply: $0.50/book * 8 books = $<<0.5*8=4.00>>4.00\n"
    "Then add the fee to the answer from the previous step to find the total: $4.00 + $2.00 = $<<4+2=6.00>>6.00\n"
    "#### 6"
)

MATH = [
    (r"\boxed{\frac12}", "0.5", True),
    ("The answer is 1/2", r"\frac{1}{2}", True),
    (r"so $x = 3$", "3", True),
    (r"\boxed{\{2, 1\}}", r"\{1,2\}", True),
    (r"\boxed{(x+1)^2}", "x^2+2x+1", True),
    (r"\boxed{(x+1)^2}", "x^2+1", False),
    ("He makes $18 a day", "She sells 9 eggs.\n#### 18", True),
    ("He makes $26 a day", "She sells 9 eggs.\n#### 18", False),
    (r"\boxed{6}", DOLLARS, True),
    (r"\boxed{4}", DOLLARS, False),
    (r"\boxed{6}", "so\n#### $6", True),
    (r"\boxed{0.0000001}", "1e-07", True),
    (r"\boxed{1,234}", "1234", True),
    (r"\boxed{1\,000}", "1000", True),
    (r"\boxed{1{,}000}", "1000", True),
    (r"\boxed{1000}", r"1\,000", True),
    ("The answer is 1.5e3", "1.5", False),
    ("no number", "3", False),
    ("", "3", False),
]


@pytest.mark.parametrize(("response", "answer", "right"), MATH)
def test_math(response: str, answer: str, right: bool) -> None:
    pytest.importorskip("math_verify")
    assert math_check()(response, {"answer": answer}) is right


def test_a_gold_answer_without_mathematics_is_an_error() -> None:
    pytest.importorskip("math_verify")
    with pytest.raises(ValueError, match=r"the gold answer '\$\$' is no mathematical expression"):
        math_check()("3", {"answer": "$$"})


def test_on_gsm8k_both_agree_with_who_labelled_the_solutions(shared_data: Path) -> None:
    """Of each pair one solution is right; the file says which. Answers are matched to questions by text."""
    pytest.importorskip("math_verify")
    pairs = pd.read_parquet(shared_data / "pairs" / "gsm8k_solution_pairs.parquet").head(150)
    lines = (shared_data / "benchmarks" / "gsm8k_test.jsonl").read_text().splitlines()
    answers = {row["question"].strip(): row["answer"] for row in map(json.loads, lines)}
    math = math_check()
    for row in pairs.itertuples():
        gold = {"answer": answers[row.prompt.strip()]}
        for check in (exact, math):
            right = [check(text, gold) for text in (row.response_a, row.response_b)]
            assert right == [row.label == "A", row.label == "B"], (row.id, check)
