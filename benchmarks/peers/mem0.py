"""mem0 1.0.11 as a contestant: same base model, same embedder, Chroma too. It is importable in its own process only."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from benchmarks.peers.contestants import NEIGHBOURS, READ, USER, Contestant
from benchmarks.peers.material import Pair
from benchmarks.peers.metered import Metered
from langchain_memlora.bundles import Role
from langchain_memlora.engines.base import Request
from langchain_memlora.models import default_embeddings

VERSION = "1.0.11"
RUNS = Path(__file__).parents[2] / "runs"
CUT = 256


class BaseModelChat(BaseChatModel):
    """The base model behind LangChain's interface, for mem0's `langchain` provider."""

    engine: Any

    @property
    def _llm_type(self) -> str:
        return "memlora-base"

    def _generate(self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **_: Any) -> ChatResult:
        # mem0 extracts with a system prompt and decides without.
        self.engine.stage = str(Role.EXTRACTION if messages[0].type == "system" else Role.MEMORY_UPDATE)
        prompt = "\n\n".join(str(message.content) for message in messages)
        text = self.engine.run([Request(None, prompt, CUT)])[0].text
        return ChatResult(generations=[ChatGeneration(message=AIMessage(text))])


class Mem0(Contestant):
    """mem0 as it is; output is cut at 256 tokens."""

    forced = False

    def __init__(self, engine: Metered, home: Path) -> None:
        super().__init__(engine, home)
        os.environ |= {"MEM0_TELEMETRY": "False", "MEM0_DIR": str(home)}
        sys.path.insert(0, str(installed()))
        from mem0 import Memory

        self.embeddings = default_embeddings()
        self.memory = Memory.from_config(
            {
                "llm": {"provider": "langchain", "config": {"model": BaseModelChat(engine=engine)}},
                "embedder": {"provider": "langchain", "config": {"model": self.embeddings}},
                "vector_store": {"provider": "chroma", "config": {"collection_name": "facts", "path": str(home)}},
                "history_db_path": str(home / "history.db"),
            }
        )

    def add(self, pair: Pair) -> None:
        if self.forced:
            rows = [{"id": str(i), "text": fact, "event": "ADD"} for i, fact in enumerate(pair.facts)]
            self.engine.texts[str(Role.EXTRACTION)] = json.dumps({"facts": pair.facts})
            self.engine.texts[str(Role.MEMORY_UPDATE)] = json.dumps({"memory": rows})
        messages = [{"role": "user", "content": f"{turn.speaker}: {turn.text}"} for turn in pair.turns]
        self.memory.add(messages, user_id=USER)

    def ask(self, question: str) -> str:
        found = self.memory.search(question, user_id=USER, limit=NEIGHBOURS)["results"]
        self.engine.stage = str(Role.GENERATION)
        notes = "\n".join(hit["memory"] for hit in found)
        return self.engine.run([Request(None, READ.format(notes=notes, question=question), 32)])[0].text

    def known(self) -> list[str]:
        return [memory["memory"] for memory in self.memory.get_all(user_id=USER, limit=10_000)["results"]]

    def warm(self) -> None:
        super().warm()
        self.embeddings.embed_query("warm")


class ForcedMem0(Mem0):
    """The same with forced output lengths and the annotated facts in mem0's JSON."""

    forced = True


def installed() -> Path:
    """Return a folder with mem0 and its other dependencies, for `sys.path`; the first call fills it.

    Raises:
        RuntimeError: mem0 would bring a torch of its own, which breaks transformers.
    """
    target = RUNS / f"mem0-{VERSION}"
    if target.exists():
        return target
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    planned = [*pip, "--dry-run", "--report", "-", f"mem0ai=={VERSION}"]
    report = json.loads(subprocess.run(planned, check=True, capture_output=True, text=True).stdout)
    pins = {item["metadata"]["name"].lower(): item["metadata"]["version"] for item in report["install"]}
    if foreign := pins.keys() & {"torch", "torchvision", "torchaudio"}:
        msg = f"mem0 {VERSION} would install {', '.join(sorted(foreign))}. Leave it out with --only."
        raise RuntimeError(msg)
    draft = RUNS / f"{target.name}.draft"
    exact = [f"{name}=={version}" for name, version in pins.items()]
    subprocess.run([*pip, "--no-deps", "--upgrade", "--target", str(draft), *exact], check=True)
    return draft.rename(target)
