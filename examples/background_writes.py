"""Answer first, remember later. Run: python examples/background_writes.py

With `write="background"` a run returns as soon as its messages are on disk; a worker thread reads the facts out of them while
the next one runs. `flush` waits for it; what a crash leaves undone is done at the next start.
"""

import asyncio
import tempfile
import time

from langchain.agents import create_agent
from langchain_core.language_models import GenericFakeChatModel

from langchain_memlora import MemLoRAMemory

LINES = (
    "I work as a nurse in a children's hospital.",
    "My brother Tom moved to Canada last month.",
    "I am learning to play the accordion.",
)


async def talk(memory: MemLoRAMemory, write: str) -> None:
    """Three runs of an agent; its model (a script, as in a real one's place) answers at once."""
    model = GenericFakeChatModel(messages=iter(["I see!"] * len(LINES)))
    agent = create_agent(model, middleware=[memory.as_middleware(user_id=write, write=write)])
    start = time.perf_counter()
    for line in LINES:
        await agent.ainvoke({"messages": [("user", line)]})
    print(f"{write}: {len(LINES)} runs in {time.perf_counter() - start:.2f} s")
    result = await memory.aflush()
    print(f"  after {time.perf_counter() - start:.2f} s all is remembered; flush: {result.status}")
    for item in memory.get_all(user_id=write):
        print(f"  - {item.text}")


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with MemLoRAMemory(path=folder) as memory:
            await memory.awarm()  # load the models ahead, so that the first run does not wait for them
            await talk(memory, "inline")
            await talk(memory, "background")


asyncio.run(main())
