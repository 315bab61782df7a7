"""Memory as nodes of your own LangGraph graph. Run: python examples/memory_in_a_graph.py

`remember` writes the messages, `reply` answers from memory; use any chat model in place of `reply`.
"""

import tempfile

from langgraph.graph import END, START, MessagesState, StateGraph

from langchain_memlora import MemLoRAMemory


def build(memory: MemLoRAMemory, user_id: str) -> StateGraph:
    """Build a chatbot that answers first and remembers afterwards."""
    mine = memory.for_user(user_id)

    def reply(state: MessagesState) -> dict:
        answer = mine.answer(state["messages"][-1].text)
        return {"messages": [("ai", answer.text if answer.known else "I don't know that yet.")]}

    def remember(state: MessagesState) -> dict:
        mine.add(state["messages"][-2:])
        return {}

    graph = StateGraph(MessagesState).add_node("reply", reply).add_node("remember", remember)
    return graph.add_edge(START, "reply").add_edge("reply", "remember").add_edge("remember", END)


with tempfile.TemporaryDirectory() as folder, MemLoRAMemory(path=folder) as memory:
    chatbot = build(memory, "ana").compile()
    for line in ("My sister Lena studies law in Graz.", "Where does my sister study?"):
        out = chatbot.invoke({"messages": [("user", line)]})
        print(f"> {line}\n{out['messages'][-1].text}")
