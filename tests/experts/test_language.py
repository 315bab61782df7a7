"""Languages: messages in nineteen languages are told from English ones, short ones inherit the thread's language."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langchain_memlora.experts.language import is_readable, language_of

SENTENCES = {
    "de": """
        Meine Schwester zieht nächsten Monat nach Leipzig
        ich esse kein Fleisch mehr seit Januar
        Kannst du mir ein Rezept für heute Abend geben?
        Wir haben am Freitag einen Termin beim Zahnarzt
        nee, morgen passt mir leider nicht
        Mein Hund heißt Bruno und ist neun
        Wie komme ich am besten zum Bahnhof?
        hab gestern den neuen Job angefangen
        Bitte antworte immer auf Deutsch
        Die Wohnung kostet 850 Euro warm
        das wäre super, danke dir
        Ich bin allergisch gegen Erdnüsse
    """,
    "fr": """
        Ma fille commence l'école lundi prochain
        je ne mange plus de viande
        Tu peux me conseiller un bon resto à Lyon ?
        On part en vacances mardi avec les enfants
        non, demain je travaille jusqu'à huit heures
        Mon frère s'appelle Thibault et il est boulanger
        C'est quoi la meilleure heure pour arroser ?
        j'ai perdu mes clés hier soir
        Réponds-moi toujours en français s'il te plaît
        Le loyer est de 720 euros par mois
        merci beaucoup, c'est parfait
        Je suis allergique aux fruits de mer
    """,
    "es": """
        Mi hermana se muda a Valencia en octubre
        ya no como carne desde hace un año
        ¿Me puedes recomendar un libro para niños?
        El viernes tenemos cita con el dentista
        no puedo mañana, trabajo hasta tarde
        Mi perro se llama Tomate y tiene seis años
        ¿Cómo llego al aeropuerto desde aquí?
        ayer empecé en el trabajo nuevo
        Contéstame siempre en español, por favor
        El alquiler son 600 euros al mes
        muchas gracias, eso me sirve
        Soy alérgica a los cacahuetes
    """,
    "it": """
        Mia sorella si trasferisce a Torino a marzo
        non mangio più carne da gennaio
        Mi consigli un posto per cena stasera?
        Venerdì abbiamo appuntamento dal dentista
        no, domani non posso, lavoro fino a tardi
        Il mio cane si chiama Pippo e ha nove anni
        Come arrivo alla stazione da qui?
        ieri ho iniziato il nuovo lavoro
        Rispondi sempre in italiano per favore
        L'affitto costa 700 euro al mese
        grazie mille, va benissimo così
        Sono allergico alle noccioline
    """,
    "pt": """
        Minha irmã vai se mudar para Recife em maio
        não como mais carne desde janeiro
        Você pode me indicar um bom livro?
        Na sexta temos consulta com o dentista
        amanhã não posso, trabalho até tarde
        Meu cachorro se chama Bolinha e tem seis anos
        Como chego ao aeroporto daqui?
        ontem comecei no emprego novo
        Responda sempre em português, por favor
        O aluguel custa 1200 reais por mês
        muito obrigada, isso ajuda bastante
        Sou alérgico a amendoim e camarão
    """,
    "nl": """
        Mijn zus verhuist volgende maand naar Utrecht
        ik eet sinds januari geen vlees meer
        Kun je me een recept voor vanavond geven?
        Vrijdag hebben we een afspraak bij de tandarts
        nee, morgen lukt het me niet
        Onze hond heet Bram en is negen jaar
        Hoe kom ik het snelst bij het station?
        gisteren begonnen met mijn nieuwe baan
        Antwoord alsjeblieft altijd in het Nederlands
        De huur is 950 euro per maand
        dankjewel, dat helpt me echt
        Ik ben allergisch voor pinda's
    """,
    "pl": """
        Moja siostra przeprowadza się do Gdańska
        od stycznia nie jem mięsa
        Możesz polecić mi jakąś dobrą książkę?
        W piątek mamy wizytę u dentysty
        nie, jutro pracuję do późna
        Mój pies ma na imię Reksio
        Jak najszybciej dojechać na dworzec?
        wczoraj zacząłem nową pracę
        Odpowiadaj mi zawsze po polsku
        Czynsz wynosi 1800 złotych miesięcznie
        dzięki wielkie, o to chodziło
        Mam uczulenie na orzeszki ziemne
    """,
    "tr": """
        Kız kardeşim gelecek ay İzmir'e taşınıyor
        ocaktan beri et yemiyorum
        Bana güzel bir kitap önerir misin?
        Cuma günü dişçide randevumuz var
        yok, yarın geç saate kadar çalışıyorum
        Köpeğimin adı Karabaş ve dokuz yaşında
        Buradan havaalanına nasıl giderim?
        dün yeni işime başladım
        Lütfen bana hep Türkçe cevap ver
        Kira ayda on beş bin lira
        çok teşekkürler, tam istediğim buydu
        Yer fıstığına alerjim var
    """,
    "vi": """
        Chị tôi sắp chuyển nhà ra Đà Nẵng
        tôi không ăn thịt từ đầu năm
        Bạn gợi ý cho mình một cuốn sách nhé
        Thứ sáu này cả nhà đi khám răng
        mai mình bận rồi, làm đến tối
        Con chó nhà mình tên là Mực
        Từ đây ra sân bay đi thế nào?
        hôm qua em bắt đầu việc mới
        Hãy luôn trả lời bằng tiếng Việt
        Tiền thuê nhà là năm triệu một tháng
        cảm ơn nhiều, đúng cái mình cần
        Tôi bị dị ứng với đậu phộng
    """,
    "ru": """
        Моя сестра переезжает в Казань в мае
        я не ем мясо уже год
        Посоветуй хорошую книгу для подростка
        В пятницу у нас запись к стоматологу
        нет, завтра работаю допоздна
        Мою собаку зовут Бублик, ему девять лет
        Как быстрее доехать до вокзала?
        вчера вышла на новую работу
        Всегда отвечай мне по-русски, пожалуйста
        Квартира стоит тридцать тысяч в месяц
        спасибо большое, то что нужно
        У меня аллергия на арахис
    """,
    "uk": """
        Моя сестра переїжджає до Львова у травні
        я не їм м'яса вже рік
        Порадь якусь гарну книжку для підлітка
        У п'ятницю маємо прийом у стоматолога
        ні, завтра працюю допізна
        Мого пса звати Бублик, йому дев'ять
        Як найшвидше дістатися до вокзалу?
        вчора почала працювати на новому місці
        Завжди відповідай мені українською
        Оренда коштує дванадцять тисяч на місяць
        щиро дякую, саме це й треба
        У мене алергія на арахіс
    """,
    "el": """
        Η αδερφή μου μετακομίζει στη Θεσσαλονίκη
        δεν τρώω κρέας από τον Ιανουάριο
        Μπορείς να μου προτείνεις ένα καλό βιβλίο;
        Την Παρασκευή έχουμε ραντεβού στον οδοντίατρο
        όχι, αύριο δουλεύω μέχρι αργά
        Τον σκύλο μου τον λένε Αζόρ
        Πώς πάω στο αεροδρόμιο από εδώ;
        χθες ξεκίνησα στη νέα δουλειά
        Να μου απαντάς πάντα στα ελληνικά
        Το ενοίκιο είναι 450 ευρώ τον μήνα
        ευχαριστώ πολύ, αυτό ήθελα
        Είμαι αλλεργικός στα φιστίκια
    """,
    "ar": """
        أختي ستنتقل إلى الإسكندرية الشهر القادم
        لا آكل اللحم منذ بداية السنة
        هل يمكنك أن تقترح علي كتابا جيدا؟
        عندنا موعد مع طبيب الأسنان يوم الجمعة
        لا، غدا أعمل حتى وقت متأخر
        اسم كلبي ريكس وعمره تسع سنوات
        كيف أصل إلى المطار من هنا؟
        بدأت أمس في العمل الجديد
        أجبني دائما باللغة العربية من فضلك
        إيجار الشقة ثلاثة آلاف في الشهر
        شكرا جزيلا، هذا ما أريده
        عندي حساسية من الفول السوداني
    """,
    "he": """
        אחותי עוברת לגור בחיפה בחודש הבא
        אני לא אוכל בשר מאז ינואר
        אתה יכול להמליץ לי על ספר טוב?
        ביום שישי יש לנו תור לרופא שיניים
        לא, מחר אני עובדת עד מאוחר
        לכלב שלי קוראים שוקו והוא בן תשע
        איך מגיעים מכאן לשדה התעופה?
        אתמול התחלתי בעבודה החדשה
        תענה לי תמיד בעברית בבקשה
        שכר הדירה הוא חמשת אלפים שקל
        תודה רבה, זה בדיוק מה שצריך
        יש לי אלרגיה לבוטנים
    """,
    "hi": """
        मेरी बहन अगले महीने जयपुर जा रही है
        मैं जनवरी से मांस नहीं खाता
        मुझे कोई अच्छी किताब बताओ
        शुक्रवार को दाँत के डॉक्टर के पास जाना है
        नहीं, कल मैं देर तक काम करूँगी
        मेरे कुत्ते का नाम मोती है
        यहाँ से हवाई अड्डे कैसे जाऊँ?
        कल मैंने नई नौकरी शुरू की
        मुझे हमेशा हिंदी में जवाब दो
        मकान का किराया दस हज़ार रुपये है
        बहुत धन्यवाद, यही चाहिए था
        मुझे मूंगफली से एलर्जी है
    """,
    "ja": """
        妹は来月札幌に引っ越します
        一月から肉を食べていません
        おすすめの本を教えてください
        金曜日に歯医者の予約があります
        明日は遅くまで仕事なので無理です
        うちの犬の名前はポチです
        ここから空港までどう行けばいいですか
        昨日から新しい仕事を始めた
        いつも日本語で答えてね
        家賃は月に八万円です
        ありがとう、助かりました
        ピーナッツのアレルギーがあります
    """,
    "zh": """
        我妹妹下个月搬到成都
        我从一月份开始不吃肉了
        你能推荐一本好书给我吗？
        星期五我们要去看牙医
        不行，明天我要加班到很晚
        我家的狗叫豆豆，今年九岁
        从这里怎么去机场最快？
        昨天我开始新工作了
        请你一直用中文回答我
        房租一个月三千块钱
        非常感谢，这正是我要的
        我对花生过敏
    """,
    "ko": """
        여동생이 다음 달에 부산으로 이사 가요
        저는 1월부터 고기를 안 먹어요
        좋은 책 한 권 추천해 줄래?
        금요일에 치과 예약이 있어요
        아니요, 내일은 늦게까지 일해요
        우리 강아지 이름은 초코예요
        여기서 공항까지 어떻게 가요?
        어제 새 직장에 출근했어
        항상 한국어로 대답해 줘
        월세는 한 달에 육십만 원이에요
        정말 고마워요, 큰 도움이 됐어요
        저는 땅콩 알레르기가 있어요
    """,
    "th": """
        น้องสาวจะย้ายไปเชียงใหม่เดือนหน้า
        ฉันไม่กินเนื้อมาตั้งแต่ต้นปี
        ช่วยแนะนำหนังสือดีๆ ให้หน่อย
        วันศุกร์เรามีนัดกับหมอฟัน
        ไม่ได้ พรุ่งนี้ทำงานถึงดึก
        หมาที่บ้านชื่อเจ้าโต
        จากที่นี่ไปสนามบินยังไง
        เมื่อวานเริ่มงานใหม่แล้ว
        ช่วยตอบเป็นภาษาไทยทุกครั้งนะ
        ค่าเช่าบ้านเดือนละแปดพันบาท
        ขอบคุณมาก ช่วยได้เยอะเลย
        ผมแพ้ถั่วลิสง
    """,
}
ENGLISH = """
    My aunt Przemysława moved from Wrocław to Kraków in May
    We met Jürgen and Åsa at the Café Zürich
    jsut moved flats, teh landlord is calle Matteo
    um so yeah i was gonna say the the dentist is on friday
    bro my mum deadass grounded me for 2 weeks lol
    ordered the bún chả and two bánh mì, no coriander
    Say Schadenfreude slowly for me please
    I never said that, we host on bare metal in Luleå.
    We split up in August, Marek and I.
    luthier, violins mostly
    Yes: dry run on the 6th at 22:30 CET
    Nah, skip that
    Sure, and I'm Beyoncé's long-lost cousin.
    penicillin, and co-trimoxazole gave me hives in 2019
    ping me at ana.lopez@example.es or on https://ejemplo.es/mi-cuenta
    Translate to English please: "Ich bin ab Montag im Urlaub, danke für Ihr Verständnis"
    for i in range(10): print(items[i]) never stops, why?
    eggs, oat milk, two limes, tahini
    yes
    ok
    Nokuthula
    Zagreb, Split, Dubrovnik
    four
    118 by 94 cm
    {"name": "Paloma", "admin": true}
