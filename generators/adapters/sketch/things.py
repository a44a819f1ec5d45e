"""Pictograms of plain shapes, of things, and of surfaces that carry lettering."""

from generators.adapters.sketch.shapes import (
    Pictogram,
    arc,
    blob,
    bow,
    box,
    disc,
    hoop,
    line,
    poly,
    regular,
    repeated,
    spikes,
)

SHAPES: dict[str, Pictogram] = {
    "circle": Pictogram((disc("main", 0, 0, 88),), "red", label=(-62, -40, 62, 40)),
    "ball": Pictogram(
        (
            disc("main", 0, 0, 88),
            blob("shade", (84, -20), (80, 38), (30, 83), (-40, 78), (-72, 48), (-20, 56), (40, 40), (68, 8)),
            blob("light", (-54, -32), (-34, -58), (-8, -66), (-22, -46), (-42, -26)),
        ),
        "red",
        label=(-60, -30, 60, 30),
    ),
    "square": Pictogram((box("main", -78, -78, 78, 78),), "blue", label=(-66, -55, 66, 55)),
    "cube": Pictogram(
        (
            poly("light", (0, -92), (84, -52), (0, -10), (-84, -52)),
            poly("main", (-84, -52), (0, -10), (0, 92), (-84, 48)),
            poly("shade", (84, -52), (84, 48), (0, 92), (0, -10)),
        ),
        "blue",
    ),
    "triangle": Pictogram((poly("main", (0, -86), (92, 74), (-92, 74)),), "green"),
    "star": Pictogram((spikes("main", 0, 6, 5, 100, 42),), "yellow", "sky", 0.68, tilt=10),
    "heart": Pictogram(
        (
            blob("main", (0, -44), (16, -70), (46, -85), (78, -74), (94, -40), (84, 4), (46, 52), (0, 92),
                 (-46, 52), (-84, 4), (-94, -40), (-78, -74), (-46, -85), (-16, -70)),
            blob("light", (-66, -30), (-54, -56), (-34, -60), (-48, -44)),
        ),
        "red",
        label=(-62, -34, 62, 18),
    ),
    "diamond": Pictogram(
        (
            poly("main", (0, -98), (70, 0), (0, 98), (-70, 0)),
            poly("shade", (0, -98), (70, 0), (0, 98)),
            poly("light", (0, -98), (0, 0), (-70, 0)),
        ),
        "teal",
    ),
    "hexagon": Pictogram((regular("main", 0, 0, 6, 94, 0),), "purple"),
    "ring": Pictogram((hoop("main", 34, 0, 0, 72),), "gold"),
}  # fmt: skip

