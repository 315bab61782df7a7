"""Remember a conversation, change a fact, ask about it. Run: python examples/quickstart.py"""

import tempfile
from datetime import UTC, datetime

from langchain_memlora import MemLoRAMemory

with tempfile.TemporaryDirectory() as folder, MemLoRAMemory(path=folder) as memory:
    memory.add(
        [
            {"role": "user", "content": "Hi! I live in Porto and I work as a nurse."},
            {"role": "assistant", "content": "Nice to meet you!"},
        ],
        user_id="ana",
        observed_at=datetime(2024, 3, 4, 18, 0, tzinfo=UTC),
    )
    result = memory.add(
        "I moved from Porto to Berlin last Saturday.",
        user_id="ana",
        observed_at=datetime(2024, 6, 10, 9, 0, tzinfo=UTC),
    )
    for operation in result.operations:
        print(operation.event, "|", operation.before, "->", operation.after)
    for question in ("Where do I live now?", "When did I move to Berlin?", "What is my job?"):
        print(question, "->", memory.answer(question, user_id="ana").text)
