"""Tests of time expressions with a labelled set, single rules and random text."""

import doctest
import json
import time
from dataclasses import FrozenInstanceError
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langchain_memlora.retrieval import dates
from langchain_memlora.retrieval.dates import DateSpan, Granularity, annotate, find_dates, format_day

WEDNESDAY = datetime(2024, 5, 8, 9, 30, tzinfo=UTC)
LABELLED = [
    json.loads(line)
    for line in (Path(__file__).parent / "date_expressions.jsonl").read_text(encoding="utf-8").splitlines()
]


def resolved(text: str, observed_at: datetime = WEDNESDAY) -> list[tuple[str, str]]:
    return [(span.text, span.describe()) for span in find_dates(text, observed_at)]


def test_labelled_set_is_large_enough() -> None:
    assert sum(len(row["spans"]) for row in LABELLED) >= 150
    assert sum(not row["spans"] for row in LABELLED) >= 40


def test_precision_and_recall_on_labelled_set() -> None:
    hits = found = wanted = 0
    for row in LABELLED:
        spans = find_dates(row["text"], datetime.fromisoformat(row["observed_at"]))
        got = {(s.text, s.start.isoformat(), s.end.isoformat(), s.granularity.value) for s in spans}
        want = {(s["text"], s["start"], s["end"], s["granularity"]) for s in row["spans"]}
        hits, found, wanted = hits + len(got & want), found + len(got), wanted + len(want)
        if got != want:
            print(f"{row['observed_at'][:10]} {row['text']!r}\n  missed {want - got}\n  wrong {got - want}")
    precision, recall = hits / found, hits / wanted
    print(f"precision {precision:.3f} ({hits}/{found}), recall {recall:.3f} ({hits}/{wanted})")
    assert precision >= 0.98
    assert recall >= 0.85


def test_last_and_next_weekday() -> None:
    for offset in range(7):
        said = WEDNESDAY + timedelta(days=offset)
        last, coming = find_dates("last Saturday, next Friday", said)
        assert last.start.weekday() == 5
        assert 1 <= (said.date() - last.start).days <= 7
        assert coming.start.weekday() == 4
        assert 1 <= (coming.start - said.date()).days <= 7


def test_on_weekday_nearest_or_coming() -> None:
    for offset in range(7):
        said = WEDNESDAY + timedelta(days=offset)
        nearest = find_dates("drinks on Friday", said)[0].start
        coming = find_dates("we will eat out on Friday", said)[0].start
        this = find_dates("dinner this Friday", said)[0].start
        assert abs((nearest - said.date()).days) <= 3
        assert 0 <= (coming - said.date()).days <= 6
        assert this == coming


def test_future_words_apply_within_sentence() -> None:
    assert resolved("I will be brief. We met on Monday") == [("Monday", "6 May 2024")]
    assert resolved("I will be brief, see you on Monday") == [("Monday", "13 May 2024")]
    assert resolved("On Monday, we’ll eat out") == [("Monday", "13 May 2024")]
    assert resolved("On Monday we met and I will never forget it") == [("Monday", "6 May 2024")]
    assert resolved("I told Will on Monday") == [("Monday", "6 May 2024")]


@pytest.mark.parametrize(
    ("observed", "expected"),
    [
        ("2024-05-06", "2024-05-04"),  # Monday
        ("2024-05-10", "2024-05-04"),  # Friday
        ("2024-05-11", "2024-05-04"),  # Saturday: the previous weekend
        ("2024-05-12", "2024-05-04"),  # Sunday: the previous weekend
        ("2024-05-13", "2024-05-11"),
    ],
)
def test_last_weekend(observed: str, expected: str) -> None:
    said = datetime.fromisoformat(observed).replace(tzinfo=UTC)
    for words in ("last weekend", "past weekend", "this past weekend", "a weekend ago"):
        (span,) = find_dates(words, said)
        assert span.start == date.fromisoformat(expected)
        assert span.end - span.start == timedelta(days=1)


@pytest.mark.parametrize(
    ("text", "described"),
    [
        ("3 days ago", "5 May 2024"),
        ("two weeks ago", "week of 22 April 2024"),
        ("a few weeks ago", "week of 15 April 2024"),
        ("three months ago", "February 2024"),
        ("5 years ago", "2019"),
        ("last weekend", "weekend of 4 May 2024"),
        ("last week", "week of 29 April 2024"),
        ("last summer", "summer 2023"),
        ("next fall", "autumn 2024"),
        ("last winter", "winter 2023/24"),
        ("winter of 1999", "winter 1999/00"),
        ("next month", "June 2024"),
        ("Feb 29", "29 February 2024"),
        ("this coming weekend", "weekend of 11 May 2024"),
        ("the year after next", "2026"),
        ("the end of this month", "31 May 2024"),
    ],
)
def test_describe_span(text: str, described: str) -> None:
    assert resolved(text) == [(text, described)]


