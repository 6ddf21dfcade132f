r"""The verdict in a judge's answer: the last thing that looks like one decides, however it is spelled.

A judge that weighs two responses names both; only its last word counts. A reader that knows one spelling, ``[[B]]``,
skips a final ``[[ B ]]`` and takes an earlier ``[[A]]`` for the verdict: a wrong label. So whatever looks like a
verdict is found first, and read afterwards:

- *marks*: the template's own expression; double brackets, whatever they hold; and, where they hold a verdict,
  ``\boxed{B}``, tags such as ``<answer>``, labels (``Final verdict: B``, ``"winner": "B"``), a last line or brackets at
  the end;
- *objections*: sentences such as ``Response B is better.``, too loose for a verdict, but they contradict another.

The last mark decides. There is no verdict where it is not clearly one of the words (``[[A/B]]``, ``[[?]]``,
``not [[A]]``), or where an objection behind it names another. Repeated instructions (``"[[A]]" if assistant A is
better``) are no marks.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Generic, TypeVar

from rewardrouter.reward_models.judges import spelling
from rewardrouter.verdicts import Winner

T = TypeVar("T")


@dataclasses.dataclass(frozen=True, slots=True)
class Mark(Generic[T]):
    """Something in an answer that looks like a verdict, by its place there."""

    value: T | None
    """The verdict; None where it is not clearly one."""

    start: int
    end: int
    """The first place behind it; of brackets that were cut off, ``start``."""

    word: tuple[int, int]
    """Where the word stands that names the verdict."""

    objects: bool = False
    """Whether it is no verdict, but contradicts another."""

    foreign: bool = False
    """Whether a template's expression found it, and does not know the word."""


