"""Tests of the labels and prompts of sentences."""

from collections import Counter
from dataclasses import replace

import pytest

from langchain_memlora.bundles import Bundle, Role, load_bundle
from langchain_memlora.lab.training.choices import NAMES, choice_rows, sentence_labels
from langchain_memlora.lab.training.messages import LabelledMessage, LabelledSentence, MessageBefore, load_messages


def _message(*sentences: tuple[str, str] | LabelledSentence, before: str = "") -> LabelledMessage:
    """A message of sentences with one fact each, or none."""
    labelled = tuple(
        s if isinstance(s, LabelledSentence) else LabelledSentence(s[0], (s[1],) if s[1] else ()) for s in sentences
    )
    context = (MessageBefore("assistant", before),) if before else ()
    return LabelledMessage("m-1", " ".join(sentence.text for sentence in labelled), labelled, context)


BRUNO = ("I have a dog, Bruno.", "User has a dog named Bruno")


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (_message(("Thanks!", ""), LabelledSentence("Forget my address.", (), "User's address")), "none forget"),
        (_message(BRUNO, ("My sister Ana likes tea.", "User's sister Ana likes tea")), "alone alone"),
        (_message(BRUNO, ("He is nine.", "Bruno is nine")), "alone before"),
        (_message(BRUNO, ("Ok?", ""), ("He is nine.", "Bruno is nine")), "alone none earlier"),
        (_message(("six nights", "User will stay six nights"), before="How long will you stay?"), "context"),
        # A word of the context that names nothing is no need where the sentence names somebody.
        (_message(("I saw Ana.", "User saw Ana in the garden"), before="Nice garden!"), "alone"),
        (_message(("They saw Ana.", "User saw Ana in the garden"), before="Nice garden!"), "context"),
        (_message(("I saw Ana.", "User saw Ana on 12 May"), before="On 12 May?"), "context"),
        (_message(("I saw them.", "User saw them with Rex"), ("Rex is big.", "Rex is big")), "alone alone"),
        (_message(LabelledSentence("At 9.", (), later=1), ("No, 9:40.", "User's flight is at 9:40")), "later alone"),
        (_message(LabelledSentence("'At 9.'", (), later=1), ("'No, 9:40.'", "")), "none none"),
        (_message(("I moved twice.", "User has moved twice")), "alone"),
    ],
)
def test_labels(message: LabelledMessage, expected: str) -> None:
    assert " ".join(sentence_labels(message)) == expected


def test_labels_of_shipped_messages() -> None:
    counts = Counter(label for message in load_messages() for label in sentence_labels(message))
    assert min(counts.values()) > 100
    assert 0.5 < counts["none"] / counts.total() < 0.65
    assert counts["alone"] > counts["before"] + counts["earlier"] + counts["context"]


def _bundle() -> Bundle:
    shipped = load_bundle()
    template = "{dialogue}\n\nSentence: {sentence}\nStates?"
    return replace(shipped, prompts={**shipped.prompts, Role.EXTRACTION: template})


def test_prompts_share_their_beginning() -> None:
    (row,) = choice_rows(_bundle(), [_message(BRUNO, ("He is nine.", "Bruno is nine"), before="Pets?")], named=0)
    shared = "assistant: Pets?\nuser: I have a dog, Bruno. He is nine.\n\nSentence: "
    assert row.prompts == (f"{shared}I have a dog, Bruno.\nStates?", f"{shared}He is nine.\nStates?")
    assert row.labels == ("alone", "before")


def test_some_users_have_names() -> None:
    messages = [_message(BRUNO)] * 400
    speakers = Counter(row.prompts[0].split(":")[0] for row in choice_rows(_bundle(), messages))
    assert 0.05 < 1 - speakers["user"] / 400 < 0.2
    assert set(speakers) <= {"user", *NAMES}
    assert choice_rows(_bundle(), messages) == choice_rows(_bundle(), messages)
    assert choice_rows(_bundle(), messages) != choice_rows(_bundle(), messages, seed=1)
