"""Many users, and memories private to one agent. Run: python examples/two_users.py

The user comes from the run's context, never from the model. A run without a user is an error, not a shared memory.
"""

import tempfile
from dataclasses import dataclass

from langchain.agents import create_agent
from langchain_core.language_models import GenericFakeChatModel

from langchain_memlora import MemLoRAMemory
from langchain_memlora.errors import MissingUserError


@dataclass
class Context:
    user_id: str | None = None


class Agent(GenericFakeChatModel):
    """Repeat the recalled memories, in place of a chat model."""

    def _generate(self, messages, *args, **kwargs):
        system = messages[0].text if messages[0].type == "system" else ""
        facts = [line for line in system.splitlines() if line.startswith("- ")]
        self.messages = iter([" | ".join(facts) or "(I know nothing yet)"])
        return super()._generate(messages, *args, **kwargs)


def make_agent(memory: MemLoRAMemory, agent_id: str | None = None):
    """Create an agent with memories of its own, or with the user's general ones."""
    remember = memory.as_middleware(user_id=lambda run: run.context.user_id, agent_id=agent_id, include="memories")
    return create_agent(Agent(messages=iter([])), middleware=[remember], context_schema=Context)


with tempfile.TemporaryDirectory() as folder, MemLoRAMemory(path=folder) as memory:
    memory.warm()  # otherwise the first recall loads the embedder
    general, coach, chef = make_agent(memory), make_agent(memory, "coach"), make_agent(memory, "chef")
    for name, agent, user, text in (
        ("general", general, "ana", "I live in Lisbon."),
        ("general", general, "ben", "I live in Oslo."),
        ("coach", coach, "ana", "I want to run a marathon in October."),
        ("general", general, "ben", "Where do I live?"),
        ("coach", coach, "ana", "Where do I live and what do I train for?"),
        ("chef", chef, "ana", "Where do I live and what do I train for?"),
    ):
        out = agent.invoke({"messages": [("user", text)]}, context=Context(user))
        print(f"{user} to {name}: {text}\n    {out['messages'][-1].text}")

    try:
        general.invoke({"messages": [("user", "Who am I?")]}, context=Context())
    except MissingUserError as error:
        print(f"no user: {error}")
