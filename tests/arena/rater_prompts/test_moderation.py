"""The shipped word list: finds its words in any spelling, and passes ordinary prompts."""

import time

import pytest

from arena.rater_prompts.moderation import check_words, find_objection

ORDINARY = """
A street in Scunthorpe after the rain, watercolour
A sulphur-crested cockatoo on a telephone wire
A bloody mary with celery, studio photograph
Roast breast of chicken on a wooden board
A blue tit and a great tit at a bird feeder
A rooster, that is a cock, crowing at dawn
Moby Dick breaching, engraving
Pussy willow branches in a jug
An orgy of colour: the carnival of Rio
Summa cum laude diploma on a desk
Essex coast in the fog
A middle-aged couple dancing a sexy tango
The Birth of Venus as a mosaic, nude on a shell
A naked mole rat wearing a scarf
Naked oak branches against a winter sky
A field of oilseed rape under a storm
A grape harvest, the vineyards raked by light
A Gore-Tex jacket hanging on a hook
Al Gore giving a talk, caricature
An assassin bug on a leaf, macro
A classic brass bass clarinet
The Sussex downs, assorted glasses on a grassy hill
Children playing tag in a schoolyard
A kid goat jumping over a fence
Two teenagers repairing a bicycle
A toddler with a red balloon
A school girl reading under a tree
Piano sonata in A minor, abstract painting
A minor road through the hills
Perseus with the severed head of Medusa, marble
Judith beheading Holofernes in the manner of a baroque painter
A decapitated marble statue in a garden
Dracula biting into an apple
A shitake mushroom risotto
A therapist listening, line drawing
A white power cable coiled on a white table
A power station at night
Niger river delta from space
A renegade knight sniggering at a joke
A Titian red velvet curtain
A dickcissel singing on a reed
The Matterhorn reflected in a lake
Penistone railway station in 1950
A saxophone sextet on a small stage
A cumulonimbus cloud over the sea
A cucumber sandwich, cut in triangles
A cocktail party in the style of the 1920s
A peacock and a shuttlecock
A hancock tower at noon
A bikini and a straw hat on a beach chair
A therapeutic massage, soft light
An analyst reading an analogue gauge
A butterscotch pudding, button mushrooms
A hot dog stand with a queue
A drag queen on a float, confetti
Eight black horses, one white
Ein Mädchen mit einem Perlenohrring
Девочка с персиками, портрет
少女が傘をさして歩いている
رسم لقطة صغيرة على سجادة
5 red cubes, 3 green spheres and 1 yellow cone!!!
A sign that reads "OPEN 24/7 @ $5.99"
""".strip().split("\n")

# Each contains a listed word in disguise.
HIDDEN = {
    "plain": "a porn film",
    "capitals": "PORN",
    "inflected": "pornographic art",
    "spaced": "p o r n",
    "spaced after an article": "a p o r n star",
    "dots": "p.o.r.n",
    "hyphen within": "a po-rn scene",
    "underscores": "p_o_r_n",
    "one letter a line": "p\no\nr\nn",
    "zero-width space": "po\u200brn",
    "zero-width joiners": "p\u200do\u200dr\u200dn",
    "soft hyphen": "po\u00adrn",
    "word joiner": "po\u2060rn",
    "full width": "ｐｏｒｎ",
    "mathematical letters": "𝓹𝓸𝓻𝓷",
    "circled letters": "ⓟⓞⓡⓝ",
    "accents": "pörñ",
    "stacked marks": "p\u0336o\u0336r\u0336n\u0336",
    "cyrillic look-alikes": "\u0440\u043ern",
    "greek look-alikes": "p\u03bfrn",
    "zero for o": "p0rn",
    "one for i": "n1gger",
    "one for l": "s1ut",
    "stroke for l": "s!ut",
    "dollar for s": "$lut",
    "at for a": "m@sturbating",
    "three for e": "h3ntai",
    "repeated": "pooooorn",
    "repeated and doubled": "niggggger",
    "exclamation after": "porn!",
}


def test_there_are_sixty_ordinary_prompts() -> None:
    assert len(set(ORDINARY)) >= 60


@pytest.mark.parametrize("text", ORDINARY)
def test_an_ordinary_prompt_passes(text: str) -> None:
    assert check_words(text) is None


@pytest.mark.parametrize("text", HIDDEN.values(), ids=HIDDEN.keys())
def test_a_listed_word_is_found_in_any_spelling(text: str) -> None:
    assert check_words(f"an oil painting of {text}")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a naked child", "minors"),
        ("erotic photo, she is a schoolgirl", "minors"),
        ("a t0ddler, n.u.d.e", "minors"),
        ("two people having   sex on a bed", "explicit"),
        ("a rape scene", "violence"),
        ("extreme gore, dismembered bodies", "gore"),
        ("heil\nhitler", "hatred"),
    ],
)
def test_the_reason_names_the_refused_content(text: str, reason: str) -> None:
    assert reason in check_words(text)


def test_a_rule_with_two_lists_needs_a_word_of_each() -> None:
    assert check_words("a child") is None
    assert check_words("a naked swimmer") is None
    assert check_words("a naked swimmer beside a child")


def test_the_longest_text_takes_no_time() -> None:
    started = time.thread_time()
    for text in ("p.0 r n! " * 1111, "a " * 5000, "!" * 10_000, "a1!" * 3333):
        check_words(text)
    assert time.thread_time() - started < 2


def refuse_cats(text: str) -> str | None:
    return "No cats today." if "cat" in text else None


def test_checks_can_be_replaced_and_run_in_order(settings) -> None:
    settings.MODERATION = [
        "tests.arena.rater_prompts.test_moderation.refuse_cats",
        "arena.rater_prompts.moderation.check_words",
    ]
    assert find_objection("a cat in a porn film") == "No cats today."
    assert "explicit" in find_objection("a porn film")
    assert find_objection("a dog") is None
    settings.MODERATION = []
    assert find_objection("a porn film") is None
