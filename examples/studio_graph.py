"""The memory graph as LangGraph Studio opens it. Run: langgraph dev (it reads langgraph.json), or this file to see it drawn.

Studio sends JSON: `user_id`, and `messages` to remember, a `question` to answer, or both.
"""

import functools
import tempfile
from typing import Annotated, Any, Required

from langchain_core.messages import AnyMessage
from langchain_core.runnables import RunnableConfig
from langgraph.channels.untracked_value import UntrackedValue
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from typing_extensions import TypedDict  # has a JSON schema also in Python 3.11; Studio builds its form from it

from langchain_memlora import MemLoRAMemory, Operation, Scope, Turn, build_memory_graph
from langchain_memlora.intake.messages import to_scope, to_turns


class Input(TypedDict, total=False):
    user_id: Required[str]
    messages: Annotated[list[AnyMessage], UntrackedValue]  # untracked: the next run of a thread starts without them
    question: Annotated[str, UntrackedValue]


class Output(TypedDict, total=False):
    operations: Annotated[list[Operation], UntrackedValue]
    answer: Annotated[str, UntrackedValue]
    context: Annotated[str, UntrackedValue]


class State(Input, Output, total=False):
    scope: Annotated[Scope, UntrackedValue]
    turns: Annotated[list[Turn], UntrackedValue]


def build(memory: MemLoRAMemory) -> CompiledStateGraph:
    """Build the memory graph behind a node that reads JSON."""

    def read(state: Input, config: RunnableConfig) -> dict[str, Any]:
        scope = to_scope(state.get("user_id"))
        thread = str(config.get("configurable", {}).get("thread_id", ""))
        said = state.get("messages")
        return {"scope": scope, "turns": to_turns(said, scope, thread_id=thread)[0] if said else []}

    graph = StateGraph(State, input_schema=Input, output_schema=Output)
    graph.add_node("read", read)
    graph.add_node("memory", build_memory_graph(memory.services, checkpointer=None).compile(name="memory"))
    graph.add_edge(START, "read")
    graph.add_conditional_edges("read", lambda s: "memory" if s["turns"] or s.get("question") else END, ["memory", END])
    graph.add_edge("memory", END)
    return graph.compile(name="memlora")


@functools.cache
def open_memory() -> MemLoRAMemory:
    """Open one memory for all runs: Studio calls the factory below for each of them."""
    return MemLoRAMemory()


def make_graph() -> CompiledStateGraph:
    """Build the graph; langgraph.json names this function."""
    return build(open_memory())


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, MemLoRAMemory(path=folder) as memory:
        graph = build(memory)
        print(graph.get_graph(xray=True).draw_mermaid())
        said = [{"role": "user", "content": "My sister Lena studies law in Graz."}]
        print(graph.invoke({"user_id": "ana", "messages": said, "question": "Where does Lena study?"})["answer"])
