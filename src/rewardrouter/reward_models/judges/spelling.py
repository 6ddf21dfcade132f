"""How judges write verdicts: the expressions that :mod:`rewardrouter.reward_models.judges.reading` looks for."""

from __future__ import annotations

import re

# Repetitions are bounded: a judge that writes thousands of line breaks is to be read at once.
# Replaced before anything is looked for, each character by one: places in the text stay.
PLAIN: dict[int, str | int] = {
    **{wide: wide - 0xFEE0 for wide in range(0xFF01, 0xFF5F)},  # full-width letters, digits, brackets
    **dict.fromkeys([0xA0, 0x3000, *range(0x200B, 0x200E), 0x2060, 0xFEFF], " "),
    **dict.fromkeys(map(ord, "“”„‟「」『』"), '"'),
    **dict.fromkeys(map(ord, "‘’"), "'"),
    ord("−"): "-",
}

OPEN = r"(?:<(?:b|i|u|em|strong|code)>|\\(?:text|math|bf|bm|f?boxed)\w*\s*\{|\\?[\s*_`\"'$(\[{<~|#]){0,20}"
CLOSE = r"(?:</(?:b|i|u|em|strong|code)>|[\s*_`\"'$)\]}>~|\\]){0,20}"
TIGHT = re.compile(r"[*_`\"'$)\]}>~|\\]*")
RESPONSE = (
    r"(?:assistant|response|answer|model|output|option|candidate|chatbot|solution|completion|reply|ai"
    r"|回答|答案|助手|模型|回复|选项)"
)
NOUN = (
    rf"(?:(?i:(?:the\s+)?(?:(?:final|overall|better|best|winning)\s+)?"
    rf"(?:{RESPONSE}|verdict|winner|result|rating|score|grade)(?:\s+is\b)?)(?:[\s_:#=.]|-(?=[^\W\d])){{0,20}})"
)
BEST = r"(?:better|best|superior|stronger|preferred|preferable|winner|favou?red)"
WINS = rf"(?i:(?:is|was)(?:\s+(?!not\b|no\b|never\b)\w+){{0,3}}?\s+{BEST}\b|wins\b)"
JOINT = r"[\s*_`\"')]{0,20}(?:/|\||&|,|(?i:(?:or|and|versus|against)\b|vs\b\.?)|或|和)"
STOP = r"(?=[\s*_`\"')\]]{0,20}(?:[.!?。\n]|\Z))"

DOUBLE = re.compile(
    r"(?:\\?\[[\s*_`]*){2,}(?P<a>[^\[\]\n]{0,80})\]?(?P<more>(?:[\s*_`\\]*\])*)|[【⟦〚]+(?P<b>[^】⟧〛\n]{0,80})[】⟧〛]+"
)
SINGLE = re.compile(r"(?<![\[\\\w])\[(?P<a>[^\[\]\n]{1,40})\](?!\()")
BOXED = re.compile(r"\\(?:boxed|fbox)\s*\{(?P<a>(?:[^{}]|\{[^{}]*\}){0,80})\}|\{\{(?P<b>[^{}\n]{1,40})\}\}")
TAG = re.compile(
    r"<(?P<tag>(?i:answer|result|choice|preference|rating|score|grade|final[\w-]*|(?P<decides>verdict|winner|decision"
    r"|judge?ment)))>(?P<a>[^<>]{0,80})</(?P=tag)>"
)
LABEL = (
    r"(?P<decides>verdict|decision|winner|judge?ment|判断|结论|裁决)"
    rf"|(?P<best>(?:better|best|preferred|winning|stronger|superior)(?:\s+(?:{RESPONSE}|one))?|preference|更好的?回答)"
    r"|(?P<weak>answer|output|response|option|回答|答案|result|choice|conclusion|selection|pick|vote|final)"
)
RATING = r"(?P<decides>(?:rating|score|grade|mark)s?|overall|total|评分|分数)(?P<best>(?!))?(?P<weak>(?!))?"
LEAD = (
    r"(?P<lead>(?:^|(?<=[.!?:;。\n{,]))[ \t*_#>`\"'{\d.)-]{0,20}"
    r"(?i:(?:(?:final|overall|ultimate|total|my|the|so|thus|therefore|hence|最终|最后|我的)[\s,:]{0,5}){0,5}))?"
)
SEPARATOR = (
    r"(?P<separator>[ \t*_`\"')\]]{0,20}(?:[:=]|→|[-=]>|(?i:\b(?:is|of|as|goes\s+to|would\s+be)\b)|为|是|[-–—](?=\s))"
    r"|[ \t*_#`]{0,20}\n)"
)

