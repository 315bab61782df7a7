"""Answer first, remember later. Run: python examples/background_writes.py

With `write="background"` a run returns as soon as its messages are on disk; a worker thread extracts their facts while the next
run goes on. `flush` waits for it; after a crash the next start finishes the work.
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
    """Run an agent three times; its model, a script in place of a real one, answers at once."""
    model = GenericFakeChatModel(messages=iter(["I see!"] * len(LINES)))
    agent = create_agent(model, middleware=[memory.as_middleware(user_id=write, write=write)])
    start = time.perf_counter()
    for line in LINES:
        await agent.ainvoke({"messages": [("user", line)]})
    print(f"{write}: {len(LINES)} runs in {time.perf_counter() - start:.2f} s")
    result = await memory.aflush()
    print(f"  all remembered after {time.perf_counter() - start:.2f} s; flush: {result.status}")
    for item in memory.get_all(user_id=write):
        print(f"  - {item.text}")


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with MemLoRAMemory(path=folder) as memory:
            await memory.awarm()  # load the models ahead of time, so that the first run does not wait for them
            await talk(memory, "inline")
            await talk(memory, "background")


asyncio.run(main())
