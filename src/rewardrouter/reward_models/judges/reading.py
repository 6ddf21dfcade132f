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

from rewardrouter.verdicts import Winner

T = TypeVar("T")

# Replaced before anything is looked for, each character by one: places in the text stay.
_PLAIN: dict[int, str | int] = {
    **{wide: wide - 0xFEE0 for wide in range(0xFF01, 0xFF5F)},  # full-width letters, digits, brackets
    **dict.fromkeys([0xA0, 0x3000, *range(0x200B, 0x200E), 0x2060, 0xFEFF], " "),
    **dict.fromkeys(map(ord, "“”„‟「」『』"), '"'),
    **dict.fromkeys(map(ord, "‘’"), "'"),
    ord("−"): "-",
}

_OPEN = r"(?:\\(?:text|math|bf|bm|f?boxed)\w*\s*\{|\\?[\s*_`\"'$(\[{<~|#])*"
_CLOSE = r"[\s*_`\"'$)\]}>~|\\]*"
_TIGHT = re.compile(r"[*_`\"'$)\]}>~|\\]*")
_RESPONSE = (
    r"(?:assistant|response|answer|model|output|option|candidate|chatbot|solution|completion|reply|ai"
    r"|回答|答案|助手|模型|回复|选项)"
)
_NOUN = (
    rf"(?:(?i:(?:the\s+)?(?:(?:final|overall|better|best|winning)\s+)?"
    rf"(?:{_RESPONSE}|verdict|winner|result|rating|score|grade)(?:\s+is\b)?)(?:[\s_:#=.]|-(?=[^\W\d]))*)"
)
_BEST = r"(?:better|best|superior|stronger|preferred|preferable|winner|favou?red)"
_WINS = rf"(?i:(?:is|was)(?:\s+(?!not\b|no\b|never\b)\w+){{0,3}}?\s+{_BEST}\b|wins\b)"
_JOINT = r"[\s*_`\"')]*(?:/|\||&|,|(?i:(?:or|and|versus|against)\b|vs\b\.?)|或|和)"
_STOP = r"(?=[\s*_`\"')\]]*(?:[.!?。\n]|\Z))"

_DOUBLE = re.compile(
    r"(?:\\?\[[\s*_`]*){2,}(?P<a>[^\[\]\n]{0,80})\]?(?P<more>(?:[\s*_`\\]*\])*)|[【⟦〚]+(?P<b>[^】⟧〛\n]{0,80})[】⟧〛]+"
)
_SINGLE = re.compile(r"(?<![\[\\\w])\[(?P<a>[^\[\]\n]{1,40})\](?!\()")
_BOXED = re.compile(r"\\(?:boxed|fbox)\s*\{(?P<a>(?:[^{}]|\{[^{}]*\}){0,80})\}|\{\{(?P<b>[^{}\n]{1,40})\}\}")
_TAG = re.compile(
    r"<(?P<tag>(?i:answer|result|choice|preference|rating|score|grade|final[\w-]*|(?P<decides>verdict|winner|decision"
    r"|judge?ment)))>(?P<a>[^<>]{0,80})</(?P=tag)>"
)
_LABEL = (
    r"(?P<decides>verdict|decision|winner|judge?ment|判断|结论|裁决)"
    rf"|(?P<best>(?:better|best|preferred|winning|stronger|superior)(?:\s+(?:{_RESPONSE}|one))?|preference|更好的?回答)"
    r"|(?P<weak>answer|output|response|option|回答|答案|result|choice|conclusion|selection|pick|vote)"
)
_RATING = r"(?P<decides>(?:rating|score|grade|mark)s?|评分|分数)(?P<best>(?!))?(?P<weak>(?!))?"
_LEAD = (
    r"(?P<lead>(?:^|(?<=[.!?:;。\n{,]))[ \t*_#>`\"'{\d.)-]*"
    r"(?i:(?:(?:final|overall|ultimate|total|my|the|so|thus|therefore|hence|最终|最后|我的)[\s,:]*)*))?"
)
_SEPARATOR = (
    r"(?P<separator>[ \t*_`\"')\]]*(?:[:=]|→|[-=]>|(?i:\b(?:is|of|as|goes\s+to|would\s+be)\b)|为|是|[-–—](?=\s))"
    r"|[ \t*_#`]*\n)"
)

