"""A chatbot in the terminal, all of it on this machine. Run: python examples/chatbot.py; an empty line ends it.

It still knows you when you start it again. Its words come from the 135M base of the experts, which shows that everything works
offline; for better talk give `create_agent` a larger model and keep the memory as it is.
"""

from uuid import uuid4

from langchain.agents import create_agent
from langgraph.checkpoint.memory import InMemorySaver

from langchain_memlora import MemLoRAMemory

with MemLoRAMemory(path="chatbot-memory") as memory:
    memory.warm()  # so that the first recall does not wait for the embedder
    agent = create_agent(
        memory.as_chat_model(max_tokens=60),
        # A base this small repeats long instructions instead of heeding them.
        middleware=[memory.as_middleware(user_id="me", instructions="This is what you know about the user:")],
        checkpointer=InMemorySaver(),
    )
    thread = {"configurable": {"thread_id": str(uuid4())}}  # a new conversation: of earlier ones only the memory knows
    print(f"Hello! I remember {len(memory.get_all(user_id='me'))} things about you.")
    while line := input("> ").strip():
        for chunk, _ in agent.stream({"messages": [("user", line)]}, thread, stream_mode="messages"):
            print(chunk.text, end="", flush=True)
        print()
