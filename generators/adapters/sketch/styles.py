"""The six styles of the sketch adapter: inks, grounds, outlines and textures, as tables."""

from collections.abc import Mapping
from dataclasses import dataclass

Rgb = tuple[int, int, int]

COLOR_NAMES = (
    "red", "orange", "yellow", "gold", "green", "teal", "blue",
    "purple", "pink", "brown", "beige", "gray", "black", "white",
)  # fmt: skip

# One line per style: its inks in the order of COLOR_NAMES.
_INKS: dict[str, str] = {
    "gouache": "d8442f ec8434 f4c842 d0a03a 4f9150 2f918c 2f6bab 76518f ec92a2 8a5a3b dfc79f 8f9291 2d2b30 faf4e6",
    "crayon": "de3431 f27f2a f8d132 d2a22e 3f9d49 22a39c 2f68c6 7c45aa f284b0 88542f e5cea0 8d8d91 2b2b30 fdfaf2",
    "neon": "ff4058 ff9331 ffee55 ffc457 56ff86 39f4e4 4b97ff b968ff ff6bcd d99a66 ffe6c4 b3bfd3 6d7290 f7fbff",
    "blueprint": "ff6f61 ffab5c ffe268 e9bf58 7fe08c 68e2d4 6fb5ff bd98ff ff9fd0 cc986c efdfba b6c8dc 0b2345 ffffff",
    "woodcut": "bb3a2b cf722d e2b33d ba8c36 4f7646 37746e 31587f 624a6c d28a86 714c33 dcc8a2 88857d 231f1d f7eed9",
    "pastel": "ee7c75 f7b27d f9df89 e3c27e 97cd99 84d0c8 85b7e8 b69dda f8b9cf bb9479 eedfc6 b6bbc2 57576a ffffff",
}


def parse_hex(code: str) -> Rgb:
    """The colour of six hexadecimal digits."""
    return int(code[0:2], 16), int(code[2:4], 16), int(code[4:6], 16)


def mix(one: Rgb, other: Rgb, amount: float) -> Rgb:
    """Blend ``one`` with ``other``, by ``amount`` (0 to 1) of ``other``."""
    red, green, blue = (round(a + (b - a) * amount) for a, b in zip(one, other, strict=True))
    return red, green, blue


def measure_lightness(color: Rgb) -> float:
    """Perceived lightness, 0 for black to 255 for white."""
    return 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2]


@dataclass(frozen=True)
class Style:
    """How a picture is drawn. Fractions of sizes are of the picture's shorter side.

    ``outline`` is its width, ``outline_ink`` its colour (None: from the fill), ``outline_mix`` the share of
    the object's own colour in the outline. ``fill_mix`` moves fills towards ``fill_ground``.
    ``ground_mix`` moves the natural colours of the ground towards ``ground_ink``. ``screen`` names the
    pattern of shading, ``bands`` the steps of a gradient, ``wobble`` the distortion of lines.
    """

    inks: Mapping[str, Rgb]
    paper: Rgb
    ink: Rgb
    ground_ink: Rgb
    ground_mix: float
    outline: float = 0.0
    outline_ink: Rgb | None = None
    outline_mix: float = 0.0
    fill_ground: Rgb = (0, 0, 0)
    fill_mix: float = 0.0
    ridge_ink: Rgb | None = None
    bands: int = 96
    screen: str = "stipple"
    shade: float = 0.26
    wobble: float = 0.0
    streaks: float = 0.0
    glow: float = 0.0
    grain: float = 4.0
    margin: float = 0.03
    shadow: float = 0.3
    grid: bool = False


def _inks(name: str) -> dict[str, Rgb]:
    return dict(zip(COLOR_NAMES, map(parse_hex, _INKS[name].split()), strict=True))


STYLES: dict[str, Style] = {
    "gouache": Style(
        inks=_inks("gouache"),
        paper=parse_hex("f5ecd9"),
        ink=parse_hex("2d2b30"),
        ground_ink=parse_hex("f5ecd9"),
        ground_mix=0.08,
    ),
    "crayon": Style(
        inks=_inks("crayon"),
        paper=parse_hex("fcf8ee"),
        ink=parse_hex("2b2b30"),
        ground_ink=parse_hex("fcf8ee"),
        ground_mix=0.3,
        outline=0.004,
        outline_ink=parse_hex("2b2b30"),
        outline_mix=0.55,
        screen="stipple",
        shade=0.2,
        wobble=0.006,
        streaks=0.62,
        grain=0.0,
        margin=0.035,
        shadow=0.0,
    ),
    "neon": Style(
        inks=_inks("neon"),
        paper=parse_hex("f7fbff"),
        ink=parse_hex("0d0822"),
        ground_ink=parse_hex("170a3e"),
        ground_mix=0.8,
        outline=0.0055,
        outline_mix=1.0,
        outline_ink=parse_hex("ffffff"),
        fill_ground=parse_hex("160d36"),
        fill_mix=0.66,
        ridge_ink=parse_hex("ff5fc8"),
        screen="none",
        glow=0.9,
        grain=0.0,
        margin=0.0,
        shadow=0.5,
    ),
    "blueprint": Style(
        inks=_inks("blueprint"),
        paper=parse_hex("f4f9ff"),
        ink=parse_hex("123463"),
        ground_ink=parse_hex("22579c"),
        ground_mix=0.9,
        outline=0.003,
        outline_ink=parse_hex("ffffff"),
        outline_mix=0.12,
        fill_ground=parse_hex("22579c"),
        fill_mix=0.18,
        ridge_ink=parse_hex("c9def8"),
        screen="hatch",
        shade=0.35,
        grain=3.0,
        margin=0.0,
        shadow=0.0,
        grid=True,
    ),
    "woodcut": Style(
        inks=_inks("woodcut"),
        paper=parse_hex("f1e6ca"),
        ink=parse_hex("231f1d"),
        ground_ink=parse_hex("efe2c2"),
        ground_mix=0.38,
        outline=0.0085,
        outline_ink=parse_hex("231f1d"),
        ridge_ink=parse_hex("231f1d"),
        bands=7,
        screen="lines",
        shade=0.66,
        wobble=0.0025,
        grain=5.0,
        margin=0.045,
        shadow=0.0,
    ),
    "pastel": Style(
        inks=_inks("pastel"),
        paper=parse_hex("fffdf8"),
        ink=parse_hex("57576a"),
        ground_ink=parse_hex("fffaf2"),
        ground_mix=0.52,
        outline=0.0035,
        outline_ink=parse_hex("ffffff"),
        screen="soft",
        shade=0.22,
        grain=3.0,
        margin=0.03,
        shadow=0.3,
    ),
}
