"""An engine that returns scripted answers. It needs no model and no torch."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from langchain_memlora.engines.base import Completion, Engine, Request
from langchain_memlora.engines.chat import ChatRequest, ChunkCallback, StopFilter
from langchain_memlora.errors import EngineError, PromptTooLongError

Answer = str | Mapping[str, float]
Script = Sequence[Answer] | Callable[[str], Answer]
CERTAIN = 0.97


class ScriptedEngine(Engine):
    """Answers each role's requests from a script, in order, or by a function of the prompt.

    The answer to a request with choices is one of them, which then gets a probability of 0.97 while the others share the
    rest, or a mapping from choices to probabilities, which are scaled to sum to 1. Tokens are counted as words.

    Requests are matched by role. Experts use role `None` if a bundle has no adapter for a role; nothing can be scripted
    for it, so use a bundle that has one.

    In a chat every word is a token, and a function gets the messages as lines like `user: Hello`.

    Args:
        extraction: Answers of the extraction expert.
        memory_update: Answers of the memory_update expert.
        generation: Answers of the generation expert.
        vision: Answers of the vision expert.
        chat: Replies of the base model in a chat.
        count: Counts the tokens of a text, in place of the estimate that engines make without a tokenizer.
        limit: Number of tokens that a prompt and its completion may have together.

    Attributes:
        calls: Every answered request, in order; failed ones are not recorded.
        chats: The same for chats.

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
        vision: Script = (),
        chat: Script = (),
        count: Callable[[str], int] | None = None,
        limit: int | None = None,
    ) -> None:
        self._count, self._limit = count, limit
        self.calls: list[Request] = []
        self.chats: list[ChatRequest] = []
        self._scripts: dict[str, Script] = {
            "extraction": extraction,
            "memory_update": memory_update,
            "generation": generation,
            "vision": vision,
        }
        self._chat = chat
        self._used: Counter[str] = Counter()

    @property
    def limit(self) -> int | None:
        return self._limit

    def count(self, text: str) -> int:
        return self._count(text) if self._count else super().count(text)

    def compute(self, requests: Sequence[Request]) -> list[Completion]:
        """Answer from the scripts; a failed call uses no answer up.

        Raises:
            EngineError: A role's script ran out or is missing, or an answer is not among the choices.
            PromptTooLongError: A prompt and what may be written exceed the limit.
        """
        for request in requests if self._limit else ():
            if self.count(request.prompt) + (1 if request.choices else request.max_tokens) > (self._limit or 0):
                msg = f"A prompt has {self.count(request.prompt)} tokens; the limit is {self._limit}. Shorten it."
                raise PromptTooLongError(msg)
        used = self._used.copy()
        completions = [
            _completion(request, self._answer(str(request.role), request.prompt, self._script(request.role), used))
            for request in requests
        ]
        self._used = used
        self.calls += requests
        return completions

    def write(self, request: ChatRequest, on_chunk: ChunkCallback) -> Completion:
        """Stream a scripted text word by word.

        Raises:
            EngineError: The script ran out or is missing, or its answer is not a text.
        """
        prompt = "\n".join(f"{speaker}: {text}" for speaker, text in request.messages)
        role = None if request.role is None else str(request.role)
        count = len(prompt.split())
        if request.max_tokens == 0:
            return Completion("", (), count, adapter=role, finished=False)
        script = self._chat if role is None else self._script(role)
        answer = self._answer(role or "chat", prompt, script, self._used)
        if not isinstance(answer, str):
            msg = f"A chat was scripted to answer {answer!r}. Script a text."
            raise EngineError(msg)
        self.chats.append(request)
        words = re.findall(r"\s*\S+|\s+$", answer)
        stop_filter, whole, spent, wanted = StopFilter(request.stop), "", 0, True
        while wanted and not stop_filter.reached and spent < min(len(words), request.max_tokens):
            whole += words[spent]
            spent += 1
            wanted = on_chunk(stop_filter.read(whole))
        if wanted:
            on_chunk(stop_filter.read(whole, last=True))
        finished = stop_filter.reached or (wanted and spent == len(words))
        return Completion(stop_filter.text, (), count, spent, adapter=role, finished=finished)

    def _script(self, role: str | None) -> Script:
        script = self._scripts.get(role or "")
        if script is None:
            msg = (
                f"A request has role {role!r}, but only {', '.join(self._scripts)} can be scripted. "
                "Use a bundle that has an adapter for the role."
            )
            raise EngineError(msg)
        return script

    def _answer(self, name: str, prompt: str, script: Script, used: Counter[str]) -> Answer:
        if callable(script):
            return script(prompt)
        texts = [script] if isinstance(script, str) else script
        done = used[name]
        if done >= len(texts):
            msg = (
                f"All {len(texts)} scripted answers of {name} are used up and it was asked again: "
                f"{prompt[-80:]!r}. Script more, or pass a function of the prompt."
            )
            raise EngineError(msg)
        used[name] += 1
        return texts[done]


def _completion(request: Request, answer: Answer) -> Completion:
    role = None if request.role is None else str(request.role)
    words = len(request.prompt.split())
    if not request.choices and isinstance(answer, str):
        return Completion(answer, (), words, len(answer.split()), adapter=role)
    probabilities = _probabilities(request, answer)
    best = max(range(len(probabilities)), key=probabilities.__getitem__)
    return Completion(request.choices[best], probabilities, words, 1, adapter=role)


def _probabilities(request: Request, answer: Answer) -> tuple[float, ...]:
    """Return the probability of each choice."""
    given = [answer] if isinstance(answer, str) else list(answer)
    total = 1.0 if isinstance(answer, str) else sum(answer.values())
    if total <= 0 or not set(given) <= set(request.choices):
        offered = ", ".join(map(repr, request.choices)) or "no choices, so it needs a text"
        msg = f"{request.role} was scripted to answer {answer!r}, but its choices are {offered}. Correct the script."
        raise EngineError(msg)
    if not isinstance(answer, str):
        return tuple(answer.get(choice, 0.0) / total for choice in request.choices)
    others = len(request.choices) - 1
    share = (1 - CERTAIN) / others if others else 0.0
    return tuple((CERTAIN if others else 1.0) if choice == answer else share for choice in request.choices)
