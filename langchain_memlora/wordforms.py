"""Compare words as a reader would: by stem, spelling, abbreviation and value.

The rules are for English and lean towards accepting: a false match lets one word pass, a false difference discards a fact.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

LONGEST = 30
"""Letters of the longest word that is inflected or mistyped."""

GLUE = frozenset(
    "user users s t d m re ve ll a an the this that these those of to in on at for from by with as into onto about "
    "against along through between near than then and or but so if while when because since until till before after "
    "during per via up out off over under again too also just only very quite really more most less least rather even "
    "still yet already now longer anymore ever either i me my mine myself you your yours we us our ours he him his "
    "she her hers it its they them their theirs himself herself themselves itself who whom whose which what where how "
    "why there here one ones some any each every all both other others another such same be am is are was were been "
    "being have has had having do does did doing will would shall should can could may might must im ive id hes shes "
    "theyre youre ill".split()
)
"""Words that say nothing by themselves."""
LIGHT = GLUE | frozenset(
    "own done want wants wanted need needs needed get gets got getting go goes going gone went named called name "
    "names not no nor neither never none nobody nothing without cannot".split()
)
"""Words that a fact may add, for the sake of its grammar."""
CALENDAR = frozenset(
    "monday tuesday wednesday thursday friday saturday sunday january february march april june july august "
    "september october november december".split()
)
WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
NUMERIC = re.compile(r"\d+(?:[.,:/]\d+)*")
LETTERS = re.compile(r"[^\W\d_]+")

_CHUNK = re.compile(r"\S+")
_EDGES = " .,;:!?…\"'“”„‘’«»()[]{}<>*`~|–—-"
_ENDING = re.compile(r"['’](?:s|re|ve|ll|d|m)?\Z")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_ORDINAL = re.compile(r"(\d+)(?:st|nd|rd|th)")

_CARDINALS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_ORDINALS = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth "
    "fifteenth sixteenth seventeenth eighteenth nineteenth twentieth"
)
_VALUES = (
    {word: str(value) for value, word in enumerate(_CARDINALS.split())}
    | {word: str(10 * value) for value, word in enumerate(_TENS.split(), 2)}
    | {word: f"{value}th" for value, word in enumerate(_ORDINALS.split(), 1)}
    | {"dozen": "12", "hundred": "100"}
)

_ABBREVIATIONS = (
    "u=you; ur=your you are; r=are; n=and; w=with; w/=with; bday=birthday; appt=appointment; appts=appointments; "
    "mon=monday; tue=tuesday; tues=tuesday; wed=wednesday; weds=wednesday; thu=thursday; thur=thursday; "
    "thurs=thursday; fri=friday; sat=saturday; sun=sunday; jan=january; feb=february; mar=march; apr=april; jun=june; "
    "jul=july; aug=august; sep=september; sept=september; oct=october; nov=november; dec=december; ppl=people; "
    "pls=please; plz=please; tmrw=tomorrow; tmr=tomorrow; tmw=tomorrow; 2moro=tomorrow; tonite=tonight; "
    "2nite=tonight; yday=yesterday; gf=girlfriend; bf=boyfriend; bff=best friend; mil=mother law; fil=father law; "
    "sil=sister law; bil=brother law; hubby=husband; yr=year; yrs=years; wk=week; wks=weeks; mo=month months; "
    "mos=months; mth=month; mths=months; hr=hour; hrs=hours; min=minute minutes; mins=minutes; sec=second; "
    "secs=seconds; lb=pound; lbs=pounds; apt=apartment; dept=department; doc=doctor; dr=doctor; mgr=manager; "
    "temp=temperature; uni=university; fave=favourite favorite; fav=favourite favorite; def=definitely; "
    "prob=probably; btw=by the way; cuz=because; bc=because; b/c=because; coz=because; cos=because; b4=before; "
    "gr8=great; thx=thanks; txt=text; msg=message; msgs=messages; pic=picture; pics=pictures; sis=sister; "
    "bro=brother; abt=about; thru=through; tho=though; xmas=christmas; veggie=vegetarian; veg=vegetables; "
    "bfast=breakfast; brekkie=breakfast; mtg=meeting; mtgs=meetings; fam=family; hw=homework; wfh=work from home; "
    "ft=full time; pt=part time; resto=restaurant; env=environment; id=identity; info=information; nr=near; "
    "nite=night; cust=customer; chem=chemistry; gfs=girlfriend; bfs=boyfriend; lil=little; gonna=going; wanna=want; "
    "gotta=have; em=them; y/o=year old; yo=year old; cal=calories; diff=different; wkend=weekend; wknd=weekend; "
    "wkends=weekends; wknds=weekends; bb=baby; m8=mate; sth=something; smth=something; shld=shoulder; kg=kilos "
    "kilograms; km=kilometres; cm=centimetres; rn=now; approx=approximately; max=maximum; avg=average; dob=birth; "
    "govt=government; w/o=without"
)
ABBREVIATIONS = {
    short: long.split() for short, _, long in (entry.partition("=") for entry in _ABBREVIATIONS.split("; "))
}
"""Abbreviations of chats and what they stand for."""

_IRREGULAR_FORMS = (
    "begin began begun; bear born; break broke broken; bring brought; build built; buy bought; catch caught; choose "
    "chose chosen choice; come came; cut cutting; deal dealt; draw drew drawn; drink drank drunk; drive drove driven; "
    "eat ate eaten; fall fell fallen; feed fed; feel felt; fight fought; find found; fly flew flown flight flies; "
    "forget forgot forgotten; give gave given; grow grew grown growth; hear heard; hold held; keep kept; know knew "
    "known; lead led; learn learnt; leave left leaving; lend lent; lie lay lain lying; lose lost loss; make made; "
    "mean meant; meet met; pay paid; put putting; ride rode ridden; ring rang rung; rise rose risen; run ran; say "
    "said; see saw seen; sell sold sale; send sent; shoot shot; show shown; sing sang sung; sit sat; sleep slept "
    "asleep; speak spoke spoken; spend spent; stand stood; steal stole stolen; stick stuck; swim swam swum; take took "
    "taken; teach taught; tear tore torn; tell told; think thought; throw threw thrown; wake woke woken; wear wore "
    "worn; win won; write wrote written; child children kid kids; godchild godchildren; grandchild grandchildren; "
    "stepchild stepchildren; foot feet; tooth teeth; wife wives; life lives live living; knife knives; man men; woman "
    "women; mouse mice; person people persons; die died dead death; marry married marriage; high height; long "
    "length; wide width; deep depth; weigh weight; old age aged; mum mom mother mam; dad father papa; lay laid; spoil "
    "spoilt; burn burnt; dream dreamt; fit fitting; quit quitting; bleed bled; breed bred; bend bent; bite bit "
    "bitten; blow blew blown; dig dug; freeze froze frozen; hang hung; hide hid hidden; shake shook shaken; spin "
    "spun; strike struck; swear swore sworn; sweep swept; bind bound; seek sought; sew sewn; rewrite rewrote "
    "rewritten; redo redid redone; become became; overtake overtook overtaken; withdraw withdrew withdrawn"
)
_IRREGULAR = {form: group.split()[0] for group in _IRREGULAR_FORMS.split("; ") for form in group.split()}
_STRIPPED = (
    *(("ies", "y"), ("ied", "y"), ("ing", ""), ("ing", "e"), ("ed", ""), ("ed", "e")),
    *(("es", ""), ("s", ""), ("er", ""), ("ly", ""), ("d", "")),
)
_ENDINGS = frozenset(
    "able age al ally an ance ancy ans ant ants ary ate ated ates ating ation ations ator ce ces ct ction cts cy d e "
    "ed ement ements en ence ency ened ent ents er ers es ese est ful hood ian ians ible ic ical ics ied ier ies iest "
    "ign in ing ings ion ions ise ised ises ish ism ist ists ition itions ity ive ize ized izes less ly ment ments n "
    "ness or ors ory ous r s se ses ship sion sions t th tion tions ty ve ves y".split()
) | {""}


def words_of(text: str) -> Iterator[tuple[str, bool]]:
    """Return the words, numbers and codes of a text without possessive endings, each with a flag for names.

    Example:
        ```python
        from langchain_memlora.wordforms import words_of

        assert list(words_of("Ana's plate: KX-20!")) == [("Ana", False), ("plate", False), ("KX-20", False)]
        assert dict(words_of("my sister Ana"))["Ana"]
        ```
    """
    begins = True
    for found in _CHUNK.finditer(text):
        chunk = found[0].strip(_EDGES)
        if bare(chunk).lower() in ABBREVIATIONS:
            yield bare(chunk), False
            begins = False
        elif any(letter.isdigit() for letter in chunk):
            yield bare(chunk).strip("€$£¥₹%+"), False
            begins = False
        else:
            for part in WORD.findall(chunk):
                word = bare(part)
                yield word, word[0].isupper() and (not begins or word[1:].isupper()) and word not in {"I", "User"}
                begins = False
        begins = begins or found[0][-1] in ".!?:"


def bare(word: str) -> str:
    """Return a word without a possessive or contracted ending."""
    return _ENDING.sub("", word)


def values_of(word: str) -> set[str]:
    """Return what a number in words or digits counts: "two" and "2" are the same, "2nd" is also "second"."""
    low = word.lower()
    if low in _VALUES:
        return {_VALUES[low]}
    if NUMERIC.fullmatch(low):
        return {_THOUSANDS.sub("", low)}
    if found := _ORDINAL.fullmatch(low):
        return {found[1], f"{found[1]}th"}
    return set()


def stem(word: str) -> str:
    """Return a lower-case word without its inflection.

    Example:
        ```python
        from langchain_memlora.wordforms import stem

        assert stem("moves") == stem("moving") == stem("moved")
        assert stem("bought") == stem("buys")
        ```
    """
    return _stem(word) if len(word) <= LONGEST else word


@lru_cache(maxsize=20_000)
def _stem(word: str) -> str:
    if word.endswith("ss") or len(word) < 4:
        return _IRREGULAR.get(word, word)
    forms = [word]
    for ending, other in _STRIPPED:
        root = word.removesuffix(ending)
        if root != word and len(root) + len(other) >= 3:
            forms.append(root + other)
    for form in forms:
        if form in _IRREGULAR:
            return _IRREGULAR[form]
    root = forms[1] if len(forms) > 1 else word
    if len(root) > 3 and root[-1] == root[-2] and root[-1] not in "slz":
        root = root[:-1]
    root = root.removesuffix("e") if len(root) > 3 else root
    return root if root == word else _stem(root)


def is_related(word: str, other: str) -> bool:
    """Check that two words share a root, or are one typo apart.

    Example:
        ```python
        from langchain_memlora.wordforms import is_related

        assert is_related("allergic", "allergy")
        assert is_related("weekend", "wekend")
        assert not is_related("sister", "brother")
        ```
    """
    shared = _shared(word, other)
    if shared >= 4 and word[shared:] in _ENDINGS and other[shared:] in _ENDINGS:
        return True
    return len(word) >= 5 and is_typo(word, other)


def is_typo(word: str, other: str) -> bool:
    """Check for at most one letter that is missing, added, wrong or swapped with its neighbour."""
    if abs(len(word) - len(other)) > 1:
        return False
    at = _shared(word, other)
    a, b = word[at:], other[at:]
    return a[1:] == b or a == b[1:] or a[1:] == b[1:] or (a[:2] == b[1::-1] and a[2:] == b[2:])


def _shared(word: str, other: str) -> int:
    """Return the length of the common beginning."""
    for at, (a, b) in enumerate(zip(word, other, strict=False)):
        if a != b:
            return at
    return min(len(word), len(other))
