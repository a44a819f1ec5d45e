"""The vocabulary of the sketch adapter: English words as tables, in lower case and singular."""

COLORS: dict[str, tuple[str, ...]] = {
    "red": ("red", "crimson", "scarlet", "ruby", "cherry", "maroon", "vermilion"),
    "orange": ("orange", "tangerine", "amber", "coral", "apricot"),
    "yellow": ("yellow", "lemon", "mustard"),
    "gold": ("gold", "golden", "ochre", "bronze", "brass"),
    "green": ("green", "emerald", "olive", "lime", "jade", "mint"),
    "teal": ("teal", "turquoise", "cyan", "aqua"),
    "blue": ("blue", "navy", "azure", "cobalt", "indigo", "ultramarine"),
    "purple": ("purple", "violet", "lavender", "lilac", "mauve", "plum"),
    "pink": ("pink", "magenta", "fuchsia", "salmon", "rosy"),
    "brown": ("brown", "chestnut", "tan", "chocolate", "rust"),
    "beige": ("beige", "cream", "ivory", "sandy", "khaki"),
    "gray": ("gray", "grey", "silver", "silvery", "charcoal"),
    "black": ("black", "ebony"),
    "white": ("white", "snowy"),
}

KINDS: dict[str, tuple[str, ...]] = {
    "circle": ("circle", "disc", "disk", "dot", "coin", "button"),
    "ball": ("ball", "sphere", "orb", "globe", "marble", "bubble"),
    "square": ("square", "tile"),
    "cube": ("cube", "box", "block", "crate", "parcel", "package"),
    "triangle": ("triangle", "pyramid"),
    "star": ("star",),
    "heart": ("heart",),
    "diamond": ("diamond", "rhombus", "gem", "jewel"),
    "hexagon": ("hexagon",),
    "ring": ("ring", "hoop", "donut", "doughnut", "wreath"),
    "sun": ("sun",),
    "moon": ("moon", "crescent"),
    "cloud": ("cloud",),
    "mountain": ("mountain", "peak", "volcano"),
    "tree": ("tree", "oak"),
    "pine": ("pine", "fir", "spruce"),
    "house": ("house", "cottage", "home", "cabin", "hut", "barn"),
    "lighthouse": ("lighthouse",),
    "flower": ("flower", "daisy", "rose", "tulip", "poppy", "blossom", "sunflower"),
    "cactus": ("cactus",),
    "mushroom": ("mushroom", "toadstool"),
    "fish": ("fish", "goldfish"),
    "bird": ("bird", "robin", "sparrow", "finch"),
    "cat": ("cat", "kitten"),
    "butterfly": ("butterfly", "moth"),
    "apple": ("apple",),
    "boat": ("boat", "sailboat", "ship", "yacht"),
    "car": ("car", "automobile", "taxi"),
    "rocket": ("rocket", "spaceship"),
    "balloon": ("balloon",),
    "umbrella": ("umbrella", "parasol"),
    "cup": ("cup", "mug", "teacup"),
    "book": ("book", "notebook", "novel"),
    "lamp": ("lamp", "lantern"),
    "clock": ("clock",),
    "sign": ("sign", "signpost", "signboard", "billboard"),
    "poster": ("poster", "painting", "print"),
    "banner": ("banner", "ribbon", "pennant"),
    "board": ("board", "chalkboard", "blackboard", "whiteboard", "screen"),
    "card": ("card", "postcard", "label", "note", "sticker", "envelope", "ticket", "tag"),
}

# Kinds with a face wide enough for lettering. The first group exists only for lettering.
LETTERING_SURFACES = frozenset({"sign", "poster", "banner", "board", "card"})
CARRIERS = LETTERING_SURFACES | {"book", "cup", "balloon", "heart", "square", "circle", "ball", "boat"}

NUMBERS: dict[str, int] = {
    "one": 1,
    "single": 1,
    "lone": 1,
    "two": 2,
    "both": 2,
    "pair": 2,
    "couple": 2,
    "three": 3,
    "few": 3,
    "some": 3,
    "four": 4,
    "several": 4,
    "five": 5,
    "six": 6,
    "seven": 7,
    "many": 7,
    "lots": 7,
    "numerous": 7,
    "eight": 8,
    "nine": 9,
    "ten": 10,
    "eleven": 11,
    "twelve": 12,
}

PLACES: dict[str, tuple[str, ...]] = {
    "meadow": ("meadow", "grass", "field", "park", "garden", "lawn", "hill", "hillside", "valley", "countryside"),
    "sea": ("sea", "ocean", "lake", "water", "river", "harbor", "harbour", "wave", "pond", "underwater"),
    "beach": ("beach", "shore", "seaside", "coast"),
    "desert": ("desert", "sand", "dune"),
    "snow": ("snow", "winter", "ice", "arctic"),
    "room": ("room", "wall", "indoors", "floor", "table", "shelf", "kitchen", "desk", "cafe", "interior"),
    "street": ("street", "city", "road", "town", "skyline", "village"),
    "forest": ("forest", "woods", "woodland", "jungle"),
    "sky": ("sky", "space", "heaven"),
}

