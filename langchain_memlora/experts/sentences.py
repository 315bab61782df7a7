"""Cut a message into sentences, with offsets.

A sentence ends at . ! ? and their counterparts in other scripts, and at line breaks. Dots of abbreviations, initials, numbers,
times and addresses end none; a very short quotation stays whole, and so does a fenced code block. Doubtful places are not cut:
two sentences in one piece cost less than half a sentence. Sentences above a limit of words are cut between clauses.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise

LIMIT = 40
"""Words above which a sentence is cut between clauses."""

_LEAST_WORDS = 4
"""Words that each half of a sentence holds at least."""
VERB_WITHIN = 5
"""Words of the second half that must hold a verb."""
_TRIED = 8
"""Places that are tried on each side of the middle."""

_FENCE = re.compile(r"^[ \t]*```.*?(?:^[ \t]*```[^\n]*$|\Z)", re.DOTALL | re.MULTILINE)
_BREAK = re.compile(r"[\r\n\v\f\x85\u2028\u2029]+\s*")
_BULLET = re.compile(r"(?:[-*+•·–—>#|]|\(?\d{1,3}[.)]|\(?[a-zA-Z][.)])\s")
_OPEN_END = re.compile(r"(?:\b(?:the|an?|of|to|in|on|at|for|with|and|or|my|our|is|are|was|that|by|from)|,)\s*\Z")
_CONTINUED = re.compile(r"(?:of|to|in|at|for|with|than|that|from|by|into)\s")
_MARKER = re.compile(r"\W*(?:\d{1,3}|[a-zA-Z])[.)]?$")

_END = re.compile(
    r"(?<![.!?…])[.!?…]++[\"'”’»)\]*_]*+(?=\s)|[。！？｡]+[”’」』）]*|[؟۔।॥]+[\"'”’»)\]]*"
    r"|(?<=\s)[:;]-?[()DP](?=\s+[A-Z])|[\u2600-\u27bf\U0001f300-\U0001faff]\ufe0f?(?=\s+[A-Z])"
)
_QUOTATION = re.compile(
    r"(?<!\w)\"(?=\S)[^\"]{1,50}\"(?!\w)|“[^”]{1,50}”|„[^“”]{1,50}[“”]|«[^»]{1,50}»|「[^」]{1,50}」|\([^()]{1,50}\)"
    r"|(?<!\w)'(?=\w)[^\n]{1,50}?(?<=[\w.!?,…])'(?!\w)|(?<!\w)‘[^\n]{1,50}?’(?!\w)"
)
"""Short quotations and brackets. A longer one is cut like other text."""
_EMOJI = re.compile(r"\s*(?:[\u2600-\u27bf\U0001f000-\U0001faff][\ufe0e\ufe0f\u200d\U0001f3fb-\U0001f3ff]*)+")
_SMILEY = re.compile(r"[ \t]*[:;]-?[()DPp/|](?=\s)|[ \t]*(?:xo+|xx+|<3)(?=\s)")

_ABBREVIATED = frozenset(
    "mr mrs ms mx dr prof st rev fr sen gov gen col lt sgt capt hon messrs mme mlle herr "
    "approx ca circa cf vs viz e.g i.e eg ie resp incl excl ext tel fig figs eq vol ed eds pp min max avg temp "
    "bldg apt dept est nr str hwy mt ft al p.s p.p.s bzw z.b d.h u.a".split()
)
_ENDS_OR_NOT = frozenset("a.m p.m am pm etc inc ltd co corp jr sr bros plc a.d b.c ph.d m.d b.a m.a b.sc m.sc".split())
"""Abbreviations that end a sentence if a capital letter follows."""
_STATES = frozenset({"u.s", "u.k", "e.u", "d.c"})
_BEFORE_NUMBERS = frozenset(
    "no nos p art sec ch para par pos room rm flat unit jan feb mar apr jun jul aug sep sept oct nov dec".split()
)
_GOES_ON = re.compile(
    r"(?i:(?:mon|tue|wed|thu|fri|sat|sun|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\b)|[A-Z]{2,4}\b|[A-Z]\."
)
"""Days, months and time zones, before which "p.m." ends no sentence."""
_OPENERS = re.compile(
    r"(?:I|I'\w+|A|The|Then|That|This|There|We|You|He|She|It|They|My|Our|His|Her|So|And|But|Is|Are|What|Who|How|No|Yes)\b"
)
"""Words that begin a sentence rather than follow an initial."""
_SPEECH = re.compile(
    r"(?:\w+ ){0,2}(?:said|says|asked|asks|wrote|writes|replied|told|thought|answered)\b|(?:and|or|but|as|is|was|in|to)\b"
)

WORD = re.compile(r"\S+")
_CLAUSE = re.compile(
    r"(?P<strong>;|\s[-–—]+|—)\s+"
    r"|(?P<comma>,)\s+(?=(?:and|but|so|while|because|which|although|though|or|then|also|plus|yet|whereas|since)\s)"
    r"|(?P<bare>)\s+(?=(?:and (?:i|we|he|she|they|it|my|the)|but|also|because|so (?:i|we|he|she|they|it|my|the))\s)"
    r"|(?P<loose>)\s+(?=(?:and|so|then|plus)\s)",
    re.IGNORECASE,
)
VERB = re.compile(
    r"(?:am|is|are|was|were|be|been|has|have|had|do|does|did|can|could|will|would|shall|should|may|might|must|need|want|like|know"
    r"|think|go|went|get|got|make|made|take|took|work|live|say|said|see|saw|come|came|keep|kept|put|let|give|gave|tell|told|left|feel"
    r"|felt|find|found|buy|bought|eat|ate|im|ive|id|its|hes|shes|theyre|were|dont|cant|wont|isnt|\w{2,}ed|\w{2,}ing"
    r"|\w+['’](?:m|s|re|ve|ll|d|t))\W*",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Sentence:
    """A piece of a message.

    Attributes:
        start: Offset of its first character in the message.
        end: Offset after its last character.
        text: `message[start:end]`, without spaces around it.
    """

    start: int
    end: int
    text: str


def cut_sentences(text: str, *, limit: int = LIMIT) -> list[Sentence]:
    """Cut a message into sentences.

    Args:
        text: A message in any language.
        limit: Words above which a sentence is cut between clauses, where it has any.

    Returns:
        The sentences in order. Each character that is no space is in exactly one of them.

    Example:
        ```python
        from langchain_memlora.experts.sentences import cut_sentences

        message = "Dr. Ito called at 3 p.m. on Friday. The graft took! Now what?"
        assert [s.text for s in cut_sentences(message)] == [
            "Dr. Ito called at 3 p.m. on Friday.",
            "The graft took!",
            "Now what?",
        ]
        ```
    """
    pieces: list[Sentence] = []
    for start, end, prose in _paragraphs(text):
        cuts = [start, *(_ends(text, start, end) if prose else ()), end]
        for low, high in pairwise(cuts):
            for first, last in _clauses(text, low, high, limit) if prose else [(low, high)]:
                piece = text[first:last]
                if kept := piece.strip():
                    begin = first + len(piece) - len(piece.lstrip())
                    pieces.append(Sentence(begin, begin + len(kept), kept))
    return pieces


def _paragraphs(text: str) -> Iterator[tuple[int, int, bool]]:
    """Return the offsets of lines, wrapped ones joined, and of code blocks; the flag says that a piece is prose."""
    at = 0
    for fence in _FENCE.finditer(text):
        yield from ((start, end, True) for start, end in _lines(text, at, fence.start()))
        yield fence.start(), fence.end(), False
        at = fence.end()
    yield from ((start, end, True) for start, end in _lines(text, at, len(text)))


def _lines(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    group: list[tuple[int, int]] = []
    at = start
    for found in [*_BREAK.finditer(text, start, end), None]:
        stop, following = (found.start(), found.end()) if found else (end, end)
        if group and _BULLET.match(text, at, stop):
            yield from _joined(text, group)
            group = []
        group.append((at, stop))
        at = following
        if found is None or found[0].count("\n") != 1 or text[stop - 1 : stop] == ":":
            yield from _joined(text, group)
            group = []


def _joined(text: str, group: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Join lines if they were broken for the width of a page: each next word had no room on the line before it."""
    width = max(end - start for start, end in group)
    wrapped = 50 <= width <= 120 and len(group) > 1
    for (start, end), (following, last) in pairwise(group):
        if not wrapped:
            break
        first = WORD.match(text, following, last)
        wrapped = first is not None and end - start + 1 + len(first[0]) > width
    if wrapped and len(group) == 2:
        (start, end), (following, last) = group
        wrapped = bool(_OPEN_END.search(text, max(start, end - 6), end) or _CONTINUED.match(text, following, last))
    return [(group[0][0], group[-1][1])] if wrapped else group