class VerdictReader(Generic[T]):
    """Reads the last verdict of an answer.

    Parameters
    ----------
    words
        A regular expression of all words for a verdict, with their boundaries.
    value
        What a word stands for; None for one that is not clear.
    exact
        A regular expression of the words that contradict a verdict where they stand alone in a sentence
        (``B is better``, ``[B]``); None where that finds too many, as with numbers: these need a noun.
    grades
        Whether the words are numbers, on a scale to 10: ``[3]`` is a citation then, and a label is a rating.
    own
        A template's expression, with one group for the word.
    options
        All values, where a list of them repeats the prompt's; empty where a judge may come to name all of them.
    """

    def __init__(
        self,
        words: str,
        value: Callable[[str], T | None],
        *,
        exact: str | None = None,
        grades: bool = False,
        own: str | None = None,
        options: frozenset[T] = frozenset(),
    ) -> None:
        self._value, self._grades, self._options = value, grades, options
        self._exact = None if exact is None else re.compile(exact)
        self._own = None if own is None else re.compile(own)
        lead = rf"{spelling.OPEN}(?:{spelling.NOUN}{spelling.OPEN}){{0,3}}"
        end = (
            rf"(?:(?i:'s)?(?:\s+(?i:{spelling.RESPONSE}|one))?(?:\s+{spelling.WINS}(?:\s+\w+)?)?)"
            rf"{spelling.CLOSE}[.,;:!]{{0,5}}{spelling.CLOSE}"
        )
        other = rf"{spelling.JOINT}{spelling.OPEN}(?:{spelling.NOUN}{spelling.OPEN}){{0,2}}(?P<other>{words})"
        optional, sentence = ("?", exact) if exact else ("", "(?!)" if grades or options else words)
        named = rf"(?:{spelling.NOUN}[*_`]{{0,5}}){optional}(?P<%s>{sentence})[*_`]{{0,5}}"
        self._phrase = re.compile(rf"{lead}(?P<word>{words})")
        self._content = re.compile(rf"{lead}(?P<word>{words}){end}(?:{other}{end})?")
        self._other = re.compile(other)
        self._label = re.compile(
            rf"{spelling.LEAD}(?i:(?<![A-Za-z])(?P<final>(?:final|my)\s+)?"
            rf"(?:{spelling.RATING if grades else spelling.LABEL})(?![A-Za-z])){spelling.SEPARATOR}",
            re.MULTILINE,
        )
        self._sentence = re.compile(
            rf"(?<![\w'])(?:{named % 'a'}(?:\s+{spelling.WINS}|\s*更[好优佳])(?i:\s+than\b[^.!?\n]{{0,30}})?"
            rf"(?i:\s+(?:{spelling.RESPONSE}|overall|one|here)\b)*"
            rf"|(?i:choose|pick|prefer|select|vote\s+for|go\s+with|favou?r|(?:chang|switch)\w*\s+(?:\w+\s+){{0,3}}?to)"
            rf"\s+{named % 'b'}){spelling.STOP}"
            rf"|(?:[^\w\s\\]|\b(?i:so|thus|therefore|hence|finally|is|be|say|no|now))[\s*_`\"'(\[{{<]{{0,20}}"
            rf"(?P<c>{exact or '(?!)'}){spelling.ENDING.pattern}"
        )

    def value(self, content: str) -> T | None:
        """Return what a pair of brackets with this content stands for, or None."""
        found = self._content.fullmatch(content.translate(spelling.PLAIN))
        if found is None:
            return None
        value = self._value(found["word"])
        return value if found["other"] is None or self._value(found["other"]) == value else None

    def brackets(self, text: str) -> list[int]:
        """Return where in ``text`` the contents of double brackets begin that hold a verdict."""
        found = spelling.DOUBLE.finditer(text.translate(spelling.PLAIN))
        return [
            one.start("a" if one["a"] is not None else "b")
            for one in found
            if self._bracketed(one).value is not None
        ]

    def last(self, text: str, *, cut: bool = False) -> Mark[T] | None:
        """Return the mark that decides, or None where nothing in ``text`` looks like a verdict.

        Of a text that was ``cut`` off, a last line of one word may be the beginning of another.
        """
        plain = text.translate(spelling.PLAIN)
        marks: list[Mark[T]] = []
        named: list[T | None] = []
        for mark in _merged(self._marks(text, plain, cut=cut)):
            last = marks[-1] if marks else None
            between = plain[last.end : mark.start] if last else ""
            if mark.objects:
                if last and last.value != mark.value:
                    marks[-1] = dataclasses.replace(last, value=None)
            elif (last and (mark.start < last.end or spelling.ABOVE.fullmatch(between))) or _is_echo(
                plain, mark
            ):
                continue
            elif last and last.value != mark.value and self._are_joined(plain, last, between):
                marks.append(dataclasses.replace(mark, value=None))
            elif denial := spelling.NOT.search(plain, max(0, mark.start - 40), mark.start):
                if (
                    last is None
                    or last.value in (None, mark.value)
                    or spelling.LESS.search(plain, last.end, denial.start())
                ):
                    marks.append(dataclasses.replace(mark, value=None))
            else:
                marks.append(self._followed(plain, mark))
            named += [mark.value] * (len(marks) - len(named))
        count = len(self._options)
        if count and set(named[-count:]) == self._options:
            marks = marks[:-count]
        if marks and cut and spelling.UNCLOSED.search(plain):
            return dataclasses.replace(marks[-1], end=marks[-1].start)
        return marks[-1] if marks else None

    def _are_joined(self, plain: str, last: Mark[T], between: str) -> bool:
        """Tell whether a mark and the next are alternatives; so is a range of grades, but a change is none."""
        changed = plain[: last.start].rstrip().endswith("from")
        ranged = self._grades and not changed and spelling.RANGE.fullmatch(between)
        return bool(ranged or spelling.JOINED.fullmatch(between))

    def _followed(self, plain: str, mark: Mark[T]) -> Mark[T]:
        """Return a mark in the light of what follows it: the scale of a grade, or a denial."""
        scale = spelling.SCALE.match(plain, mark.end) if self._grades else None
        if scale is not None:
            return dataclasses.replace(mark, value=mark.value if scale[1] == "10" else None, end=scale.end())
        return dataclasses.replace(mark, value=None) if spelling.WORSE.match(plain, mark.end) else mark

    def _marks(self, text: str, plain: str, *, cut: bool) -> Iterator[Mark[T]]:
        yield from self._by_template(text, plain)
        for found in spelling.DOUBLE.finditer(plain):
            mark = self._bracketed(found)
            held = found.span("b" if found["a"] is None else "a")
            data = mark.value is None and (
                spelling.BLANK.fullmatch(plain, *held)
                or (not self._grades and spelling.LIST.fullmatch(plain, *held))
            )
            nested = found["more"] == "" and spelling.NESTED.match(plain, found.end("a"))
            if not (data or nested or spelling.DEFUSED.match(plain, *held)):
                yield mark
        for pattern in (spelling.BOXED, spelling.TAG):
            for found in pattern.finditer(plain):
                mark = self._bracketed(found)
                if self._reads(plain, mark) or (pattern is spelling.TAG and found["decides"]):
                    yield mark
        yield from self._in_single_brackets(plain)
        yield from self._labelled(plain)
        yield from self._at_end(plain, cut=cut)
        for found in self._sentence.finditer(plain):
            if not spelling.SUPPOSED.search(plain, max(0, found.start() - 20), found.start()):
                (word,) = (group for group in "abc" if found[group])
                yield self._named(found[word], found.start(word), objects=True)

    def _named(self, word: str, start: int, *, objects: bool = False) -> Mark[T]:
        place = (start, start + len(word))
        return Mark(self._value(word), *place, word=place, objects=objects)

    def _by_template(self, text: str, plain: str) -> Iterator[Mark[T]]:
        for found in self._own.finditer(text) if self._own else ():
            if found[1] is None:
                continue
            value, (start, end) = self._value(found[1]), found.span(1)
            if value is None:
                value = self.value(found[1])
            foreign, bare = value is None, found[0] == found[1]
            if end == found.end():  # nothing closes the word
                article = found[1] in ("A", "a") and spelling.PROSE.match(plain, end)
                if spelling.RUNS_ON.match(plain, end - 1) or (
                    article and not spelling.DONE.match(plain, end)
                ):
                    if bare:
                        continue  # a part of other words
                    value = None
                elif self._is_denied(plain, end, value):
                    value = None
            yield Mark(value, found.start(), found.end(), (start, end), foreign=foreign)

    def _is_denied(self, plain: str, end: int, value: T | None) -> bool:
        """Tell whether another verdict is joined to the word that ends there, or it is said to be the worse."""
        other = self._other.match(plain, end)
        return bool(spelling.WORSE.match(plain, end) or (other and self._value(other["other"]) != value))

    def _bracketed(self, found: re.Match[str]) -> Mark[T]:
        """Return the mark of brackets; its word is all that they hold where that is no verdict."""
        group = "a" if found["a"] is not None else "b"
        content = self._content.fullmatch(found.string, *found.span(group))
        return Mark(
            self.value(found[group]),
            found.start(),
            found.end(),
            content.span("word") if content else found.span(group),
        )

    def _reads(self, plain: str, mark: Mark[T]) -> bool:
        """Tell whether brackets hold one verdict, or several, or say that there is none."""
        return mark.value is not None or bool(
            self._content.fullmatch(plain, *mark.word) or spelling.VAGUE.match(plain, *mark.word)
        )

    def _in_single_brackets(self, plain: str) -> Iterator[Mark[T]]:
        """Yield brackets that end the text; others that hold just a word are objections."""
        if self._exact is None and not self._options:
            return
        for found in spelling.SINGLE.finditer(plain):
            mark = self._bracketed(found)
            if spelling.ENDING.match(plain, found.end()) and self._reads(plain, mark):
                yield mark
            elif mark.value is not None and (
                self._exact is None or self._exact.fullmatch(found["a"].strip())
            ):
                yield dataclasses.replace(mark, objects=True)

    def _labelled(self, plain: str) -> Iterator[Mark[T]]:
        for label in self._label.finditer(plain):
            strong = bool(label["lead"] is not None or label["final"] or label["decides"] or label["best"])
            loose = not re.search(r"[:=>→]", label["separator"])
            if "\n" in label["separator"] and not (label["final"] or label["decides"]):
                continue
            if self._grades and label["lead"] is None:
                continue  # the grade of some part
            line = spelling.LINE.match(plain, label.end())
            rest = line.span() if line else (label.end(), label.end())
            found = self._phrase.match(plain, label.end())
            if found and loose and self._exact and not self._exact.fullmatch(found["word"]):
                found = None  # "the winner is a ..."
            if found:
                mark = self._named(found["word"], found.start("word"), objects=not strong)
                denied = self._is_denied(plain, found.end(), mark.value)
                if denied or spelling.DONE.match(plain, found.end()):
                    tight = spelling.TIGHT.match(plain, found.end())
                    end = tight.end() if tight else found.end()
                    value = None if denied else mark.value
                    if value is not None or strong:
                        yield dataclasses.replace(mark, value=value, start=label.start(), end=end)
                    continue
                if re.search(r"\w", plain[label.end() : found.start("word")]):
                    yield dataclasses.replace(mark, objects=True)  # "Verdict: Response A's code runs ..."
                    continue
            if (
                strong
                and not loose
                and (label["decides"] or spelling.VAGUE.match(plain, *rest))
                and rest[0] < rest[1]
            ):
                yield Mark(None, label.start(), label.end(), rest)

    def _at_end(self, plain: str, *, cut: bool) -> Iterator[Mark[T]]:
        """Yield the last line where it is nothing but a verdict; a scale or a relation also at the end of another."""
        start = plain.rstrip().rfind("\n") + 1
        line = plain[start:].rstrip()
        found, alone = self._content.fullmatch(line), plain.strip() == line.strip()
        whole = found and (
            spelling.ENDING.match(line, found.end("word")) or (found["other"] and not self._grades)
        )
        listed = cut or line.lstrip().startswith("#") or (self._grades and line.strip(" .*").isdigit())
        if found and whole and (alone or not listed):
            yield dataclasses.replace(
                self._named(found["word"], start + found.start("word")), value=self.value(line)
            )
        for last in self._phrase.finditer(plain) if self._grades or self._options else ():
            word = last.start("word")
            ends = (
                last.start() >= start
                and spelling.ENDING.match(plain, last.end())
                and plain[:word].rstrip()[-1:] != ":"
            )
            if not last["word"].isdigit() and (ends or spelling.GIVEN.search(plain, max(0, word - 60), word)):
                yield self._named(last["word"], word)


