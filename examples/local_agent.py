"""An agent whose words and whose memory both come from this machine. Run: python examples/local_agent.py

The chat model is the 135M base of the experts: it shows that everything works offline, but for better talk give
`create_agent` a larger model and keep the memory as it is.
"""

import tempfile

from langchain.agents import create_agent
from langgraph.checkpoint.memory import InMemorySaver

from langchain_memlora import MemLoRAMemory


def say(agent, line: str, thread: str) -> None:
    """One exchange, printed token by token."""
    print(f"> {line}")
    config = {"configurable": {"thread_id": thread}}
    for chunk, _ in agent.stream({"messages": [("user", line)]}, config, stream_mode="messages"):
        print(chunk.text, end="", flush=True)
    print()


with tempfile.TemporaryDirectory() as folder, MemLoRAMemory(path=folder) as memory:
    memory.warm()  # so that the first recall does not wait for the embedder
    agent = create_agent(
        memory.as_chat_model(max_tokens=60),
        # A base this small repeats long instructions instead of heeding them.
        middleware=[memory.as_middleware(user_id="ana", instructions="This is what you know about the user:")],
        checkpointer=InMemorySaver(),
    )
    say(agent, "My sister Lena studies law in Graz.", thread="monday")
    say(agent, "What does my sister study?", thread="tuesday")  # another conversation: only the memory knows
    for remembered in memory.get_all(user_id="ana"):
        print("remembered:", remembered.text)
