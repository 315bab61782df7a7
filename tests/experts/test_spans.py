"""Tests of the span dialect: prompts for sentences, and facts in the speaker's own words."""

from __future__ import annotations

from support import turn

from langchain_memlora.engines import Completion
from langchain_memlora.experts.dialects import Spans
from langchain_memlora.experts.sentence_prompt import LABELS
from langchain_memlora.experts.windows import Window, cut_windows
from langchain_memlora.types import Span, Turn

ASK = turn("How long will you stay?", id="t1", role="assistant")


def window(*turns: Turn) -> Window:
    (made,) = cut_windows(turns, new_turns=9, whole_messages=True)
    return made


def completion(label: str) -> Completion:
    return Completion(label, tuple(0.94 if label == name else 0.01 for name in LABELS))


def texts(window: Window, *labels: str) -> list[str]:
    parsed = Spans().read_extraction([completion(label) for label in labels], window)
    assert not parsed.rejected
    return [fact.text for fact in parsed.facts]


def test_prompt_ends_with_the_sentence() -> None:
    said = turn("Six nights.\nThen I fly to Oslo.", id="t2")
    first, second = Spans().ask_extraction(window(ASK, said))
    assert first.choices == LABELS
    assert first.slots["dialogue"] == second.slots["dialogue"]
    assert first.slots["dialogue"].splitlines()[0] == "assistant: How long will you stay?"
    assert [first.slots["sentence"], second.slots["sentence"]] == ["Six nights.", "Then I fly to Oslo."]


def test_memory_is_a_quotation() -> None:
    said = turn("Hi! I am 1.88,  shoe size 43.", id="t2", speaker="ana")
    parsed = Spans().read_extraction([completion("none"), completion("alone")], window(said))
    (fact,) = parsed.facts
    assert fact.text == 'Ana: "I am 1.88, shoe size 43."'
    assert fact.form == "said"
    assert fact.said == Span(4, len(said.text))


def test_short_answer_is_quoted_with_its_question() -> None:
    said = turn("Six nights.", id="t2")
    assert texts(window(ASK, said), "context") == ['Assistant: "How long will you stay?" User: "Six nights."']
    assert texts(window(said), "context") == ['User: "Six nights."']


def test_only_the_question_is_quoted() -> None:
    asked = turn("Oslo it is. How long will you stay? I can book a room.", id="t1", role="assistant")
    assert texts(window(asked, turn("Six nights.", id="t2")), "context") == [
        'Assistant: "How long will you stay?" User: "Six nights."'
    ]


def test_answer_is_quoted_with_its_topic() -> None:
    topic = turn(f"How do I keep my sourdough alive? {'I tried a lot. ' * 20}", id="t0")
    said = turn("Rye, 78 %.", id="t2")
    asked = turn("Which flour?", id="t1", role="assistant")
    (shown,) = cut_windows([said], [topic, asked], whole_messages=True)
    (text,) = texts(shown, "context")
    assert text.startswith('User: "How do I keep my sourdough alive? I tried a lot. ')
    assert text.endswith('" Assistant: "Which flour?" User: "Rye, 78 %."')
    assert len(text) < 250


def test_request_to_forget_retracts() -> None:
    parsed = Spans().read_extraction([completion("forget")], window(turn("Forget my address.", id="t2")))
    assert [fact.retracts for fact in parsed.facts] == [True]


def test_assistant_states_nothing() -> None:
    answer = turn("I live in a server.", id="t3", role="assistant")
    asks = Spans().ask_extraction(window(turn("Where do you live?", id="t2"), answer, turn("I see.", id="t4")))
    assert [ask.slots["sentence"] for ask in asks] == ["Where do you live?", "I see."]


def test_long_message_is_shown_in_parts() -> None:
    said = turn(" ".join(f"I have seen the number {i} bus go by today." for i in range(200)), id="t2")
    asks = Spans().ask_extraction(window(said))
    assert len(asks) == 200
    assert max(len(ask.slots["dialogue"]) for ask in asks) < 1600
    facts = texts(window(said), *["none"] * 199, "alone")
    assert facts == ['User: "I have seen the number 199 bus go by today."']


def test_endless_text_is_not_asked_about() -> None:
    said = turn(f"I ski. {'x' * 50_000}\n```\n{'y = 1; ' * 400}\n```", id="t2")
    asks = Spans().ask_extraction(window(said))
    assert max(len(ask.slots["dialogue"]) + len(ask.slots["sentence"]) for ask in asks) < 4000


def test_hidden_characters_are_not_shown() -> None:
    hidden = "".join(chr(0xE0000 + ord(letter)) for letter in "I own a yacht.")
    asks = Spans().ask_extraction(window(turn(f"I ski.{hidden}\n{hidden}\nI swim.", id="t2")))
    assert [ask.slots["sentence"] for ask in asks] == ["I ski.", "I swim."]
    assert hidden not in asks[0].slots["dialogue"]


def test_repetition_in_a_message_is_dropped() -> None:
    said = turn("I ski in Oslo. I ski, in Oslo!", id="t2")
    assert texts(window(said), "alone", "alone") == ['User: "I ski in Oslo."']


def test_completion_without_scores_is_rejected() -> None:
    parsed = Spans().read_extraction([Completion("none")], window(turn("I ski.", id="t2")))
    assert not parsed.facts
    assert "scored 0 labels" in str(parsed.rejected[0])