_NOT = re.compile(
    r"(?i)(?:\bnot|n't|\bnever|\binstead\s+of|\bthan|\bover|\bunlike|\bbeats|\bneither|\bnor|\boutperforms)"
    r"(?:\s+(?:be|is|give|choose|quite|say|in))?[\s*_`\"'(]*\Z"
)
_LESS = re.compile(r"(?i)\b(?:less|worse|fewer|weaker|lower|inferior|no|not)\b|n't\b|[.!?]\s|\n")
_WORSE = re.compile(
    r"(?i)[ *_`\"')]*(?:(?:is|was|does|are)\s*(?:not\b(?!\s+only)|n't\b|no\s+better\b|(?:\w+\s+)?(?:worse|weaker"
    r"|inferior|wrong|incorrect)\b|the\s+(?:worst|loser)\b)|loses\b)"
)
_DONE = re.compile(
    rf"{_CLOSE}(?:[.,;!。；)]|[–—-](?!\s*\d)|\((?!\d)|\Z|\n|{_WINS}"
    r"|(?i:because|since|as|due|over|by|for|with|given|overall|points?)\b)"
)
_VAGUE = re.compile(
    r"(?i)[\s*_`\"'(\[<{]*(?:\?|n/?a\b|neither|both|none|unclear|unsure|unknown|undecided|cannot|can't|unable|hard\s+to)"
)
_ECHO_BEHIND = re.compile(
    r"(?i)[\"'`.)\]]*\s*(?:(?:if|when)\b[^\n]{0,60}\b(?:better|best|equal|equally|good|tie|wins?|superior|worse)\b"
    r"|for\s+a\s+tie\b|(?:means|indicates|denotes|represents|stands\s+for)\b)"
)
_ECHO_BEFORE = re.compile(
    r"(?i)\b(?:example|e\.g\.?|such\s+as)(?:\s+output)?[\s:,]*(?:[\"'`][^\n\"\[]{0,40})?\Z|请[^\n。]{0,12}输出[\"']?\Z"
)
_SUPPOSED = re.compile(r"(?i)\b(?:if|when|whether|unless|although|though|while|not|n't|never)\s+\Z")
_JOINED = re.compile(rf"(?:{_JOINT}|[ *_`]*[=~≈]+)[\s*_`\"'(]*(?:(?i:and|or)\s+)?[\s*_`\"'(]*")
_ABOVE = re.compile(r"[ *_`]*(?:>+|≻|≫|»)[ *_`]*")
_SCALE = re.compile(r"(?i)[\s*_`\"')]*(?:/|out\s+of|of)[\s*_`\"'(\[]*(\d+)[*_`\"')\]]*")
_UNCLOSED = re.compile(r"[\[【{][^\]】}\n]{0,40}\Z")
_NESTED = re.compile(r"\]\s*,\s*\[")
_PROSE = re.compile(r"\s+[a-z]")
_RUNS_ON = re.compile(r"[A-Za-z0-9]{2}")
_ENDING = re.compile(r"[\s.!*_`\"')\]}>$。]*\Z")
_LINE = re.compile(r"[ \t]*\n?[^\n]{0,80}")
_GIVEN = re.compile(r"(?i)\b(?:rate|give|grade|score|award)s?\b[^.!?\n]{0,40}\Z")
_TIE = (
    r"(?i:(?<![A-Za-z])(?:(?:it(?:'s|\s+is)\s+)?an?\s+|both\s+(?:\w+\s+){0,2})?(?:tied?|draw|equal(?:ly\s+\w+)?)"
    r"(?![A-Za-z])|平局|平手)"
)
_BLANK = re.compile(r"(?i)(?:your\s+|final\s+)*(?:rating|score|grade|verdict|winner|choice)")
_DEFUSED = re.compile(r"\s*\\(?!text|math|bf|bm|f?boxed)")  # in an answer that the judge quotes
_LIST = re.compile(r"[\d\s.,;-]*[,;][\d\s.,;-]*")


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
        A regular expression of the words that contradict a verdict where they stand in a sentence (``B is better``,
        ``[B]``); None where that would find too many, as with numbers.
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
        lead = rf"{_OPEN}(?:{_NOUN}{_OPEN}){{0,3}}"
        end = rf"(?:(?i:'s)?(?:\s+(?i:{_RESPONSE}|one))?(?:\s+{_WINS}(?:\s+\w+)?)?){_CLOSE}[.,;:!]*{_CLOSE}"
        other = rf"{_JOINT}{_OPEN}(?:{_NOUN}{_OPEN}){{0,2}}(?P<other>{words})"
        named = rf"(?:{_NOUN}[*_`]*)?(?P<%s>{exact or '(?!)'})[*_`]*"
        self._phrase = re.compile(rf"{lead}(?P<word>{words})")
        self._content = re.compile(rf"{lead}(?P<word>{words}){end}(?:{other}{end})?")
        self._other = re.compile(other)
        self._label = re.compile(
            rf"{_LEAD}(?i:(?<![A-Za-z])(?P<final>(?:final|my)\s+)?(?:{_RATING if grades else _LABEL})(?![A-Za-z]))"
            + _SEPARATOR,
            re.MULTILINE,
        )
        self._sentence = re.compile(
            rf"(?<![\w'])(?:{named % 'a'}(?:\s+{_WINS}|\s*更[好优佳])(?i:\s+than\b[^.!?\n]{{0,30}})?"
            rf"(?i:\s+(?:{_RESPONSE}|overall|one|here)\b)*"
            rf"|(?i:choose|pick|prefer|select|vote\s+for|go\s+with|favou?r)\s+{named % 'b'}){_STOP}"
            rf"|(?:[.:,;!?>(\[{{<\"*_`]|\b(?i:so|thus|therefore|hence|finally|is|be|say|no|now))[\s*_`\"'(\[{{<]*"
            rf"(?P<c>{exact or '(?!)'}){_ENDING.pattern}"
        )

    def value(self, content: str) -> T | None:
        """Return what a pair of brackets with this content stands for, or None."""
        found = self._content.fullmatch(content.translate(_PLAIN))
        if found is None:
            return None
        value = self._value(found["word"])
        return value if found["other"] is None or self._value(found["other"]) == value else None

    def brackets(self, text: str) -> list[int]:
        """Return where in ``text`` the contents of double brackets begin that hold a verdict."""
        found = _DOUBLE.finditer(text.translate(_PLAIN))
        return [
            one.start("a" if one["a"] is not None else "b")
            for one in found
            if self._bracketed(one).value is not None
        ]

    def last(self, text: str, *, cut: bool = False) -> Mark[T] | None:
        """Return the mark that decides, or None where nothing in ``text`` looks like a verdict.

        Of a text that was ``cut`` off, a last line of one word may be the beginning of another.
        """
        plain = text.translate(_PLAIN)
        marks: list[Mark[T]] = []
        named: list[T | None] = []
        for mark in _merged(self._marks(text, plain, cut=cut)):
            last = marks[-1] if marks else None
            between = plain[last.end : mark.start] if last else ""
            if mark.objects:
                if last and last.value != mark.value:
                    marks[-1] = dataclasses.replace(last, value=None)
            elif (last and (mark.start < last.end or _ABOVE.fullmatch(between))) or _is_echo(plain, mark):
                continue
            elif last and last.value != mark.value and _JOINED.fullmatch(between):
                marks.append(dataclasses.replace(mark, value=None))
            elif denial := _NOT.search(plain, max(0, mark.start - 40), mark.start):
                if (
                    last is None
                    or last.value in (None, mark.value)
                    or _LESS.search(plain, last.end, denial.start())
                ):
                    marks.append(dataclasses.replace(mark, value=None))
            else:
                marks.append(self._followed(plain, mark))
            named += [mark.value] * (len(marks) - len(named))
        count = len(self._options)
        if count and set(named[-count:]) == self._options:
            marks = marks[:-count]
        if marks and cut and _UNCLOSED.search(plain):
            return dataclasses.replace(marks[-1], end=marks[-1].start)
        return marks[-1] if marks else None

    def _followed(self, plain: str, mark: Mark[T]) -> Mark[T]:
        """Return a mark in the light of what follows it: the scale of a grade, or a denial."""
        scale = _SCALE.match(plain, mark.end) if self._grades else None
        if scale is not None:
            return dataclasses.replace(mark, value=mark.value if scale[1] == "10" else None, end=scale.end())
        return dataclasses.replace(mark, value=None) if _WORSE.match(plain, mark.end) else mark

    def _marks(self, text: str, plain: str, *, cut: bool) -> Iterator[Mark[T]]:
        yield from self._by_template(text, plain)
        for found in _DOUBLE.finditer(plain):
            mark = self._bracketed(found)
            held = found.span("b" if found["a"] is None else "a")
            data = mark.value is None and (
                _BLANK.fullmatch(plain, *held) or (not self._grades and _LIST.fullmatch(plain, *held))
            )
            nested = found["more"] == "" and _NESTED.match(plain, found.end("a"))
            if not (data or nested or _DEFUSED.match(plain, *held)):
                yield mark
        for pattern in (_BOXED, _TAG):
            for found in pattern.finditer(plain):
                mark = self._bracketed(found)
                if self._reads(plain, mark) or (pattern is _TAG and found["decides"]):
                    yield mark
        yield from self._in_single_brackets(plain)
        yield from self._labelled(plain)
        yield from self._at_end(plain, cut=cut)
        for found in self._sentence.finditer(plain):
            if not _SUPPOSED.search(plain, max(0, found.start() - 20), found.start()):
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
                article = found[1] in ("A", "a") and _PROSE.match(plain, end)
                if _RUNS_ON.match(plain, end - 1) or (article and not _DONE.match(plain, end)):
                    if bare:
                        continue  # a part of other words
                    value = None
                elif self._is_denied(plain, end, value):
                    value = None
            yield Mark(value, found.start(), found.end(), (start, end), foreign=foreign)

    def _is_denied(self, plain: str, end: int, value: T | None) -> bool:
        """Tell whether another verdict is joined to the word that ends there, or it is said to be the worse."""
        other = self._other.match(plain, end)
        return bool(_WORSE.match(plain, end) or (other and self._value(other["other"]) != value))

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
            self._content.fullmatch(plain, *mark.word) or _VAGUE.match(plain, *mark.word)
        )

    def _in_single_brackets(self, plain: str) -> Iterator[Mark[T]]:
        """Yield brackets that end the text; others that hold just a word are objections."""
        if self._exact is None and not self._options:
            return
        for found in _SINGLE.finditer(plain):
            mark = self._bracketed(found)
            if _ENDING.match(plain, found.end()) and self._reads(plain, mark):
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
            line = _LINE.match(plain, label.end())
            rest = line.span() if line else (label.end(), label.end())
            found = self._phrase.match(plain, label.end())
            if found and loose and self._exact and not self._exact.fullmatch(found["word"]):
                found = None  # "the winner is a ..."
            if found:
                mark = self._named(found["word"], found.start("word"), objects=not strong)
                denied = self._is_denied(plain, found.end(), mark.value)
                if denied or _DONE.match(plain, found.end()):
                    tight = _TIGHT.match(plain, found.end())
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
                and (label["decides"] or _VAGUE.match(plain, *rest))
                and rest[0] < rest[1]
            ):
                yield Mark(None, label.start(), label.end(), rest)

    def _at_end(self, plain: str, *, cut: bool) -> Iterator[Mark[T]]:
        """Yield the last line where it is nothing but a verdict; a scale or a relation also at the end of another."""
        start = plain.rstrip().rfind("\n") + 1
        line = plain[start:].rstrip()
        found, alone = self._content.fullmatch(line), plain.strip() == line.strip()
        whole = found and (_ENDING.match(line, found.end("word")) or found["other"])
        listed = cut or line.lstrip().startswith("#") or (self._grades and line.strip(" .*").isdigit())
        if found and whole and (alone or not listed):
            yield dataclasses.replace(
                self._named(found["word"], start + found.start("word")), value=self.value(line)
            )
        for last in self._phrase.finditer(plain) if self._exact is None else ():
            ends = last.start() >= start and _ENDING.match(plain, last.end())
            if not last["word"].strip().isalnum() and (ends or _GIVEN.search(plain, 0, last.start())):
                yield self._named(last["word"], last.start("word"))


def _is_echo(plain: str, mark: Mark[T]) -> bool:
    """Tell whether a mark is of the prompt's instructions, repeated; or a link."""
    link = mark.value is None and plain.startswith("(", mark.end)
    before = _ECHO_BEFORE.search(plain, max(0, mark.start - 60), mark.start)
    return bool(link or before or _ECHO_BEHIND.match(plain, mark.end))


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
        return "tie" if found is None and re.fullmatch(_TIE, word) else found

    known = "|".join(_bounded(word) for word in sorted(words, key=len, reverse=True))
    plain = [word for word in (a, b) if word.isalnum() and not word.isdigit()]
    return VerdictReader(
        rf"(?{'i' if fold else ''}:{_TIE}|{known})",
        value,
        exact=f"(?:{'|'.join(map(_bounded, plain))})(?!')" if len(plain) == 2 else None,
        own=own,
    )


def _bounded(word: str) -> str:
    before = r"(?<![A-Za-z0-9])" if word[0].isalnum() else ""
    behind = r"(?![A-Za-z0-9])" if word[-1].isalnum() else ""
    return f"{before}{re.escape(word)}{behind}"