def _ends(text: str, start: int, end: int) -> Iterator[int]:
    """Return the offsets after sentences, in a paragraph."""
    closed = [found.span() for found in _QUOTATION.finditer(text, start, end)]
    begun = start
    at = 0
    for found in _END.finditer(text, start, end):
        if found.start() < begun:
            continue
        while at < len(closed) and closed[at][1] <= found.start():
            at += 1
        if at < len(closed) and closed[at][0] < found.start() and found.end() < closed[at][1]:
            continue
        stop = found.end()
        for pattern in (_EMOJI, _SMILEY):
            if tail := pattern.match(text, stop, end):
                stop = tail.end()
        rest = text[stop : stop + 40].lstrip()
        if rest and _is_end(
            text[max(begun, found.start() - 24) : found.start()], found[0], rest, text[begun : found.start()][:8]
        ):
            yield stop
            begun = stop


def _is_end(before: str, mark: str, rest: str, opening: str) -> bool:
    """Check that a mark between two texts ends a sentence."""
    lower = rest[0].islower()
    if mark[-1] in "\"'”’»)]" and lower:
        return mark[0] == "." and not _SPEECH.match(rest)
    if mark.startswith(("..", "…")):
        return not lower
    if mark[0] != ".":
        return True
    if len(before) < 5 and _MARKER.match(opening) and _MARKER.match(before):
        return False
    word = re.split(r"[\s(\"'“‘/]", before)[-1].lower()
    if word in _ABBREVIATED:
        return False
    if word in _BEFORE_NUMBERS and rest[0].isdigit():
        return False
    if word in _ENDS_OR_NOT:
        return not lower and not rest[0].isdigit() and not _GOES_ON.match(rest)
    if word in _STATES:
        return bool(_OPENERS.match(rest))
    initial = len(word) == 1 and before[-1].isupper() and before[-1] != "I"
    return not (initial and rest[0].isupper() and not _OPENERS.match(rest))


