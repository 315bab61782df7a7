"""Published, annotated conversations as stories: LoCoMo's facts and questions become training data."""

from __future__ import annotations

from itertools import groupby

from langchain_memlora.lab.evaluation.conversations import Conversation
from langchain_memlora.lab.training.stories import Story


def story_of(conversation: Conversation) -> Story:
    """Return a conversation with its annotations as a story.

    Facts that don't begin with the author's name are left out: the subject of a story's fact is its author.
    A question's evidence is named by turn.

    Example:
        ```python
        from datetime import UTC, datetime

        from langchain_memlora.lab.evaluation.conversations import AnnotatedFact, Conversation
        from langchain_memlora.lab.evaluation.datasets.as_story import story_of
        from langchain_memlora.types import Scope, Turn

        said = Turn("", Scope("c"), "user", "I bake.", datetime(2024, 3, 4, tzinfo=UTC), speaker="Ana", message_id="m1")
        story = story_of(Conversation("c", (said,), (), (AnnotatedFact("Ana bakes.", "m1"),)))
        print(story.sessions[0].turns[0].facts[0].fact)
        ```
    """
    stated: dict[str, list[str]] = {}
    for fact in conversation.facts:
        stated.setdefault(fact.message_id, []).append(fact.text)
    sessions, places = [], {}
    numbers = iter(range(len(conversation.facts)))
    for s, (observed_at, said) in enumerate(groupby(conversation.turns, key=lambda turn: turn.observed_at)):
        turns = []
        for t, turn in enumerate(said):
            places[turn.message_id] = f"{s}.{t}"
            name = turn.speaker or turn.role
            facts = [
                text.removeprefix(name).strip() for text in stated.get(turn.message_id, ()) if text.startswith(name)
            ]
            turns.append(
                {"by": name, "say": turn.text, "facts": [{"id": f"f{next(numbers)}", "fact": fact} for fact in facts]}
            )
        sessions.append({"date": f"{observed_at:%Y-%m-%d %H:%M}", "turns": turns})
    questions = [
        {"q": q.text, "a": q.gold or None, "from": [places[m] for m in sorted(q.evidence) if m in places]}
        for q in conversation.questions
    ]
    return Story.model_validate({"id": conversation.id, "sessions": sessions, "questions": questions})