def test_bare_month_latest_or_coming() -> None:
    assert resolved("we met in May") == [("May", "May 2024")]
    assert resolved("we met in June") == [("June", "June 2023")]
    assert resolved("we plan to meet in April") == [("April", "April 2025")]
    assert resolved("we plan to meet in May") == [("May", "May 2024")]
    assert resolved("the deadline is the end of April") == [("April", "April 2025")]
    assert resolved("the deadline was the end of April") == [("April", "April 2024")]


def test_missing_year_is_nearest() -> None:
    january = datetime(2024, 1, 3, tzinfo=UTC)
    assert resolved("December 20", january) == [("December 20", "20 December 2023")]
    assert resolved("29 February", datetime(1900, 2, 1, tzinfo=UTC)) == [("29 February", "29 February 1896")]


@pytest.mark.parametrize(
    "text",
    [
        "may I", "march on", "sun", "sat down", "second", "we", "now", "fall asleep", "this fall asleep",
        "spring roll", "week", "in 20 minutes", "2 hours ago", "a year", "3 times a week", "every Monday",
        "on Mondays", "every last Friday", "30 February", "February 30, 2024", "2024-13-45", "2024-02-30",
        "half a year ago", "2.5 years ago", "1,000 years ago", "9999 years ago", "in 9999 years",
        "the next week", "on sun", "this march was loud", "١ day", "lſat weeK", "frıday",
    ],
)  # fmt: skip
def test_no_date_found(text: str) -> None:
    assert find_dates(text, WEDNESDAY) == []


def test_timezone_decides_the_day() -> None:
    late = datetime(2024, 5, 8, 23, 30, tzinfo=timezone(timedelta(hours=-8)))
    assert resolved("today", late) == [("today", "8 May 2024")]
    assert resolved("today", late.astimezone(UTC)) == [("today", "9 May 2024")]


def test_naive_datetime_raises() -> None:
    naive = datetime(2024, 5, 8)
    for function in (find_dates, annotate):
        with pytest.raises(ValueError, match=r"datetime\.datetime\(2024, 5, 8, 0, 0\).*aware datetime"):
            function("today", naive)


def test_spans_are_ordered_without_overlap() -> None:
    text = "On Friday, May 10, or the day after tomorrow; not\u00a0last\nweek"
    spans = find_dates(text, WEDNESDAY)
    assert [s.text for s in spans] == ["Friday, May 10", "the day after tomorrow", "last\nweek"]
    assert all(text[slice(*s.position)] == s.text for s in spans)


def test_annotate_lists_relative_dates() -> None:
    assert annotate("Hello there", WEDNESDAY) == ""
    assert annotate("", WEDNESDAY) == ""
    note = "last Saturday = 4 May 2024; next month = June 2024"
    assert annotate("last Saturday or next month", WEDNESDAY) == note
    assert annotate("last \n Saturday, next month, next month", WEDNESDAY) == note
    assert annotate("14 July 2023, 2023-06-09, in March 2021 and since 2016", WEDNESDAY) == ""


def test_date_span_is_frozen() -> None:
    day = date(2024, 5, 8)
    span = DateSpan("today", day, day, Granularity.DAY, (0, 5))
    assert find_dates("today", WEDNESDAY) == [span]
    assert format_day(day) == "8 May 2024"
    with pytest.raises(FrozenInstanceError):
        span.text = "now"  # type: ignore[misc]


def test_docstring_examples_run() -> None:
    assert doctest.testmod(dates).failed == 0


@pytest.mark.parametrize(
    "unit",
    ["last ", "7", "7 ", "last may ", "in May ", "will on Friday ", " ", "\u00a0\n", "a few ", "the ", "2023-",
     "May 5 ", "Christmas ", "in 3 days ", "every ", "é", "x" * 500 + " today "],
)  # fmt: skip
def test_long_input_is_fast(unit: str) -> None:
    text = (unit * (100_000 // len(unit) + 1))[:100_000]
    began = time.process_time()
    find_dates(text, WEDNESDAY)
    # Measured under 0.9 s for the worst of them; the wide limit is for slow machines.
    assert time.process_time() - began < (1.0 if unit in ("last ", "7") else 4.0)


WORDS = (
    "last this next past the on in since two 3 a few of ago days week weekends month years Friday Sat. May march 5th "
    "2021 2024-02-29 Feb 29 31 9999 summer winter Christmas New Year's Eve before after yesterday will every end"
)


@settings(max_examples=400, deadline=None, database=None)
@given(
    st.one_of(st.text(), st.lists(st.one_of(st.sampled_from(WORDS.split()), st.text(max_size=3))).map(" ".join)),
    st.datetimes(timezones=st.just(UTC)),
)
def test_never_raises_and_offsets_match(text: str, observed_at: datetime) -> None:
    end = 0
    for span in find_dates(text, observed_at):
        assert text[slice(*span.position)] == span.text != ""
        assert span.position[0] >= end
        assert span.start <= span.end
        assert span.describe()
        end = span.position[1]
    annotate(text, observed_at)


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("My sister came over on Saturday", "4 May 2024"),
        ("I spoke with the landlord on Friday", "3 May 2024"),
        ("I have an appointment on Monday", "13 May 2024"),
        ("She has her driving test on Tuesday", "14 May 2024"),
        ("I have a new job since October", "October 2023"),
    ],
)
def test_past_verbs_and_appointments_choose_weekday(text: str, day: str) -> None:
    assert [meaning for _, meaning in resolved(text)] == [day]


