"""The table of time expressions, `RULES`: patterns, each with a small resolver from a match to calendar days."""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Callable
from datetime import date, timedelta

from langchain_memlora.retrieval.date_spans import MONTHS, SEASONS, Granularity

# --- Words ------------------------------------------------------------------

_Days = tuple[date, date, Granularity]
_Resolver = Callable[[re.Match[str], date], _Days | None]

_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_PERIODS = {name[:3].lower(): (n, 1, Granularity.MONTH) for n, name in enumerate(MONTHS, 1)} | {
    name[:3]: (n, 3, Granularity.SEASON) for name, n in SEASONS.items()
}
_HOLIDAYS = {
    "christmas": (12, 25), "christmas day": (12, 25), "xmas": (12, 25), "christmas eve": (12, 24),
    "boxing day": (12, 26), "new years eve": (12, 31), "new years day": (1, 1),
    "halloween": (10, 31), "valentines day": (2, 14),
}  # fmt: skip
_COUNTS = "a|an|one couple|two few|three four five six seven eight nine ten eleven twelve"
_NUMBERS = {word: n for n, words in enumerate(_COUNTS.split(), 1) for word in words.split("|")}
_SIDES = {"past": "begun", "future": "unfinished", "": "nearest"}
_DAY_WORDS = {
    "the day before yesterday": -2, "day before yesterday": -2, "yesterday": -1, "last night": -1,
    "today": 0, "tonight": 0, "this morning": 0, "this afternoon": 0, "this evening": 0,
    "tomorrow": 1, "the day after tomorrow": 2, "day after tomorrow": 2,
}  # fmt: skip
_STEPS = {
    "before last": -2, "last": -1, "this past": -1, "past": -1,
    "this": 0, "this coming": 0, "next": 1, "after next": 2,
}  # fmt: skip

HABIT_BEFORE = re.compile(r"\b(?:every|each)(?:\s+other)?\s*\Z", re.I)
_HABIT = re.compile(r"\b(?:always|usually|typically|(?:every|each)\s+(?:week|month|year|time))\b", re.I)
_DURATION = re.compile(  # "haven't slept in two days", "finished it in 3 weeks": a length, not a date
    r"\b(?:(?:have|has|had|did)(?:n[’']t| not)|never|first time|finished|completed|built|wrote|read|lost|gained"
    r"|once|twice|times|(?:day|week|month)s(?=\s*\Z))\b",
    re.I,
)
_FUTURE = (
    r"\b(?:(?-i:will|^Will)|won[’']t|shall|would|should|going to|gonna|plan(?:s|ned|ning)?|next|upcoming|hop(?:e|ing) to"
    r"|look(?:ing)? forward|can[’']t wait|let[’']s|(?:want|have|about|ready) to|needs?|intend|due|deadline(?! was)|scheduled"
    r"|booked for|tomorrow|excited (?:for|about)|ha(?:s|ve) (?:\w+ ){1,3}?(?:appointment|check-?up|class|date|exam|flight"
    r"|game|interview|lesson|match|meeting|party|shift|surgery|test|trip))\b|[’'](?:ll|d)\b"
)
_PAST = (
    r"\b(?:(?:had|was|were|did)(?:n[’']t)?|went|got|saw|took|came|left|met|bought|sold|lost|won|found|made|gave|told|spoke"
    r"|broke|began|ran|drove|flew|rode|swam|ate|drank|slept|wrote|sent|paid|spent|brought|caught|taught|fell|felt|held|kept"
    r"|became|built|chose|drew|fought|forgot|grew|heard|knew|led|meant|quit|rang|rose|said|sang|sat|shot|stood|stole|stuck"
    r"|thought|threw|tore|understood|woke|wore|been|done|gone|seen|taken|given|written|driven|eaten|flown|spoken|broken"
    r"|(?!(?:hundred|shed|sled|naked|supposed|wanted|excited|interested|worried|stressed|thrilled|tired)\b)"
    r"(?<!\bis\s)(?<!\bare\s)(?<!\bam\s)(?<!\bbe\s)(?<![’']m\s)(?<![’']re\s)(?<!\bget\s)(?<!\bgets\s)(?<!\bgetting\s)"
    r"[a-z]{2,20}(?<!e)ed)\b"
)
_PRESENT = (
    r"\b(?:am|is|are|(?:it|that|there|he|she)[’']s|starts?|begins?|opens?|arrives?|departs?|flies|fly|lands?|returns?|ends|closes"
    r"|launches|leaves?|meets?|moves?|graduates?|expires?|takes place|comes|goes|turns)\b|[’'](?:m|re)\b"
)
_TENSES = re.compile(f"(?P<future>{_FUTURE})|(?P<past>{_PAST})|(?P<present>{_PRESENT})", re.I)
_ON = re.compile(r"\b(?:on|by|since|until|till|before|after|from|for)(?: the)?\s+\Z", re.I)
_PRONOUN = re.compile(r"\b(?:i|you|we|they|he|she|it|who)\s+\Z", re.I)
_NOUN = re.compile(r"\s+(?!(?:and|but|or|at|for|to|when|so|with|is|was|i|we|he|she|they|it)\b)[a-z]")
_SENTENCE_END = re.compile(r"[.!?]\s|\n")
_CLAUSE_END = re.compile(r"[,;.!?\n]|\b(?:and|but)\b", re.I)