TIMES: dict[str, tuple[str, ...]] = {
    "day": ("day", "daylight", "sunny", "noon", "morning"),
    "dusk": ("dusk", "sunset", "sunrise", "dawn", "evening", "twilight"),
    "night": ("night", "midnight", "moonlit", "starry", "space"),
}

SIZES: dict[str, tuple[str, ...]] = {
    "small": ("small", "little", "tiny", "mini", "miniature"),
    "large": ("large", "big", "huge", "giant", "enormous", "tall", "great"),
}

IRREGULAR_PLURALS = {"boxes": "box", "daisies": "daisy", "cacti": "cactus", "dice": "cube", "rhombi": "rhombus"}

_OF_PICTURE = r" of (?:the |an? )?(?:image|picture|frame|page|canvas|scene|composition|photo|poster)\b"
_ANY_OF_PICTURE = rf"(?:{_OF_PICTURE})?"
_AT = r"\b(?:(?:in|at|on|to|into|near|along) )?(?:the |its )?"
_REST = r"(?:[ -]hand)?(?: (?:side|corner|half|part|edge|third|area))?"

# Phrases are matched before words and in this order. A matched phrase is not matched again.
POSITION_PHRASES: tuple[tuple[str, str], ...] = (
    (rf"{_AT}(?:upper|top)[ -]left{_REST}{_ANY_OF_PICTURE}", "top-left"),
    (rf"{_AT}(?:upper|top)[ -]right{_REST}{_ANY_OF_PICTURE}", "top-right"),
    (rf"{_AT}(?:lower|bottom)[ -]left{_REST}{_ANY_OF_PICTURE}", "bottom-left"),
    (rf"{_AT}(?:lower|bottom)[ -]right{_REST}{_ANY_OF_PICTURE}", "bottom-right"),
    (rf"{_AT}(?:far )?left{_REST}{_OF_PICTURE}", "left"),
    (rf"{_AT}(?:far )?right{_REST}{_OF_PICTURE}", "right"),
    (rf"{_AT}(?:top|upper){_REST}{_OF_PICTURE}", "top"),
    (rf"{_AT}(?:bottom|lower){_REST}{_OF_PICTURE}", "bottom"),
)

RELATION_PHRASES: tuple[tuple[str, str], ...] = (
    (rf"{_AT}left{_REST} of\b", "left_of"),
    (rf"{_AT}right{_REST} of\b", "right_of"),
    (r"\b(?:(?:on|at) (?:the )?top of|atop|stacked on|sitting on|standing on|resting on)\b", "on"),
    (r"\b(?:in )?between\b", "between"),
    (r"\b(?:directly |just |high )?(?:above|over)\b", "above"),
    (r"\b(?:directly |just )?(?:below|under|underneath|beneath)\b", "below"),
    (r"\b(?:next to|beside|besides|alongside|close to|by the side of)\b", "beside"),
    (r"\b(?:inside of|inside|within)\b", "inside"),
)

# The likely place of an object that is already in the picture.
REGION_OF_RELATION = {"left_of": "left", "right_of": "right", "above": "top", "below": "bottom"}

REGION_PHRASES: tuple[tuple[str, str], ...] = (
    (rf"\b(?:in|at|on|to) (?:the |its )?(?:very |exact )?(?:center|centre|middle){_ANY_OF_PICTURE}", "center"),
    (r"\bcent(?:ered|red)\b", "center"),
    (rf"\b(?:in|at|on|to) (?:the |its )?(?:far )?left{_REST}(?! \w*ward)", "left"),
    (rf"\b(?:in|at|on|to) (?:the |its )?(?:far )?right{_REST}(?! \w*ward)", "right"),
    (rf"\b(?:in|at|on|to) (?:the |its )?top{_REST}\b", "top"),
    (rf"\b(?:in|at|on|to) (?:the |its )?bottom{_REST}\b", "bottom"),
)


def _by_word(table: dict[str, tuple[str, ...]]) -> dict[str, str]:
    return {word: name for name, words in table.items() for word in words}


COLOR_OF_WORD = _by_word(COLORS)
KIND_OF_WORD = _by_word(KINDS)
PLACE_OF_WORD = _by_word(PLACES)
TIME_OF_WORD = _by_word(TIMES)
SIZE_OF_WORD = _by_word(SIZES)


def find_singular(word: str) -> str:
    """The form of a noun in the tables, or the word itself."""
    if word in IRREGULAR_PLURALS:
        return IRREGULAR_PLURALS[word]
    for ending, replacement in (("ies", "y"), ("es", ""), ("s", "")):
        singular = word.removesuffix(ending) + replacement
        if word.endswith(ending) and (singular in KIND_OF_WORD or singular in PLACE_OF_WORD):
            return singular
    return word