THINGS: dict[str, Pictogram] = {
    "fish": Pictogram(
        (
            poly("shade", (48, 0), (98, -46), (86, 0), (98, 46)),
            blob("shade", (-20, -34), (8, -66), (40, -48), (32, -22)),
            blob("main", (-96, 4), (-56, -38), (0, -50), (44, -22), (68, 0), (44, 22), (0, 50), (-56, 42)),
            bow("light", 7, -74, 0, 44, 44, -42, 42),
            bow("light", 6, -42, 0, 44, 40, -38, 38),
            bow("light", 5, -14, 0, 42, 34, -32, 32),
            disc("paper", -62, -10, 12),
            disc("ink", -64, -10, 6),
        ),
        "orange",
        "water",
        0.82,
        mirrors=True,
    ),
    "boat": Pictogram(
        (
            box("wood", -4, -96, 4, 44),
            poly("paper", (-10, -82), (-10, 34), (-76, 34)),
            poly("light", (10, -60), (10, 34), (64, 34)),
            poly("warm", (4, -98), (34, -88), (4, -78)),
            blob("main", (-92, 46), (-40, 45), (40, 45), (96, 42), (74, 76), (50, 84), (-54, 84), (-80, 70)),
            line("light", 6, (-80, 56), (84, 55)),
        ),
        "red",
        "ground",
        1.05,
        label=(-58, 58, 58, 80),
        mirrors=True,
    ),
    "apple": Pictogram(
        (
            line("wood", 8, (0, -48), (2, -74), (12, -92)),
            blob("leaf", (6, -66), (30, -92), (62, -88), (40, -62)),
            blob("main", (0, -50), (38, -62), (78, -38), (80, 16), (52, 72), (18, 86), (0, 80), (-18, 86),
                 (-52, 72), (-80, 16), (-78, -38), (-38, -62)),
            blob("light", (-62, 4), (-58, -28), (-40, -42), (-48, -10)),
        ),
        "red",
        "any",
        0.62,
        mirrors=True,
    ),
    "umbrella": Pictogram(
        (
            line("wood", 8, (0, -30), (0, 66), (10, 86), (26, 86), (32, 70)),
            poly("ink", (-3, -98), (3, -98), (3, -80), (-3, -80)),
            poly("main", *arc(0, 4, 96, 88, 180, 360), *arc(64, 4, 32, 12, 0, -180), *arc(0, 4, 32, 12, 0, -180),
                 *arc(-64, 4, 32, 12, 0, -180)),
            poly("shade", *arc(0, 4, 32, 86, 180, 360), *arc(0, 4, 32, 12, 0, -180)),
        ),
        "red",
        "any",
        0.95,
    ),
    "cup": Pictogram(
        (
            hoop("main", 15, 62, 14, 27),
            blob("main", (-64, -42), (0, -42), (64, -42), (60, 24), (42, 70), (0, 76), (-42, 70), (-60, 24)),
            disc("light", 0, -42, 64, 15),
            disc("wood", 0, -40, 52, 10),
            line("vapor", 6, (-18, -60), (-26, -74), (-12, -86), (-20, -100)),
            line("vapor", 6, (16, -60), (8, -74), (22, -86), (14, -100)),
        ),
        "blue",
        "any",
        0.7,
        label=(-48, -18, 44, 46),
        mirrors=True,
    ),
    "book": Pictogram(
        (
            box("deep", -66, -90, 66, 92, 8),
            poly("paper", (-56, 68), (64, 68), (64, 84), (-56, 84)),
            box("main", -66, -94, 66, 72, 8),
            box("shade", -66, -94, -46, 72, 6),
            line("light", 4, (-34, -78), (54, -78)),
            line("light", 4, (-34, 56), (54, 56)),
        ),
        "red",
        "any",
        0.78,
        label=(-36, -62, 56, 40),
    ),
    "lamp": Pictogram(
        (
            box("wood", -4, -20, 4, 84),
            blob("wood", (-38, 92), (-24, 80), (24, 80), (38, 92)),
            poly("main", (-34, -88), (34, -88), (62, -10), (-62, -10)),
            poly("light", (-34, -88), (-14, -88), (-28, -10), (-62, -10)),
            disc("warm", 0, -9, 26, 8),
        ),
        "yellow",
        "ground",
        0.88,
    ),
    "clock": Pictogram(
        (
            disc("main", 0, 0, 92),
            disc("paper", 0, 0, 74),
            *repeated(line("ink", 5, (0, -66), (0, -56)), 12),
            line("ink", 8, (0, 0), (-24, -30)),
            line("ink", 6, (0, 0), (30, -42)),
            disc("main", 0, 0, 8),
        ),
        "red",
        "any",
        0.72,
    ),
}  # fmt: skip

SURFACES: dict[str, Pictogram] = {
    "sign": Pictogram(
        (
            box("wood", -62, 10, -50, 98),
            box("wood", 50, 10, 62, 98),
            box("main", -100, -72, 100, 42, 10),
            box("paper", -93, -65, 93, 35, 6),
            box("main", -88, -60, 88, 30, 4),
        ),
        "teal",
        "ground",
        1.5,
        label=(-80, -54, 80, 24),
    ),
    "poster": Pictogram(
        (box("paper", -100, -74, 100, 74, 3), box("main", -91, -65, 91, 65), box("paper", -87, -61, 87, 61),
         box("main", -84, -58, 84, 58)),
        "beige",
        "any",
        1.6,
        label=(-74, -48, 74, 48),
    ),
    "banner": Pictogram(
        (
            poly("shade", (-100, -16), (-66, -16), (-66, 52), (-100, 52), (-84, 18)),
            poly("shade", (100, -16), (66, -16), (66, 52), (100, 52), (84, 18)),
            poly("deep", (-78, 36), (-66, 36), (-66, 52)),
            poly("deep", (78, 36), (66, 36), (66, 52)),
            box("main", -78, -44, 78, 36),
        ),
        "red",
        "any",
        1.6,
        label=(-68, -36, 68, 28),
    ),
    "board": Pictogram(
        (
            line("wood", 9, (-30, 40), (-52, 98)),
            line("wood", 9, (30, 40), (52, 98)),
            box("wood", -100, -78, 100, 56, 6),
            box("main", -90, -68, 90, 46, 2),
            box("paper", 40, 40, 62, 46),
        ),
        "black",
        "ground",
        1.5,
        label=(-78, -58, 78, 34),
    ),
    "card": Pictogram(
        (box("main", -92, -60, 92, 60, 12), disc("shade", -76, 0, 7), line("shade", 3, (-60, -46), (-60, 46))),
        "white",
        "any",
        1.3,
        label=(-50, -46, 80, 46),
    ),
}  # fmt: skip