def _before(match: re.Match[str]) -> str:
    """Return the part of the sentence before the match, at most 120 characters."""
    return _SENTENCE_END.split(match.string[max(0, match.start() - 120) : match.start()])[-1]


def _tense(match: re.Match[str]) -> str:
    """Return whether a sentence speaks of the `past` or the `future` of its match; empty if no word says so.

    The last such word before the match decides, or the first after it in its clause if there is none. The present is about the
    future, as in "it starts on Monday".
    """
    before = _before(match)
    tense = "" if before.strip(" ,").lower() in ("", "and", "but", "so", "then") else tenses(before)[-1]
    if tense:
        return tense
    rest = match.string[match.end() : match.end() + 120]
    return tenses(_CLAUSE_END.split(rest if before.strip() else rest.lstrip(" ,"), maxsplit=1)[0])[0]


@functools.lru_cache(maxsize=4096)
def tenses(words: str) -> tuple[str, ...]:
    """Return the tenses that words are in, in their order; one empty string if there are none."""
    return tuple("past" if cue["past"] else "future" for cue in _TENSES.finditer(words)) or ("",)


def _norm(words: str) -> str:
    return " ".join(words.lower().split())


def _number(words: str) -> int:
    """Return the value of "3", "three", "a", "a couple of" or "a few"."""
    return int(words) if words.isdecimal() else _NUMBERS[_norm(words).removesuffix(" of").split()[-1]]


def _may_be_verb(m: re.Match[str]) -> bool:
    """Return whether a lower-case "may" or "march" beside a number may be a verb: "of the six 5 may come", "we may 5"."""
    if m["month"] not in ("may", "march"):
        return False
    if _ON.search(m.string, max(0, m.start() - 12), m.start()):
        return False
    if m.start("month") < m.start("day") and _PRONOUN.search(m.string, max(0, m.start() - 12), m.start()):
        return True
    return _NOUN.match(m.string, m.end()) is not None


# --- Calendar ---------------------------------------------------------------


def _day(day: date) -> _Days:
    return day, day, Granularity.DAY