def _is_echo(plain: str, mark: Mark[T]) -> bool:
    """Tell whether a mark is of the prompt's instructions, repeated; or a link, or struck out."""
    struck = plain.startswith("~~", mark.end) and plain[: mark.start].endswith("~~")
    link = mark.value is None and plain.startswith("(", mark.end)
    before = spelling.ECHO_BEFORE.search(plain, max(0, mark.start - 60), mark.start)
    return bool(link or struck or before or spelling.ECHO_BEHIND.match(plain, mark.end))


def _merged(marks: Iterable[Mark[T]]) -> list[Mark[T]]:
    """Return marks by their places, those that overlap as one; where they differ, it is not clear."""
    found: list[Mark[T]] = []
    for mark in sorted(marks, key=lambda mark: (mark.start, mark.end)):
        last = found[-1] if found else None
        if last is None or mark.start >= last.end:
            found.append(mark)
        elif last.objects or mark.objects:
            found[-1] = mark if last.objects else last
        else:
            known = last if mark.foreign else mark if last.foreign or mark.value == last.value else None
            joined = known or dataclasses.replace(last, value=None, foreign=False)
            found[-1] = dataclasses.replace(joined, start=last.start, end=max(last.end, mark.end))
    return found


@cache
def pair_reader(a: str, b: str, tie: str | None, own: str | None = None) -> VerdictReader[Winner]:
    """Return the reader of a judge that names A, B or a tie by these words."""
    words: dict[str, Winner] = {a: "A", b: "B", **({} if tie is None else {tie: "tie"})}
    folded = {word.casefold(): winner for word, winner in words.items()}
    fold = len(folded) == len(words)

    def value(word: str) -> Winner | None:
        found = words.get(word, folded.get(word.casefold()) if fold else None)
        return "tie" if found is None and re.fullmatch(spelling.TIE, word) else found

    known = "|".join(_bounded(word) for word in sorted(words, key=len, reverse=True))
    plain = [word for word in (a, b) if word.isalnum() and not word.isdigit()]
    return VerdictReader(
        rf"(?{'i' if fold else ''}:{spelling.TIE}|{known})",
        value,
        exact=f"(?:{'|'.join(map(_bounded, plain))})(?!')" if len(plain) == 2 else None,
        own=own,
    )


def _bounded(word: str) -> str:
    before = r"(?<![A-Za-z0-9])" if word[0].isalnum() else ""
    behind = r"(?![A-Za-z0-9])" if word[-1].isalnum() else ""
    return f"{before}{re.escape(word)}{behind}"