NOT = re.compile(
    r"(?i)(?:\bnot|n't|\bnever|\binstead\s+of|\bthan|\bover|\bunlike|\bbeats|\bneither|\bnor|\boutperforms|\(was|\bpreviously|\bformerly|\binitially|\boriginally)"
    r"(?:\s+(?:be|is|give|choose|quite|say|in))?[\s*_`\"'(]*\Z"
)
LESS = re.compile(r"(?i)\b(?:less|worse|fewer|weaker|lower|inferior|no|not)\b|n't\b|[.!?]\s|\n")
WORSE = re.compile(
    r"(?i)[ *_`\"')]*(?:(?:is|was|does|are)\s*(?:not\b(?!\s+only)|n't\b|no\s+better\b|(?:\w+\s+)?(?:worse|weaker"
    r"|inferior|wrong|incorrect)\b|the\s+(?:worst|loser)\b)|loses\b|%)"
)
DONE = re.compile(
    rf"{CLOSE}(?:[.,;!。；)]|[–—-](?!\s*\d)|\((?!\d)|\Z|\n|{WINS}"
    r"|(?i:because|since|as|due|over|by|for|with|given|overall|points?)\b)"
)
VAGUE = re.compile(
    r"(?i)[\s*_`\"'(\[<{]*(?:\?|n/?a\b|neither|both|none|unclear|unsure|unknown|undecided|cannot|can't|unable|hard\s+to)"
)
ECHO_BEHIND = re.compile(
    r"(?i)[\"'`.)\]]*\s*(?:(?:if|when)\b[^\n]{0,60}\b(?:better|best|equal|equally|good|tie|wins?|superior|worse)\b"
    r"|for\s+a\s+tie\b|(?:means|indicates|denotes|represents|stands\s+for)\b)"
)
ECHO_BEFORE = re.compile(
    r"(?i)\b(?:example|e\.g\.?|such\s+as)(?:\s+output)?[\s:,]*(?:[\"'`][^\n\"\[]{0,40})?\Z|请[^\n。]{0,12}输出[\"']?\Z"
)
SUPPOSED = re.compile(r"(?i)\b(?:if|when|whether|unless|although|though|while|not|n't|never)\s+\Z")
JOINED = re.compile(rf"(?:{JOINT}|[ *_`]*[=≈]+)[\s*_`\"'(]*(?:(?i:and|or)\s+)?[\s*_`\"'(]*")
RANGE = re.compile(r"(?i)[ *_`]*(?:to|[-–])[ *_`]*")
ABOVE = re.compile(r"[ *_`]*(?:>+|≻|≫|»)[ *_`]*")
SCALE = re.compile(r"(?i)[\s*_`\"')(]*(?:/|out\s+of|of)[\s*_`\"'(\[]*(\d+)[*_`\"')\]]*")
UNCLOSED = re.compile(r"[\[【{][^\]】}\n]{0,40}\Z")
NESTED = re.compile(r"\]\s*,\s*\[")
PROSE = re.compile(r"\s+[a-z]")
RUNS_ON = re.compile(r"[A-Za-z0-9]{2}")
ENDING = re.compile(r"[\s.!*_`\"')\]}>|$。]*\Z")
LINE = re.compile(r"[ \t]*\n?[^\n]{0,80}")
GIVEN = re.compile(r"(?i)\b(?:rate|give|grade|score|award)s?\b[^.!?:\n]{0,40}\Z")
TIE = (
    r"(?i:(?<![A-Za-z])(?:(?:it(?:'s|\s+is)\s+)?an?\s+|both\s+(?:\w+\s+){0,2})?(?:tied?|draw|equal(?:ly\s+\w+)?)"
    r"(?![A-Za-z])|平局|平手)"
)
BLANK = re.compile(r"(?i)(?:your\s+|final\s+)*(?:rating|score|grade|verdict|winner|choice)")
DEFUSED = re.compile(r"\s*\\(?!text|math|bf|bm|f?boxed)")  # in an answer that the judge quotes
LIST = re.compile(r"[\d\s.,;-]*[,;][\d\s.,;-]*")