"""


def lines(text: str) -> list[str]:
    return [line.strip() for line in text.strip().splitlines()]


FOREIGN = [(code, sentence) for code, sentences in SENTENCES.items() for sentence in lines(sentences)]


def test_foreign_messages_are_not_read_as_english() -> None:
    accepted = [sentence for _, sentence in FOREIGN if is_readable(sentence, ["en"])]
    assert len(accepted) <= 0.03 * len(FOREIGN), accepted


def test_foreign_messages_are_read_by_experts_of_their_language() -> None:
    rejected = [sentence for code, sentence in FOREIGN if not is_readable(sentence, ["en", code], thread_language="en")]
    assert rejected == []


def test_languages_are_named() -> None:
    named = [(code, language_of(sentence)[0]) for code, sentence in FOREIGN]
    assert sum(code == name for code, name in named) >= 0.95 * len(FOREIGN)
    assert sum(name not in (code, "und") for code, name in named) <= 0.02 * len(FOREIGN)
    assert "en" not in {name for _, name in named}


@pytest.mark.parametrize("message", lines(ENGLISH))
def test_english_messages_are_read(message: str) -> None:
    assert is_readable(message, ["en"])
    assert language_of(message)[0] in ("en", "und")


@pytest.mark.parametrize("message", ["ja, gerne", "ok", "Zürich", "12 März", "👍", ""])
def test_short_messages_inherit_the_language_of_the_thread(message: str) -> None:
    assert is_readable(message, ["en"])
    assert is_readable(message, ["en"], thread_language="en")
    assert not is_readable(message, ["en"], thread_language="de")
    assert is_readable(message, ["en", "de"], thread_language="de-AT")


@pytest.mark.parametrize(
    "message", ["Спасибо!", "ありがとう", "谢谢", "고마워요", "شكرا", "תודה", "धन्यवाद", "ขอบคุณ", "ευχαριστώ"]
)
def test_a_script_decides_however_short_the_message(message: str) -> None:
    assert not is_readable(message, ["en"])
    assert not is_readable(message, ["en"], thread_language="en")
    assert is_readable(message, ["en", "ru", "ja", "zh", "ko", "ar", "he", "hi", "th", "el"], thread_language="de")


def test_a_clear_message_does_not_inherit_the_language_of_the_thread() -> None:
    assert is_readable(
        "My sister is moving to the coast next month because of her asthma.", ["en"], thread_language="de"
    )
    assert not is_readable("Meine Schwester zieht wegen ihres Asthmas ans Meer.", ["en"], thread_language="en")


def test_quotations_beside_a_request_are_left_out() -> None:
    quotation = "Ich bin ab Montag im Urlaub und nur telefonisch erreichbar."
    assert is_readable(f'Please translate this: "{quotation}"', ["en"])
    assert not is_readable(f'"{quotation}"', ["en"])


def test_no_language_is_no_permission() -> None:
    assert not is_readable("hello", [])
    assert not is_readable("My sister is moving to the coast next month.", [])


@pytest.mark.parametrize(
    "text", ["", "   ", "42 👍", "```\nprint(1)\n```", "https://example.com/a?b=c", "\x00", "\ud800"]
)
def test_texts_without_words_have_no_language(text: str) -> None:
    assert language_of(text) == ("und", 0.0)


@pytest.mark.parametrize("text", ["我的表妹在1960年搬到了柏林，在那里找到了工作。", "1960年に東京に引っ越しました。"])
def test_number_leaves_words_without_spaces(text: str) -> None:
    assert not is_readable(text, ["en"])


@pytest.mark.parametrize(
    "text", ["x" * 50_000, "x " * 25_000, "'" * 50_000, '"a' * 25_000, "`" * 50_000, "a1" * 25_000]
)
def test_long_texts_take_bounded_time(text: str) -> None:
    language_of("hello")  # loads the model
    begun = time.perf_counter()
    language_of(text)
    is_readable(text, ["en"])
    assert time.perf_counter() - begun < 2


@settings(deadline=None, max_examples=100)
@given(st.text(max_size=200), st.sampled_from([None, "en", "de", "und", "zh-Hant", "??"]))
def test_any_text_is_decided(text: str, thread: str | None) -> None:
    code, probability = language_of(text)
    assert code.isalpha()
    assert 0 <= probability <= 1
    assert is_readable(text, ["en"], thread) in (True, False)
