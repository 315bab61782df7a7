"""Keep the vectors in another store than Chroma. Run: python examples/other_vector_store.py

Any LangChain `VectorStore` works. This one is in memory, so it is empty at each start and is filled again from the ledger, the
durable record.
"""

import tempfile

from langchain_core.vectorstores import InMemoryVectorStore

from langchain_memlora import MemLoRAMemory
from langchain_memlora.models import default_embeddings

embeddings = default_embeddings()
with tempfile.TemporaryDirectory() as folder:
    with MemLoRAMemory(path=folder, index=InMemoryVectorStore(embeddings)) as memory:
        memory.add("I play the cello in an orchestra.", user_id="ana")

    with MemLoRAMemory(path=folder, index=InMemoryVectorStore(embeddings)) as memory:
        for hit in memory.search("Which instrument does Ana play?", user_id="ana"):
            print(f"{hit.score:.2f}", hit.text)
