"""A retrieval chain over a user's memories. Run: python examples/rag_chain.py

`as_retriever` returns LangChain documents with ids, dates and evidence. The reader here is the local base model; a larger one
answers better.
"""

import tempfile
from datetime import UTC, datetime

from langchain_core.documents import Document
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnablePassthrough

from langchain_memlora import MemLoRAMemory

HISTORY = [
    ("2024-03-04", "I adopted a dog called Bruno yesterday."),
    ("2024-04-11", "I started a pottery class, every Thursday evening."),
    ("2024-06-02", "My sister Lena studies law in Graz."),
]
PROMPT = ChatPromptTemplate.from_messages(
    [("system", "Answer in one short sentence, from these notes about the user:\n{notes}"), ("user", "{question}")]
)


def write_down(documents: list[Document]) -> str:
    """Format notes with the day of their message, and the dates that they mention."""
    return "\n".join(f"- {d.metadata['observed_at'][:10]}: {d.page_content} {d.metadata['dates']}" for d in documents)


with tempfile.TemporaryDirectory() as folder, MemLoRAMemory(path=folder) as memory:
    for day, text in HISTORY:
        memory.add(text, user_id="ana", observed_at=datetime.fromisoformat(day).replace(hour=12, tzinfo=UTC))

    retriever = memory.as_retriever(user_id="ana", k=2)
    reader = memory.as_chat_model(max_tokens=40)
    notes = {"notes": retriever | write_down, "question": RunnablePassthrough()}
    chain = notes | PROMPT | reader | StrOutputParser()

    for question in ("What is the name of my dog?", "Who studies law?"):
        print(f"\n> {question}")
        for document in retriever.invoke(question):
            print(f"  {document.metadata['score']:.2f} {document.metadata['kind']}: {document.page_content}")
        print(chain.invoke(question))
