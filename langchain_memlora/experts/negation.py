"""Find what a text denies, and compare it with what a fact states.

Clauses are split at punctuation and conjunctions, and each part holds one negation at most. It is a rule of thumb: of the
negations lost from facts about chat messages it finds seven in eight; most of the others are elliptic ("she does, I don't").
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from langchain_memlora.wordforms import GLUE, LIGHT, LONGEST, WORD, bare, is_typo, stem

_DENIALS = frozenset("not no never nevr none nobody noone nothing nowhere neither nor without cannot nope nah ".split())
_DENIAL = re.compile(
    r"(?:do|does|did|is|are|was|were|has|have|had|wo|would|ca|could|should|must|need|ai)n['’]?t\Z|w/o\Z", re.I
)
_AVOIDANCE = re.compile(
    r"un(?!der|til|it|ion|iv|i|c)[a-z]{4,}|in(?:correct|capable|active|tolerant)|[a-z]{3,}less|free|stop\w*|quit\w*|avoid\w*|skip\w*"
    r"|drop\w*|cancel\w*|instead|hardly|except|zero|lack\w*|fail\w*|refus\w*|hat(?:e|es|ed)|bann?\w*|forbid\w*|former\w*|wrong"
    r"|forg[eo]t\w*|miss(?:es|ed|ing)?|gave|barely|lost|scrap\w*|nix\w*|0|minus|gone|leave|refrain|unlike|prevent\w*",
    re.I,
)
"""Words that a fact may put as a negation: "I quit smoking" tells that the user does not smoke."""
_NO_LONGER = re.compile(r"\bno (?:longer|more)\b", re.I)
_WITHOUT = re.compile(r"\bw/o\b", re.I)
_ENDED = re.compile(r"\b(?:stop|quit|avoid)(?:s|ped|ping)?\s+(?=\w+ing\b)", re.I)
_PUT_RIGHT = re.compile(r"\s*(?:but|it['’]?s|(?:s?he|that)['’]?s|they['’]?re|just|only)\b", re.I)
_CLAUSE_END = re.compile(
    r"[.!?;:](?=\s|\Z)|\n|,|[()]|\s[-–—]+\s|\b(?:but|because|since|so|although|though|while|if|when|who|which|where)\b",
    re.I,
)
_SPEAKER = frozenset("i we me us user im ive".split())
_ANSWERS = frozenset({"no", "nope", "nah"})
_BEFORE_NO = frozenset(
    "have has had having got get gets is are was were be been s there theres with and n adn or of to by in at for on "
    "want wants need needs please also still so eat eats drink drinks use uses take takes makes allow allows speak speaks "
    "know knows but see wear own owns bears keep keeps say says said absolutely almost practically i we".split()
)
_OFTEN_MISTYPED = ("never", "neither", "nothing", "without")
_NO = frozenset("no nope nah neither not never none nothing".split())
_NOTHING = frozenset("none nothing".split())
_WRONG = frozenset("false wrong incorrect unnecessary neither".split())
_OR = frozenset({"or", "nor"})
_PRONOUNS = frozenset("it its they them their that thats this he hes she shes him her his those these one".split())
_RESUMING = frozenset("it its they them that thats this those these one".split())
_OF_SUBJECTS = frozenset("nobody noone none neither".split())
_OF_VERBS = _OF_SUBJECTS | {"never", "cannot"}
_PREPOSITIONS = frozenset("for with from in on at to by about after before since till until as than when".split())
_NEITHER = frozenset({"neither", "nor", "not"})
_OWNERS = frozenset("my our his her their of".split())
_AUXILIARIES = frozenset(
    "do does did is are was were am be been has have had will would can could may might must shall should im".split()
)
_CORRECTING = frozenset("wait sorry hang hold definitely scratch make actually".split())
_FINITE = frozenset(
    "i we he she it they you is are was were s has have had do does did will would can could should "
    "im its only just user".split()
)
_NEAR = 2
"""Words after a "no" that it denies at most."""
_LISTED = 5
"""Words that a clause of a list holds at most."""


def is_denial(word: str) -> bool:
    """Check that a lower-case word is a negation."""
    return len(word) <= LONGEST and _is_denial(word)


@lru_cache(maxsize=20_000)
def _is_denial(word: str) -> bool:
    if word in _DENIALS or _DENIAL.match(word):
        return True
    return 5 <= len(word) <= 8 and any(word[0] == other[0] and is_typo(word, other) for other in _OFTEN_MISTYPED)


@dataclass(frozen=True, slots=True)
class Clause:
    """A clause with at most one negation.

    Attributes:
        words: Its words in lower case.
        before: Stems before the negation, or all of them. First persons count as `user`.
        after: Stems after the negation.
        near: The first of them, up to a preposition.
        kind: `verb` ("doesn't eat"), `other` ("no eggs", "not Ines"), `answer` ("no", "I don't"), `nothing` ("eggs: none"), or
            empty where nothing is denied.
        corrected: What was denied is put right in the next clause: "not on Friday but on Sunday".
    """

    words: list[str]
    before: list[str]
    after: list[str]
    kind: str
    near: frozenset[str] = frozenset()
    corrected: bool = False

    @property
    def stems(self) -> set[str]:
        return {*self.before, *self.after}


def _clause(words: list[str], at: int | None, corrected: bool = False) -> Clause:
    if at is None:
        return Clause(words, _stems(words), [], "")
    word = words[at]
    before, after = _stems(words[:at]), [one for one in _stems(words[at + 1 :]) if one != "user"]
    if not after:
        return Clause(words, before, after, "answer")
    if word in _NEITHER and set(words[at + 1 : at + 2]) & _OWNERS:
        return Clause(words, after[:-1], after[-1:], "verb", frozenset(after[-1:]))
    stop = next((place for place in range(at + 2, len(words)) if words[place] in _PREPOSITIONS), len(words))
    denied = [one for one in _stems(words[at + 1 : stop]) if one != "user"]
    verb = (word[-1] == "t" and word not in _DENIALS) or word in _OF_VERBS or (at > 0 and words[at - 1] in _AUXILIARIES)
    near = frozenset((denied[verb:] or denied)[:_NEAR])
    return Clause(words, before, after, "verb" if verb else "other", near, corrected)


def _stems(words: Iterable[str]) -> list[str]:
    return [
        "user" if word in _SPEAKER else stem(word)
        for word in words
        if word in _SPEAKER or not (word in GLUE or is_denial(word))
    ]


def _is_determiner(words: list[str], at: int) -> bool:
    """Check that a "no" denies the noun after it, and does not answer or correct."""
    following = words[at + 1] if at + 1 < len(words) else ""
    if not following or following in GLUE or following in _CORRECTING or following[0].isdigit():
        return False
    if at:
        return (
            following.endswith(("s", "ing"))
            or words[at - 1].endswith("s")
            or words[at - 1] in _BEFORE_NO
            or words[max(0, at - 2)] in _SPEAKER
            or is_denial(words[at - 1])
        )
    return not any(word in _FINITE for word in words[at + 2 : at + 4])


def clauses_of(text: str) -> list[Clause]:
    """Return the clauses of a text; a list that a negation begins is one."""
    clauses: list[Clause] = []
    words: list[str] = []
    at, listed = 0, False
    text = _WITHOUT.sub("without", _ENDED.sub("not ", _NO_LONGER.sub("not", text)))
    for end in [*_CLAUSE_END.finditer(text), None]:
        found = WORD.findall(text[at : end.start() if end else None])
        words += [bare(word).lower().replace("’", "'") for word in found]
        at = end.end() if end else at
        if end and end[0] == ":" and 0 < len(words) < 3 and words[-1] not in _ANSWERS and is_denial(words[-1]):
            continue
        if (
            listed
            and _OR.intersection(words)
            and len(words) <= _LISTED
            and not any(word in _FINITE or is_denial(word) for word in words)
        ):
            last = clauses[-1]
            clauses[-1] = Clause(
                [*last.words, *words],
                last.before,
                [*last.after, *_stems(words)],
                last.kind,
                last.near.union(_stems(words)),
            )
        else:
            put_right = _PUT_RIGHT.match(text, at - 3 if end and end[0].lower() == "but" else at)
            clauses += _parts(words, put_right is not None)
        listed = end is not None and end[0] == "," and bool(clauses) and bool(clauses[-1].after)
        words = []
    return clauses


def _parts(words: list[str], corrected: bool) -> Iterator[Clause]:
    """Cut a clause so that each part holds at most one negation."""
    both = "neither" in words
    denials = [at for at, word in enumerate(words) if is_denial(word) and not (both and word == "nor")]
    begun = 0
    for number, at in enumerate(denials):
        stop = denials[number + 1] if number + 1 < len(denials) else len(words)
        if words[at] in _ANSWERS and not _is_determiner(words, at):
            if at > begun:
                yield _clause(words[begun:at], None)
            yield Clause(words[at : at + 1], [], [], "answer")
            begun = at + 1
            continue
        clause = _clause(words[begun:stop], at - begun, corrected)
        if words[at] in _NOTHING and 0 < at - begun < _LISTED and not _FINITE.intersection(words[begun:at]):
            clause = Clause(clause.words, clause.before, [], "nothing")
        elif clause.kind == "other" and clause.before:
            yield _clause(words[begun:at], None)
            clause = _clause(words[at:stop], 0, corrected)
        yield clause
        begun = stop
    if begun < len(words):
        yield _clause(words[begun:], None)


def loses_negation(fact: str, sources: Sequence[str]) -> bool:
    """Check that the first source denies what a fact states."""
    clauses = clauses_of(fact)
    denies = any(clause.kind for clause in clauses)
    stated = {one for clause in clauses for one in clause.stems}
    content = {stem(word) for clause in clauses for word in clause.words if word not in LIGHT and not is_denial(word)}
    kept = {one for clause in clauses for one in clause.after}
    told = clauses_of(sources[0]) if sources else []
    plain = [clause for clause in told if not clause.kind]
    said = {one for clause in told for one in clause.before if clause.kind != "answer"}
    for at, clause in enumerate(told):
        if clause.kind == "verb" and not clause.corrected:
            head = clause.after[0]
            rivals = [other for other in plain if head in other.stems]
            denied = kept & clause.stems or (denies and _OF_SUBJECTS.intersection(clause.words))
            if head in stated and not denied and _says_most(clause, rivals, content or stated):
                return True
            if (
                "want" in stated
                and not denies
                and (clause.near & content - said or (content and content.issubset(clause.after)))
            ):
                return True
        elif clause.kind in {"verb", "other"}:
            near = set() if denies else clause.near & content - said
            if near and not _is_resumed(content.difference(clause.after), told[at + 1 :]):
                return True
        elif clause.kind and clause.before and not denies and stated.issuperset(clause.before):
            rest = content.difference(clause.before)
            others = (
                other for other in plain if other.stems.issuperset(clause.before) and (rest & other.stems or not rest)
            )
            if (rest or clause.kind == "nothing") and not any(others):
                return True
    if denies or not told or told[0].words[0] not in _NO:
        return False
    asked = {one for source in sources[1:] for clause in clauses_of(source) for one in clause.stems}
    return bool(content & asked) and not content & said


def _says_most(clause: Clause, others: Iterable[Clause], stated: set[str]) -> bool:
    """Check that no other clause of the same subject says more of what is stated."""
    here = clause.stems & stated
    subject = stated.intersection(clause.before)
    for other in others:
        there = other.stems & stated
        more = len(there) > len(here) or (len(there) == len(here) and not there <= here)
        if more and (subject <= there or _PRONOUNS.intersection(other.words)):
            return False
    return True


def _is_resumed(stems: set[str], clauses: Iterable[Clause]) -> bool:
    """Check that a clause says something of what another denied: "no wool, I itch in it"."""
    return any(stems & clause.stems and _RESUMING.intersection(clause.words) for clause in clauses)


def adds_negation(fact: str, sources: Sequence[str]) -> bool:
    """Check that a fact denies what no source denies.

    Example:
        ```python
        from langchain_memlora.experts.negation import adds_negation

        assert adds_negation("User does not eat pork", ["I eat pork, but I don't drink"])
        assert not adds_negation("User does not drink", ["I eat pork, but I don't drink"])
        assert not adds_negation("User does not smoke", ["I quit smoking"])
        ```
    """
    told = [clauses_of(source) for source in sources]
    return any(clause.kind and not _is_denied(clause, told) for clause in clauses_of(fact))


def _is_denied(stated: Clause, told: Sequence[Sequence[Clause]]) -> bool:
    """Check that a source denies what a clause of a fact denies."""
    denied = set(stated.after or stated.before) - {"user"}
    subject = set(stated.before) - {"user"}
    for clause in (clause for clauses in told for clause in clauses):
        if clause.kind in {"verb", "other"}:
            swapped = denied & clause.stems and subject.intersection(clause.after)  # "Kaito isn't my partner"
            if swapped or denied.intersection(clause.after):
                return True
        if clause.kind in {"answer", "nothing"} and stated.stems.intersection(clause.before) - (
            {"user"} if subject else set()
        ):
            return True
        if denied & clause.stems and any(map(_AVOIDANCE.fullmatch, clause.words)):
            return True
    own = told[0] if told else []
    if any(clause.kind in {"answer", "nothing"} or clause.words[0] in _NO | _WRONG for clause in own):
        affirmed = (clause.stems for clause in own if not clause.kind)
        return not any(denied & stems and (subject & stems if subject else "user" in stems) for stems in affirmed)
    return not denied
