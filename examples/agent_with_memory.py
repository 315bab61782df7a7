"""An agent that remembers from one conversation to the next. Run: python examples/agent_with_memory.py

`as_middleware` recalls before the agent answers and writes afterwards; with `tools=True` the agent may also search, save,
update and forget by itself. The agent's model is a script here; replace it by any chat model with tools.
"""

import tempfile

from langchain.agents import create_agent
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langgraph.checkpoint.memory import InMemorySaver

from langchain_memlora import MemLoRAMemory


class Agent(GenericFakeChatModel):
    """Return scripted replies, and print the recalled block."""

    def bind_tools(self, tools, **kwargs):
        return self

    def _generate(self, messages, *args, **kwargs):
        if "<memories>" in messages[0].text and messages[-1].type == "human":
            print(
                "  [recalled]" + messages[0].text.split("<memories>")[1].split("</memories>")[0].replace("\n", "\n  ")
            )
        return super()._generate(messages, *args, **kwargs)


note = {"name": "save_memory", "args": {"fact": "User wants short answers."}, "id": "1", "type": "tool_call"}
lines = iter(
    [
        AIMessage("Noted! How is Berlin so far?"),
        AIMessage("", tool_calls=[note]),
        AIMessage("I'll keep it short."),
        AIMessage("Lentil curry. No nuts."),
    ]
)

with tempfile.TemporaryDirectory() as folder, MemLoRAMemory(path=folder) as memory:
    memory.warm()  # otherwise the first recall loads the embedder
    agent = create_agent(
        Agent(messages=lines),
        middleware=[memory.as_middleware(user_id="ana", tools=True)],
        checkpointer=InMemorySaver(),
    )
    for thread, text in (
        ("monday", "Hi! I moved to Berlin last week, and I am allergic to nuts."),
        ("monday", "Your answers are too long for me."),
        ("friday", "What should I cook tonight? Mind my allergy."),
    ):
        print(f"{thread}> {text}")
        out = agent.invoke({"messages": [("user", text)]}, {"configurable": {"thread_id": thread}})
        print(out["messages"][-1].text)

    print("\nOperations and their authors:")
    for operation in memory.history(user_id="ana"):
        print(f"  {operation.event:6} {operation.by:6} {operation.after}")