def _clauses(text: str, start: int, end: int, limit: int) -> Iterator[tuple[int, int]]:
    """Return the offsets of a sentence, or of its clauses where it is longer than the limit."""
    words = [(found.start(), bool(VERB.fullmatch(found[0]))) for found in WORD.finditer(text, start, end)]
    if len(words) <= limit:
        yield start, end
        return
    offsets = [offset for offset, _ in words]
    verbs = list(accumulate((verb for _, verb in words), initial=0))
    joints: dict[str, list[int]] = {"strong": [], "comma": [], "bare": [], "loose": []}
    for found in _CLAUSE.finditer(text, start, end):
        joints[found.lastgroup or "loose"].append(bisect_left(offsets, found.end()))
    waiting = [(0, len(words))]
    while waiting:
        low, high = waiting.pop()
        cut = _joint(joints, verbs, low, high) if high - low > limit else None
        if cut is None:
            yield (offsets[low] if low else start), (offsets[high] if high < len(words) else end)
        else:
            waiting += [(cut, high), (low, cut)]


def _joint(joints: dict[str, list[int]], verbs: list[int], low: int, high: int) -> int | None:
    """Return the word nearest to the middle that begins a clause, of the surest kind there is."""
    middle = (low + high) // 2
    for places in joints.values():
        at = bisect_left(places, middle)
        for place in sorted(places[max(0, at - _TRIED) : at + _TRIED], key=lambda place: abs(place - middle)):
            room = place - low >= _LEAST_WORDS and high - place >= _LEAST_WORDS
            if room and verbs[min(place + VERB_WITHIN, high)] > verbs[place]:
                return place
    return None
