"""Tests that words are found in any language, without help from the embedder."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.vectorstores import InMemoryVectorStore

from langchain_memlora import MemLoRAMemory

# Sentences in 24 languages and 16 scripts, each with words of it: inflected, in other case, or without accents.
SAID = {
    "English": ("I met Zoë at the café in Zürich", ["cafe", "ZURICH", "Zoe", "CAFÉ"]),
    "German": ("Ich bin gegen Erdnüsse allergisch, sagt Frau Groß", ["erdnusse", "ERDNÜSSE", "GROSS", "groß"]),
    "French": ("Mon frère élève des chèvres, ma sœur des bœufs", ["eleve", "CHÈVRES", "soeur", "bœufs"]),
    "Spanish": ("Mañana viajo a Málaga con mi sobrino", ["manana", "malaga", "SOBRINO"]),
    "Polish": ("Mieszkam w Łodzi i pracuję w księgarni", ["lodzi", "ksiegarni", "ŁODZI"]),
    "Czech": ("Přijedu do Brna v úterý odpoledne", ["prijedu", "úterý", "UTERY"]),
    "Turkish": ("Isparta'da iki köpeğim var, adı Şeker", ["ISPARTA", "kopegim", "şeker"]),
    "Vietnamese": ("Tôi nuôi một con chó ở Đà Nẵng", ["nang", "NẴNG", "nuoi"]),
    "Russian": ("Моя дочь играет на скрипке, её зовут Алёна", ["скрипке", "СКРИПКЕ", "алена"]),
    "Ukrainian": ("Їжачок живе у мене на балконі", ["їжачок", "БАЛКОНІ"]),
    "Greek": ("Ο αδελφός μου μένει στη Θεσσαλονίκη", ["θεσσαλονικη", "ΑΔΕΛΦΟΣ", "αδελφός"]),
    "Arabic": ("أَسْكُنُ في الإسكندرية مع والدتي", ["أسكن", "الاسكندرية", "والدتي"]),
    "Persian": ("من هر روز صبح می‌دوم", ["می‌دوم", "میدوم", "صبح"]),
    "Hebrew": ("אֲנִי גר בחיפה ועובד כנגר", ["אני", "בחיפה"]),
    "Hindi": ("मुझे ज़ोर से किताबें पढ़ना पसंद है", ["किताबें", "जोर", "ज़ोर"]),
    "Bengali": ("আমি প্রতিদিন সাঁতার কাটি", ["সাঁতার", "প্রতিদিন"]),
    "Tamil": ("எனக்கு மாம்பழம் பிடிக்கும்", ["மாம்பழம்"]),
    "Chinese": ("我对花生过敏，养了一只猫", ["花生", "过敏", "猫"]),
    "Japanese": ("毎朝ラーメンを食べて、犬と公園を走ります", ["ﾗｰﾒﾝ", "公園", "犬"]),
    "Korean": ("저는 부산에서 고양이를 키워요", ["고양이", "부산"]),
    "Thai": ("ผมชอบดื่มน้ำมะพร้าวทุกเช้า", ["น้ำมะพร้าว", "มะพร้าว", "เช้า"]),
    "Lao": ("ຂ້ອຍມັກກິນເຂົ້າໜຽວກັບໝາກຫຸ່ງ", ["ເຂົ້າໜຽວ", "ໝາກຫຸ່ງ"]),
    "Khmer": ("ខ្ញុំចិញ្ចឹមឆ្កែពីរក្បាលនៅកំពត", ["ឆ្កែ", "កំពត"]),
    "Burmese": ("ကျွန်တော် မန္တလေးမှာ ကြောင်တစ်ကောင်မွေးထားတယ်", ["ကြောင်", "မန္တလေး"]),
}


@pytest.fixture
def memory(make_memory: Callable[..., MemLoRAMemory]) -> MemLoRAMemory:
    """Return a memory whose embedder knows no word."""
    return make_memory(index=InMemoryVectorStore(DeterministicFakeEmbedding(size=8)))


def test_words_are_found_in_every_language(memory: MemLoRAMemory) -> None:
    for language, (sentence, _) in SAID.items():
        memory.add(sentence, user_id="ana", thread_id=language, infer=False)
    asked = {word: sentence for sentence, words in SAID.values() for word in words}
    found = {word: memory.search(word, user_id="ana", k=1)[0].turns[0].text for word in asked}
    assert found == asked


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("我的猫叫什么名字？", "我养了一只猫，叫小花"),
        ("犬の名前は？", "うちの犬はポチです"),
        ("고양이 이름이 뭐예요?", "우리 고양이는 나비예요"),
        ("แมวของฉันชื่ออะไร", "แมวชื่อสมชาย"),
        ("Comment s'appelle mon bebe?", "Notre bébé est né hier"),
    ],
)
def test_question_finds_its_answer(memory: MemLoRAMemory, question: str, answer: str) -> None:
    for number, text in enumerate(
        (answer, "I repair clocks", "我喜欢喝茶", "毎朝走ります", "ผมทำงานที่ธนาคาร", "저는 학생입니다")
    ):
        memory.add(text, user_id="ana", thread_id=str(number), infer=False)
    assert memory.search(question, user_id="ana", k=1)[0].turns[0].text == answer


def test_forgotten_words_are_unfindable_in_every_script(memory: MemLoRAMemory) -> None:
    stored = memory.add("我养了一只猫", user_id="ana", infer=False)
    memory.add("我喜欢喝茶", user_id="ana", thread_id="2", infer=False)
    memory.delete(stored.operations[0].memory_id, user_id="ana")
    assert "我养了一只猫" not in [hit.turns[0].text for hit in memory.search("猫", user_id="ana") if hit.turns]