THURSDAY, SEPTEMBER = datetime(2024, 5, 9, 9, tzinfo=UTC), datetime(2024, 9, 10, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("past", "future", "day", "coming"),
    [
        ("My brother became a dad on Sunday", "My brother is due to be a dad on Sunday", "5 May", "12 May"),
        ("She started at Brill on Monday", "She starts at Brill on Monday", "6 May", "13 May"),
        ("He quit on Saturday", "He is getting married on Saturday", "4 May", "11 May"),
        ("On Monday I began a course", "On Monday I start a course", "6 May", "13 May"),
        ("I paid it on the 3rd", "The rent is due on the 3rd", "3 May", "3 June"),
        ("I left on the 30th", "I'm leaving on the 30th", "30 April", "30 May"),
    ],
)
def test_tense_decides_the_day(past: str, future: str, day: str, coming: str) -> None:
    assert resolved(past, THURSDAY)[-1][1] == f"{day} 2024"
    assert resolved(future, THURSDAY)[-1][1] == f"{coming} 2024"


@pytest.mark.parametrize(
    ("text", "year"),
    [
        ("The report is due on 12 December", 2024),
        ("The exam is on 12 December", 2024),
        ("We broke up on 12 December", 2023),
        ("We spent Christmas in Rome", 2023),
        ("We're spending Christmas in Rome", 2024),
    ],
)
def test_tense_decides_the_year(text: str, year: int) -> None:
    assert resolved(text, THURSDAY)[0][1].endswith(str(year))


@pytest.mark.parametrize(
    ("text", "month"),
    [
        ("We're moving to Leeds in October", "October 2024"),
        ("We moved to Leeds in October", "October 2023"),
        ("Trip to Rome in October", "October 2024"),
        ("I lived there until October", "October 2023"),
        ("I was in Rome in September", "September 2024"),
        ("we moved last march", "March 2024"),
        ("see you next may", "May 2025"),
        ("we met in march", "March 2024"),
    ],
)
def test_month_by_tense_in_any_case(text: str, month: str) -> None:
    assert [meaning for _, meaning in resolved(text, SEPTEMBER)] == [month]


@pytest.mark.parametrize(
    ("text", "described"),
    [
        ("in a fortnight", "week of 20 May 2024"),
        ("a fortnight ago", "week of 22 April 2024"),
        ("two fortnights from now", "week of 3 June 2024"),
        ("by the 15th of next month", "15 June 2024"),
        ("on the 31st of this month", "31 May 2024"),
        ("we fly on Friday 13th", "13 September 2024"),
        ("we flew on Friday the 13th", "13 October 2023"),
        ("until the 10th", "10 May 2024"),
        ("on march 5", "5 March 2024"),
        ("5 may", "5 May 2024"),
        ("12.07.2024", "12 July 2024"),
        ("25/12/2023", "25 December 2023"),
        ("12/25/2023", "25 December 2023"),
        ("31-7-2024", "31 July 2024"),
        ("5/5/2024", "5 May 2024"),
        ("2024/07/12", "12 July 2024"),
    ],
)
def test_fortnights_ordinals_and_numbers(text: str, described: str) -> None:
    assert [meaning for _, meaning in resolved(text, THURSDAY)] == [described]


@pytest.mark.parametrize(
    "text",
    [
        "3/5/2024", "03-05-2024", "31/31/2024", "1.2.3.2024", "on the 3rd floor", "the 3rd time", "on the 1st of every month",
        "usually on the 3rd", "they may 5 come", "of 20, 5 may come", "to march 20 miles", "this may be it",
        "version 2023.05.1",
    ],
)  # fmt: skip
def test_ambiguous_numbers_resolve_to_nothing(text: str) -> None:
    assert resolved(text, THURSDAY) == []


def test_tenses_keep_no_words() -> None:
    resolved("My alarm code is secret since we moved on Friday")
    assert dates.tenses.cache_info().currsize == 0