def _months(year: int, month: int, count: int, granularity: Granularity) -> _Days:
    """Return `count` whole months from a month, whose number may be outside 1 to 12."""
    first = year * 12 + month - 1
    after = first + count
    return date(first // 12, first % 12 + 1, 1), date(after // 12, after % 12 + 1, 1) - timedelta(1), granularity


def _shift(today: date, unit: str, n: int) -> _Days:
    """Return the day, weekend, week, month or year `n` units away."""
    saturday = today + timedelta(5 - today.weekday())
    match unit.lower():
        case "day":
            return _day(today + timedelta(n))
        case "weekend":
            return saturday + timedelta(7 * n), saturday + timedelta(7 * n + 1), Granularity.WEEKEND
        case "fortnight":
            return _shift(today, "week", 2 * n)
        case "week":
            return saturday + timedelta(7 * n - 5), saturday + timedelta(7 * n + 1), Granularity.WEEK
        case "month":
            return _months(today.year, today.month + n, 1, Granularity.MONTH)
        case _:
            return date(today.year + n, 1, 1), date(today.year + n, 12, 31), Granularity.YEAR


def _yearly(make: Callable[[int], _Days], how: str, today: date, reach: int = 2) -> _Days | None:
    """Choose the year of a yearly event (29 February: within 8 years)."""
    spans: list[_Days] = []
    for year in range(max(1, today.year - reach), min(9998, today.year + reach) + 1):
        with contextlib.suppress(ValueError):
            spans.append(make(year))
    if how in ("last", "this past", "begun"):
        return next((s for s in reversed(spans) if (s[0] if how == "begun" else s[1] + timedelta(1)) <= today), None)
    if how in ("next", "this coming", "unfinished"):
        return next((s for s in spans if (s[1] if how == "unfinished" else s[0] - timedelta(1)) >= today), None)
    if how == "this":  # under way or over for two months at most; otherwise the one that starts this year
        recent = [s for s in spans if s[0] <= today <= s[1] + timedelta(60)]
        return next((s for s in [*recent, *spans] if s in recent or s[0].year == today.year), None)
    return min(spans, key=lambda s: max(s[0] - today, today - s[1]), default=None)


# --- Resolvers --------------------------------------------------------------


def _relative_unit(m: re.Match[str], today: date) -> _Days | None:
    rel = _norm(m["rel"])
    return _shift(today, m["unit"], _STEPS[rel] + (rel == "this coming" and today.weekday() >= 5))


def _in_units(m: re.Match[str], today: date) -> _Days | None:
    return None if _DURATION.search(_before(m)) else _shift(today, m["unit"], _number(m["n"]))


def _ahead(m: re.Match[str], today: date) -> int:
    """Return the days (0 to 6) until the weekday named in the match."""
    return (_WEEKDAYS.index(m["weekday"][:3].lower()) - today.weekday()) % 7


def _weekday(m: re.Match[str], today: date) -> _Days | None:
    how, ahead = _norm(m["rel"]), _ahead(m, today)
    if m["weekday"] in ("sat", "sun", "wed") or (how == "on" and _HABIT.search(_before(m))):
        return None
    if how in ("last", "this past", "since"):
        ahead -= 7
    elif how in ("next", "this coming"):
        ahead = ahead or 7
    elif how in ("on", "this") and ahead:
        tense = _tense(m)
        ahead -= 7 * (tense == "past" or (how == "on" and ahead > 3 and not tense))
    return _shift(today, "day", ahead)


def _period(m: re.Match[str], year: int) -> _Days:
    """Return the month or season named in the match, in that year."""
    return _months(year, *_PERIODS[m["month"][:3].lower()])


def _relative_period(m: re.Match[str], today: date) -> _Days | None:
    # "This may be", "this march was loud"
    return (
        None
        if m["month"] in ("may", "march", "mar") and _norm(m["rel"]) == "this"
        else _yearly(lambda year: _period(m, year), _norm(m["rel"]), today)
    )


def _bare_month(m: re.Match[str], today: date) -> _Days | None:
    if m["of_year"]:
        return _period(m, today.year + _STEPS[m["of_year"].lower()])
    if _HABIT.search(_before(m)):
        return None
    how = "begun" if m["how"].lower() == "since" else _SIDES[_tense(m)]
    return _yearly(lambda year: _period(m, year), how, today)


def _anniversary(m: re.Match[str], month: int, day: int, today: date) -> _Days | None:
    if m["year"]:
        return _day(date(int(m["year"]), month, day))
    how = _norm(m["rel"] or _SIDES[_tense(m)])
    return _yearly(lambda year: _day(date(year, month, day)), how, today, 8 if (month, day) == (2, 29) else 2)


def _day_of_month(m: re.Match[str], today: date) -> _Days | None:
    if not (m["ordinal"] or m["year"]) and _may_be_verb(m):
        return None
    return _anniversary(m, _PERIODS[m["month"][:3].lower()][0], int(m["day"]), today)


def _ordinal(m: re.Match[str], today: date, how: str, weekday: str | None) -> _Days | None:
    """Return "the 3rd": of the month that is named after it, of one with the weekday before it, else by the tense."""
    if _HABIT.search(_before(m)):
        return None
    reach = 12 if weekday else 2
    months = [_STEPS[m["of_month"].lower()]] if m["of_month"] else range(-reach, reach + 1)
    days: list[date] = []
    for n in months:
        with contextlib.suppress(ValueError):
            days.append(_months(today.year, today.month + n, 1, Granularity.MONTH)[0].replace(day=int(m["day"])))
    if weekday:
        days = [day for day in days if day.weekday() == _WEEKDAYS.index(weekday[:3].lower())]
    tense = "past" if how == "since" else _tense(m)
    if tense and not m["of_month"]:
        days = [day for day in days if (day <= today if tense == "past" else day >= today)]
    return _day(min(days, key=lambda day: abs(day - today))) if days else None


def _numeric(m: re.Match[str], today: date) -> _Days | None:
    """Return "12.07.2024", which begins with the day, or "7/31/2024"; "3/5/2024" is read differently by country, so never."""
    first, second = int(m["first"]), int(m["second"])
    if m["mark"] == "." or first > 12 or first == second:
        return _day(date(int(m["year"]), second, first))
    return _day(date(int(m["year"]), first, second)) if second > 12 else None


def _holiday(m: re.Match[str], today: date) -> _Days | None:
    if _HABIT.search(_before(m)):
        return None
    return _anniversary(m, *_HOLIDAYS[re.sub("[’']", "", _norm(m["name"]))], today)


# --- Rules: a pattern, in which a space matches a short run of any whitespace, and its resolver ---

_N = r"(?<![-–])(?P<n>\d{1,4}|(?:a )?couple(?: of)?|(?:a )?few|" + "|".join(_NUMBERS) + ")"
_UNIT = r"(?P<unit>day|week|fortnight|month|year)s?"
_FREE = r"(?<!\bthe\s)(?<!\bmy\s)(?<!\bour\s)(?<!\btheir\s)(?<!\byour\s)"  # "the next week" is not relative to now
_REL = r"(?P<rel>last|this past|this coming|this|next)"
_MONTH = "(?P<month>" + "|".join([*MONTHS, "sept", *(name[:3] for name in MONTHS)]) + ")"
_SEASON = f"(?P<month>{'|'.join(SEASONS)})"
_DAY_NAME = r"(?:mon(?:day)?|tue(?:s|sday)?|wed(?:nesday)?|thu(?:rs?|rsday)?|fri(?:day)?|sat(?:urday)?|sun(?:day)?)"
_WEEKDAY = rf"(?P<weekday>{_DAY_NAME})(?! (?:mornings|afternoons|evenings|nights)\b)"
_HOLIDAY = r"(?P<name>christmas(?: eve| day)?|xmas|boxing day|halloween|new year[’']?s (?:eve|day)|valentine[’']?s day)"
_DOT = r"(?:(?<=\b[a-z]{3})(?<!may)\.|(?<=\bsept)\.)?"
_DAY = r"(?P<day>3[01]|[12]\d|0?[1-9])"
_NTH = r"(?P<day>3[01]|[12]\d|0?[1-9])(?:st|nd|rd|th)"
_OF_MONTH = "(?: of (?P<of_month>this|next|last) month)?"
_NOT_NOUN = (  # "on the 3rd floor"; "the 3rd of May" has a rule of its own
    r"(?! of (?!this|next|last))(?:(?! [a-z])|(?= (?:and|but|or|i|we|he|she|they|it|in|at|for|to|with|when|so|because|if|as"
    r"|of|from|my|our|his|her|their|the)\b))"
)
_YEAR = r"(?P<year>(?:19|20)\d\d)(?!\d)"
_PART = r"(?:(?:early|late|mid) |mid-)?"
_NOT_VERB = (  # "the state I'm in may surprise you", "in Jan's car"
    r"(?![’']s)(?:(?<!(?-i:may))|(?! [a-z])|(?= (?:and|but|or|i|we|he|she|they|it|with|at|for|to|when|so|after)\b))"
)
_NOT_COUNT = r"(?![%:]|[.,/-]\d| (?:words|days|hours|minutes|years|steps|people|pieces|places|dollars|euros|k?m)\b)"
_NOT_THING = r"(?! (?:tree|card|present|gift|carol|song|movie|music|cookie|costume|light|decor|market|shopping|magic))"


def _rule(pattern: str, resolve: _Resolver) -> tuple[re.Pattern[str], _Resolver]:
    body = pattern.replace(" ", r"(?u:\s){1,8}")
    # ASCII, so that case folding does not match a long s or dotless i with a letter of the tables.
    return re.compile(rf"(?<!\w)(?<!\d[.,])(?a:{body})(?!\w)", re.I), resolve


RULES = (
    _rule("|".join(_DAY_WORDS), lambda m, today: _shift(today, "day", _DAY_WORDS[_norm(m[0])])),
    _rule(
        rf"(?<!half\s){_N} (?P<unit>day|weekend|week|fortnight|month|year)s? ago",
        lambda m, today: _shift(today, m["unit"], -_number(m["n"])),
    ),
    _rule(
        rf"{_N} {_UNIT} from (?:now|today)",
        lambda m, today: _shift(today, m["unit"], _number(m["n"])),
    ),
    _rule(rf"(?<!time\s)in (?:about |around |roughly |another )?{_N} {_UNIT}(?! (?:of|ago)\b)", _in_units),
    _rule(
        rf"{_N} (?P<weekday>{_DAY_NAME})s ago",
        lambda m, today: _shift(today, "day", _ahead(m, today) - 7 * _number(m["n"])),
    ),
    _rule(rf"{_FREE}(?P<rel>last|this|next) (?P<unit>week|month|year)(?! of\b)", _relative_unit),
    _rule(rf"(?P<rel>this past|past|{_FREE}(?:last|this coming|this|next)) (?P<unit>weekend)", _relative_unit),
    _rule(
        r"(?:the )?(?P<unit>weekend|week|month|year) (?P<side>before last|after next)",
        lambda m, today: _shift(today, m["unit"], _STEPS[_norm(m["side"])]),
    ),
    _rule(
        r"(?:the )?end of (?:the|this) (?P<unit>month|year)",
        lambda m, today: _day(_shift(today, m["unit"], 0)[1]),
    ),
    _rule(rf"{_FREE}{_REL} {_WEEKDAY}", _weekday),
    _rule(rf"(?P<rel>on|since|by|until|till) (?P<span>{_WEEKDAY})", _weekday),
    _rule(rf"{_FREE}{_REL} {_SEASON}(?! (?:rolls?|onions?|asleep|apart|off|down)\b)", _relative_period),
    _rule(rf"{_FREE}{_REL} {_MONTH}", _relative_period),
    _rule(
        rf"(?P<how>in|since|during|until|till|(?:end|start|beginning|middle) of) {_PART}"
        rf"(?P<span>{_MONTH}(?:,?(?: of)? (?P<of_year>last|this|next) year)?){_NOT_VERB}",
        _bare_month,
    ),
    _rule(rf"{_SEASON}(?: of)? {_YEAR}", lambda m, today: _period(m, int(m["year"]))),
    _rule(rf"{_MONTH}{_DOT}(?: of|,)? {_YEAR}", lambda m, today: _period(m, int(m["year"]))),
    _rule(
        rf"(?:in|since|until|till|by|during) {_PART}(?P<span>{_YEAR}){_NOT_COUNT}",
        lambda m, today: _months(int(m["year"]), 1, 12, Granularity.YEAR),
    ),
    _rule(r"\d{4}-\d\d-\d\d", lambda m, today: _day(date.fromisoformat(m[0]))),
    _rule(
        rf"{_YEAR}/(?P<first>\d\d?)/(?P<second>\d\d?)(?![/.-]\d)",
        lambda m, today: _day(date(int(m["year"]), int(m["first"]), int(m["second"]))),
    ),
    _rule(rf"(?<![/-])(?P<first>\d\d?)(?P<mark>[/.-])(?P<second>\d\d?)(?P=mark){_YEAR}(?![/.-]\d)", _numeric),
    _rule(
        rf"(?P<how>on|by|before|after|until|till|since|from) (?P<span>the {_NTH}{_OF_MONTH}){_NOT_NOUN}",
        lambda m, today: _ordinal(m, today, m["how"].lower(), None),
    ),
    _rule(
        rf"(?P<weekday>{_DAY_NAME}),? (?:the )?{_NTH}{_OF_MONTH}{_NOT_NOUN}",
        lambda m, today: _ordinal(m, today, "", m["weekday"]),
    ),
    _rule(
        rf"(?:{_DAY_NAME},? )?(?:{_REL} )?{_MONTH}{_DOT} (?:the )?{_DAY}(?P<ordinal>st|nd|rd|th)?"
        rf"(?![%:]|[.]\d|,\d{{3}}(?!\d))(?:(?:,| |, ){_YEAR})?",
        _day_of_month,
    ),
    _rule(
        rf"(?:{_DAY_NAME},? )?(?:{_REL} )?(?:the )?{_DAY}(?P<ordinal>(?:st|nd|rd|th)(?: of)?| of)? {_MONTH}"
        rf"(?:(?:,| |, ){_YEAR})?",
        _day_of_month,
    ),
    _rule(rf"(?<!merry\s)(?<!happy\s)(?:{_REL} )?{_HOLIDAY}(?:,?(?: of| in)? {_YEAR})?{_NOT_THING}", _holiday),
)
