"""An embedder for which nearness is word overlap."""

from __future__ import annotations

import math
import re
import threading
import zlib

from langchain_core.embeddings import Embeddings


class BagOfWords(Embeddings):
    """Counts words in 256 bins, so that texts with common words are near, and lists what it embedded."""

    size = 256

    def __init__(self) -> None:
        self.embedded: list[str] = []
        self._lock = threading.Lock()

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        with self._lock:
            self.embedded += texts
        return [self._vector(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]

    def _vector(self, text: str) -> list[float]:
        vector = [0.01] * self.size  # never all zero: Chroma's cosine needs a direction
        for word in re.findall(r"\w+", text.lower()):
            vector[zlib.crc32(word.encode("utf-8", "replace")) % self.size] += 1
        length = math.hypot(*vector)
        return [x / length for x in vector]
