"""A chat model with scripted replies: a teacher for tests that costs nothing and needs no network."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import BaseModel, ConfigDict

from langchain_memlora.errors import EngineError, InvalidInputError


class ScriptedReply(BaseModel):
    """A reply to prompts that match a regular expression.

    Attributes:
        when: The expression; its `.` also matches line breaks.
        say: The reply; `<1>` in it is replaced by the first group of the expression.
    """

    model_config = ConfigDict(extra="forbid")

    when: str
    say: str

    def reply(self, prompt: str) -> str | None:
        """Return the reply to a prompt, or `None` if the expression does not match."""
        found = re.search(self.when, prompt, re.DOTALL)
        return re.sub(r"<(\d)>", lambda slot: found[int(slot[1])], self.say) if found else None


class ScriptedChatModel(BaseChatModel):
    """Replies to each prompt by the first line that matches it. Tokens are counted as words.

    Example:
        ```python
        from langchain_memlora.testing.chat_model import ScriptedChatModel, ScriptedReply

        model = ScriptedChatModel(lines=[ScriptedReply(when="live", say="Rome")])
        assert model.invoke("Where do I live?").text == "Rome"
        ```
    """

    lines: Sequence[ScriptedReply]

    @classmethod
    def from_file(cls, path: Path) -> ScriptedChatModel:
        """Read JSON lines of `{"when": "...", "say": "..."}`.

        Raises:
            InvalidInputError: A line has another form, or the file can't be read.
        """
        lines: list[ScriptedReply] = []
        try:
            raw = path.read_text(encoding="utf-8").split("\n")
            lines += (ScriptedReply.model_validate(json.loads(line)) for line in raw if line.strip())
        except (OSError, ValueError) as error:
            msg = f'{path}, line {len(lines) + 1} of a script: {error}. Write {{"when": "...", "say": "..."}}.'
            raise InvalidInputError(msg) from error
        return cls(lines=lines)

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **options: Any,
    ) -> ChatResult:
        prompt = "\n".join(message.text for message in messages)
        text = next((reply for line in self.lines if (reply := line.reply(prompt)) is not None), None)
        if text is None:
            msg = f"None of {len(self.lines)} scripted lines matches the prompt that ends {prompt[-200:]!r}. Script one more."
            raise EngineError(msg)
        words = len(prompt.split()), len(text.split())
        usage = {"input_tokens": words[0], "output_tokens": words[1], "total_tokens": sum(words)}
        return ChatResult(generations=[ChatGeneration(message=AIMessage(text, usage_metadata=usage))])
