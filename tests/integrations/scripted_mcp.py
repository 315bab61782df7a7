"""`memlora mcp` on scripted experts, as a process of its own: `python scripted_mcp.py HOME ARGUMENTS...`.

The extraction expert also prints, as careless libraries do; nothing of it may reach the protocol.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))
from langchain_core.vectorstores import InMemoryVectorStore
from support import BagOfWords, judge, plain_bundle, tell

from langchain_memlora import MemLoRAMemory
from langchain_memlora.cli.app import app
from langchain_memlora.cli.setting import Setting
from langchain_memlora.testing import ScriptedEngine


def noisy(prompt: str) -> str:
    print("a careless print")
    os.write(1, b"a careless write\n")
    return tell(prompt)


def open_scripted(*, path: Path, **_: Any) -> MemLoRAMemory:
    engine = ScriptedEngine(extraction=noisy, memory_update=judge)
    return MemLoRAMemory(
        path=path, experts=plain_bundle(), engine=engine, index=InMemoryVectorStore(BagOfWords()), reranker=None
    )


if __name__ == "__main__":
    app(["--path", *sys.argv[1:]], obj=Setting(opener=open_scripted))
