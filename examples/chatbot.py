"""A chatbot in the terminal, running on this machine only. Run: python examples/chatbot.py; an empty line ends it.

It remembers you after a restart. Its replies come from the 135M base of the experts, which shows that everything works offline;
for better replies pass a larger model to `create_agent` and keep the memory as it is.
"""

from uuid import uuid4

from langchain.agents import create_agent
from langgraph.checkpoint.memory import InMemorySaver

from langchain_memlora import MemLoRAMemory

with MemLoRAMemory(path="chatbot-memory") as memory:
    memory.warm()  # so that the first recall does not wait for the embedder
    agent = create_agent(
        memory.as_chat_model(max_tokens=60),
        # A base this small repeats long instructions instead of following them.
        middleware=[memory.as_middleware(user_id="me", instructions="This is what you know about the user:")],
        checkpointer=InMemorySaver(),
    )
    thread = {"configurable": {"thread_id": str(uuid4())}}  # a new conversation: only the memory knows earlier ones
    print(f"Hello! I remember {len(memory.get_all(user_id='me'))} things about you.")
    while line := input("> ").strip():
        for chunk, _ in agent.stream({"messages": [("user", line)]}, thread, stream_mode="messages"):
            print(chunk.text, end="", flush=True)
        print()
