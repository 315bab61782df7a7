"""An engine that says what it was told to say. It needs no model and no torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from langchain_memlora.engines.base import Completion, Engine, Request
from langchain_memlora.errors import EngineError

Answer = str | Mapping[str, float]
Script = Sequence[Answer] | Callable[[str], Answer]
CERTAIN = 0.97


class ScriptedEngine(Engine):
    """Answers each role's requests from a script, in order, or by a function of the prompt.

    A request with choices must be answered with one of them, which then gets a probability of 0.97 while the others
    share the rest, or with a mapping from choices to probabilities, which are scaled to sum to 1. Tokens are counted as
    words.

    Requests are matched by their role. Experts ask with role `None` where a bundle has no adapter for a role; nothing is
    scripted for those, so use a bundle that has it.

    Args:
        extraction: What the extraction expert says.
        memory_update: What the memory_update expert says.
        generation: What the generation expert says.

    Attributes:
        calls: Every request that was answered, in order; a failed one leaves no trace.

    Example:
        ```python
        from langchain_memlora.engines import Request
        from langchain_memlora.testing import ScriptedEngine

        with ScriptedEngine(extraction=["1 lives in Berlin"], memory_update=lambda prompt: "ADD") as engine:
            facts, choice = engine.run(
                [Request("extraction", "I live in Berlin"), Request("memory_update", "?", choices=("ADD", "NONE"))]
            )
        assert facts.text == "1 lives in Berlin"
        assert choice.probabilities[0] == 0.97
        ```
    """

    def __init__(
        self,
        *,
        extraction: Script = (),
        memory_update: Script = (),
        generation: Script = (),
    ) -> None:
        self.calls: list[Request] = []
        self._scripts: dict[str, Script] = {
            "extraction": extraction,
            "memory_update": memory_update,
            "generation": generation,
        }
        self._used: Counter[str] = Counter()

    def compute(self, requests: Sequence[Request]) -> list[Completion]:
        """Answer from the scripts, all or nothing: a failed call uses nothing up.

        Raises:
            EngineError: A role's script ran out or is missing, or an answer is not among the choices.
        """
        used = self._used.copy()
        completions = [_completion(request, self._answer(request, used)) for request in requests]
        self._used = used
        self.calls += requests
        return completions

    def _answer(self, request: Request, used: Counter[str]) -> Answer:
        script = self._scripts.get(request.role or "")
        if script is None:
            msg = (
                f"A request has role {request.role!r}, but only {', '.join(self._scripts)} can be scripted. "
                "Use a bundle that has an adapter for the role."
            )
            raise EngineError(msg)
        if callable(script):
            return script(request.prompt)
        texts = [script] if isinstance(script, str) else script
        done = used[str(request.role)]
        if done >= len(texts):
            msg = (
                f"All {len(texts)} scripted answers of {request.role} are used up and it was asked again: "
                f"{request.prompt[-80:]!r}. Script more, or pass a function of the prompt."
            )
            raise EngineError(msg)
        used[str(request.role)] += 1
        return texts[done]


def _completion(request: Request, answer: Answer) -> Completion:
    role = None if request.role is None else str(request.role)
    words = len(request.prompt.split())
    if not request.choices and isinstance(answer, str):
        return Completion(answer, (), words, len(answer.split()), adapter=role)
    chances = _chances(request, answer)
    best = max(range(len(chances)), key=chances.__getitem__)
    return Completion(request.choices[best], chances, words, 1, adapter=role)


def _chances(request: Request, answer: Answer) -> tuple[float, ...]:
    """The probability of each choice."""
    given = [answer] if isinstance(answer, str) else list(answer)
    total = 1.0 if isinstance(answer, str) else sum(answer.values())
    if total <= 0 or not set(given) <= set(request.choices):
        offered = ", ".join(map(repr, request.choices)) or "no choices, so it wants a text"
        msg = f"{request.role} was scripted to answer {answer!r}, but it is offered {offered}. Correct the script."
        raise EngineError(msg)
    if not isinstance(answer, str):
        return tuple(answer.get(choice, 0.0) / total for choice in request.choices)
    others = len(request.choices) - 1
    share = (1 - CERTAIN) / others if others else 0.0
    return tuple((CERTAIN if others else 1.0) if choice == answer else share for choice in request.choices)
