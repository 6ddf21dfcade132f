r"""Which option an answer to a multiple-choice question settles on.

The last explicit statement decides: ``the answer is (B)``, ``**Answer**: B``, ``the correct option is B``, ``I choose
B``, ``B is correct``, ``\boxed{\text{B}}``, or with the option's text in place of its letter. Without one, an answer
settles on the letter, or the option, that is all of it, that it begins with (``B) London``) or that is its last line;
else on the only option that it speaks of as such (``so it must be option B``).

What names two (``B or C``), a letter that is no option, a letter with another option's text, or takes back what was
said (``the answer is unclear``) is unreadable. The article *a*, the pronoun *I* and a leading ``A:`` before an
explanation name no option.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Literal, TypeAlias

LETTERS = "ABCDEFGHIJ"

_UNREADABLE: Literal["?"] = "?"
Said: TypeAlias = str | None
"""A letter; ``?`` where a statement settles on no single option; ``None`` where there is no statement."""

_WRAPPED = re.compile(
    r"\\(?:text(?:bf|rm|it|sf|tt)?|math(?:bf|rm|it|sf|tt)|operatorname|mbox|boldsymbol|bm|underline)\s*\{([^{}]*)\}"
)
_MARKUP = re.compile(
    r"[*`$~]|\\[()\[\]]|(?<!\w)_+|_+(?!\w)|\\(?:left|right|bf|rm)\b|</?(?:b|strong|em|i|u|answer)>", re.I
)
_NAMES = r"(?:answer|option|choice|letter|solution|selection|response)"
_IS = r"(?:is|was|would\s+be|should\s+be|must\s+be|will\s+be|has\s+to\s+be|seems\s+to\s+be)"
_CUE = re.compile(
    rf"\\boxed\s*\{{|\#\#\#\#"
    rf"|\b{_NAMES}(?:\s*\([^()\n]{{0,30}}\))?(?:\s+(?:to|for|of|in|among|here|therefore|thus|then|from|that)\b[^.:;\n?]{{0,60}}?)?"
    rf"(?:\s*(?:[:=\u2013\u2014\u2192\u21d2]|->|=>|-(?=\s))|\s+{_IS}(?P<neg>n['\u2019]t\b)?(?!\w))"
    r"|\b(?:I|we|I['\u2019]d|I['\u2019]ll|I['\u2019]m)\s+(?:(?:would|will|therefore|thus|shall|am|finally|have\s+to|must)\s+){0,2}"
    r"(?:choose|pick|select|chose|selected|picked|going\s+with|go\s+with|answer)\b"
    r"|\b(?:go|going)\s+with\b"
    r"|\b(?:so|therefore|thus|hence|say|it\s+is|it['\u2019]s)\b,?(?=\s*[(\[]*(?-i:[A-J])[)\]]*\s*(?:\.\s*)?(?:\n|$))",
    re.IGNORECASE,
)
_IDLE = re.compile(
    r"\b(?:if|whether|suppose|assuming|unless|were|is|why|which|what)\s+(?:the|an?|your|our)?\s*(?:\w+\s+)?$",
    re.I,
)
_LEAD = re.compile(
    r"[\s:=\"'\u201c\u2018.\-\u2013>\u2192]*(?:(?:indeed|clearly|therefore|thus|simply|definitely)[\s,]+|(?:the\s+)?(?:option|choice|letter|answer)\s+)*[\s\"'\u201c]*",
    re.I,
)
_UPPER = re.compile(r"([(\[{]*)\s*([A-Z])(?!\w|'\w)\s*([)\]}]*)")
_LOWER = re.compile(r"(?:[(\[{]\s*([a-z])\s*[)\]}]|([a-z])(?=\s*(?:[)\]}.,;:\"]|$)))", re.M)
_AFTER_A = re.compile(
    r"\s*(?:$|\n|[^\w\s]|(?:because|since|as|for|and|or|but|which|due|given|based|by|not|with|is)\b)"
)
_ANOTHER = re.compile(
    r"\s*(?:,?\s*(?:or|and|&)\s|/)\s*(?:also\s+)?(?:option\s+|choice\s+)?[(\[]?\s*([A-J])(?![\w'\u2019])"
)
_TWO = re.compile(r"(?:both|either|neither)\b[^.\n]*", re.I)
_RETRACTED = re.compile(
    r"(?:not\s+(?:clear|certain|known|given|sure|listed|among)|unclear|unknown|uncertain|ambiguous|impossible|cannot|can['\u2019]?t|"
    r"none\b|missing|undetermined)",
    re.I,
)
_JUDGED = re.compile(
    r"(?:\b(?:option|choice|answer)\s*)?[(\[]?\b(?P<letter>[A-J])\b[)\]]?(?!['\u2019])(?P<more>[.:]?[^.:;\n]{0,80}?)\s+is\s+"
    r"(?:(?:indeed|clearly|therefore|thus|definitely)\s+)?(?:the\s+)?(?:(?:most|only|single|one|best|right|correct|likely|accurate|appropriate)\s+){0,3}"
    r"(?:correct|right|accurate|appropriate|best|true\s+answer|answer|option|choice)\b(?!\s+(?:only|if|but|in|when|for)\b)"
)
_PRAISED = (
    r"(?<!\w){}\W{{0,3}}\s+is\s+the\s+(?:most\s+|only\s+)?(?:correct|right|best)\s+(?:answer|option|choice)"
)
_SPOKEN = re.compile(
    r"(?i:\b(?:option|choice|answer)s?)\s*(?:[(\[]\s*([A-Ja-j])\s*[)\]]|([A-J])\b)(?!['\u2019]|\s*\?)"
)
_DENIED = re.compile(
    r"^[^.\n]{0,40}?\b(?:is|are|seems|looks|can|could|was)?\s*(?:wrong|incorrect|not|n['\u2019]t|false|eliminated|ruled|out)\b",
    re.I,
)
_DENIES = re.compile(
    r"\b(?:not|eliminate|rules?\s+out|exclude|reject|discard|isn['\u2019]t|cannot\s+be)\s*$", re.I
)
_BEGINS = re.compile(
    r"\s*(?i:option\s+|choice\s+)?(?:[(\[]\s*([A-Ja-j])\s*[)\]]"
    r"|([A-J])(?:\s*[.:)\]]|\s+[-\u2013\u2014]\s|\s*(?:\n|$)|,?(?=\s+(?:because|since)\b)))[\s.:]*"
)
_AROUND = " \t\r\n()[]{}.,;:\"'!\u201c\u201d\u2018\u2019"


def settled_option(text: str, options: Sequence[str]) -> str | None:
    """Return the letter of the option that an answer settles on, by the rules of this module; ``None`` without one."""
    reader = _Reader(options)
    text = _plain(text)
    for read in (reader.whole, reader.stated, reader.placed, reader.spoken):
        found = read(text)
        if found is not None:
            return None if found == _UNREADABLE else found
    return None


class _Reader:
    def __init__(self, options: Sequence[str]) -> None:
        self._letters = LETTERS[: len(options)]
        self._texts = {
            letter: _key(_plain(option)) for letter, option in zip(self._letters, options, strict=True)
        }

    def whole(self, text: str) -> Said:
        """Return the letter, or the option, that is all of the text."""
        bare = text.strip(_AROUND)
        if len(bare) == 1 and bare.upper() in self._letters:
            return bare.upper()
        return self._named(text.strip()) if _key(text) else None

    def stated(self, text: str) -> Said:
        """Return what the last explicit statement says."""
        found: list[tuple[int, str, bool]] = []
        for cue in _CUE.finditer(text):
            clause = re.split(r"[.;,\n]", text[: cue.start()])[-1]
            if cue[0][0] != "\\" and _IDLE.search(clause):
                continue
            rest = f"{'not ' if cue['neg'] else ''}{text[cue.end() :].lstrip()}"
            said, denied = self._content(rest, boxed=cue[0].startswith("\\"))
            if said is not None:
                found.append((cue.start(), said, denied))
        for judged in _JUDGED.finditer(text):
            letter = judged["letter"]
            more = _key(judged["more"])
            if (
                letter in self._letters
                and (not more or more == self._texts[letter])
                and not re.search(r"(?:\b(?:if|whether|or|and|nor)|/)\s*$", text[: judged.start()], re.I)
            ):
                found.append((judged.start(), letter, False))
        for letter, option in self._texts.items():
            if option and len(option) > 1:
                words = r"\s+".join(map(re.escape, option.split()))
                found += [
                    (at.start(), letter, False) for at in re.finditer(_PRAISED.format(words), text, re.I)
                ]
        settled: Said = None
        for _, said, denied in sorted(found, key=lambda one: one[0]):
            if not denied:
                settled = said
            elif said in (settled, _UNREADABLE):
                settled = _UNREADABLE
        return settled

    def placed(self, text: str) -> Said:
        """Return the letter at the beginning of the text, or that is its last line."""
        lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
        if not lines:
            return None
        last = lines[-1].strip(_AROUND)
        if last in tuple(self._letters) and not (last in "AI" and lines[-1] == last and len(lines) == 1):
            return last
        begun = {letter for line in lines if (letter := self._beginning(line)) is not None}
        if len(begun) > 1:
            return _UNREADABLE
        first = _BEGINS.match(text)
        letter = self._beginning(lines[0])
        if first is None or letter is None:
            return self._named(lines[-1]) or (self._beginning(lines[-1]) if begun else None)
        rest = text[first.end() :]
        if (
            letter == "A"
            and first[0].rstrip().endswith(":")
            and rest.strip()
            and self._prefix(rest) != letter
        ):
            return self.whole(rest) or self.placed(rest)  # "A:" is who speaks
        named, spoken = self._named(rest.partition("\n")[0]), self.spoken(rest)
        return letter if {named, spoken} <= {None, letter} else _UNREADABLE

    def spoken(self, text: str) -> Said:
        """Return the only option that a text speaks of as such, and does not deny."""
        named = set()
        for at in _SPOKEN.finditer(text):
            letter = (at[1] or at[2]).upper()
            if not _DENIED.match(text[at.end() :]) and not _DENIES.search(text[: at.start()]):
                named.add(letter if letter in self._letters else _UNREADABLE)
        return None if not named else next(iter(named)) if len(named) == 1 else _UNREADABLE

    def _content(self, text: str, *, boxed: bool) -> tuple[Said, bool]:
        """Return what a statement says behind its cue, and whether it says that of what is not the answer."""
        lead = _LEAD.match(text)
        text = text[lead.end() :] if lead else text
        denied = re.match(r"not\s+", text, re.I)
        if _RETRACTED.match(text) and self._prefix(text) is None:
            return _UNREADABLE, False
        if denied:
            but = re.match(r"not\s+[^.\n;]*?\bbut\s+(?:rather\s+)?", text, re.I)
            if but:
                return self._content(text[but.end() :], boxed=boxed)
            return self._content(text[denied.end() :], boxed=boxed)[0], True
        two = _TWO.match(text)
        if two and self._prefix(text) is None:
            return (_UNREADABLE if re.search(r"\b[A-J]\b", two[0]) else None), False
        worked_out = text.partition("\n")[0].rpartition("=")[2]
        return self._letter(text, boxed=boxed) or self._prefix(text) or self._named(worked_out), False

    def _letter(self, text: str, *, boxed: bool) -> Said:
        found = _UPPER.match(text)
        if found:
            letter, rest = found[2], text[found.end() :]
            framed = bool(found[1] or found[3]) or boxed
            if letter in "AI" and not framed and not _AFTER_A.match(rest) and self._prefix(rest) != letter:
                return None
            if re.match(r"\s*[=<>^+]|\s*-\s*\d|\\|\.[A-Za-z]", rest) or (
                letter not in self._letters and re.match(r"\.?\s*[A-Z]\.", rest)
            ):
                return self._prefix(text)
        else:
            low = _LOWER.match(text)
            if low is None:
                return None
            letter, rest = (low[1] or low[2]).upper(), text[low.end() :]
        if letter not in self._letters:
            return self._prefix(text) or _UNREADABLE
        if re.match(r"[)\]}\"\s]*\?", rest):
            return None
        also = _ANOTHER.match(rest)
        if also and also[1] != letter:
            return _UNREADABLE
        texted = self._named(re.sub(r"^[\s.:)\]},\-\u2013]+", "", rest).partition("\n")[0])
        return (
            letter
            if texted in (None, letter) or self._texts[letter] == self._texts.get(texted or "")
            else _UNREADABLE
        )

    def _beginning(self, line: str) -> str | None:
        found = _BEGINS.match(line)
        letter = (found[1] or found[2]).upper() if found else None
        return letter if letter is not None and letter in self._letters else None

    def _named(self, text: str) -> Said:
        """Return the letter of the option that the text is; ``?`` where two are alike."""
        key = _key(text)
        found = [letter for letter, option in self._texts.items() if option and option == key]
        return None if not found else found[0] if len(found) == 1 else _UNREADABLE

    def _prefix(self, text: str) -> Said:
        """Return the letter of the longest option that the text begins with, as words of its own."""
        text = " ".join(re.sub(r"^[\s.:\-\u2013\"'\u201c(\[]+", "", text).casefold().split())
        text = re.sub(r"^(?:the|an?)\s+", "", text)
        fits = [
            (len(option), letter)
            for letter, option in self._texts.items()
            if option
            and text.startswith(option)
            and re.match(
                r"\s*(?:$|[)\]}\"\u201d;:!]|[.,](?!\d)|\((?!\d)|(?:because|since|as|which|due|so|,)\b|\s[\u2013\u2014-]\s)",
                text[len(option) :],
            )
        ]
        if not fits:
            return None
        longest = max(fits)[0]
        letters = [letter for length, letter in fits if length == longest]
        rest = re.match(r"\s*,?\s*(?:or|and)\s+(.*)", text[longest:])
        return letters[0] if len(letters) == 1 and not (rest and self._prefix(rest[1])) else _UNREADABLE


def _plain(text: str) -> str:
    """Return the text without markup."""
    for _ in range(3):
        text = _WRAPPED.sub(r"\1", text)
    return _MARKUP.sub("", unicodedata.normalize("NFKC", text).replace("\u2019", "'"))


def _key(text: str) -> str:
    words = " ".join(text.casefold().split()).strip(_AROUND) or text.strip()
    return re.sub(r"^(?:the|an?)\s+(?=\S)", "", words)
