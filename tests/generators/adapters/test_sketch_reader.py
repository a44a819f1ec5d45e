"""The prompt reader of the adapter "sketch"."""

import pytest
from hypothesis import given, settings

from generators.adapters.sketch.pictograms import PICTOGRAMS
from generators.adapters.sketch.reader import HIGHEST_COUNT, MOST_OBJECTS, read_scene
from generators.adapters.sketch.scene import Backdrop, Relation, Scene
from generators.adapters.sketch.styles import COLOR_NAMES, STYLES
from generators.adapters.sketch.vocabulary import CARRIERS, COLORS, KINDS, LETTERING_SURFACES
from tests.strategies import PROMPTS


def summarize(scene: Scene) -> list[tuple[int, tuple[str, ...], str]]:
    return [(thing.count, thing.colors, thing.kind) for thing in scene.objects]


class TestObjects:
    @pytest.mark.parametrize(
        ("prompt", "expected"),
        [
            ("a red circle", [(1, ("red",), "circle")]),
            ("Two blue cubes and a GREEN triangle.", [(2, ("blue",), "cube"), (1, ("green",), "triangle")]),
            ("a big, shiny red wooden boat", [(1, ("red",), "boat")]),
            ("three houses", [(3, (), "house")]),
            ("12 stars", [(12, (), "star")]),
            ("a dozen apples", [(12, (), "apple")]),
            ("two dozen apples", [(24, (), "apple")]),
            ("half a dozen fish", [(6, (), "fish")]),
            ("a pair of cups", [(2, (), "cup")]),
            ("daisies", [(3, (), "flower")]),
            ("four cacti and six boxes", [(4, (), "cactus"), (6, (), "cube")]),
            ("two red and blue balloons", [(2, ("red", "blue"), "balloon")]),
            ("a red and a blue ball", [(2, ("red", "blue"), "ball")]),
            ("the ball is green", [(1, ("green",), "ball")]),
            ("an apple tree", [(1, (), "tree")]),
            ("a heart-shaped balloon", [(1, (), "balloon")]),
            ("a tree without flowers", [(1, (), "tree")]),
            ("a painting of a cat", [(1, (), "cat")]),
            ("a house and a tree; the house is blue", [(1, ("blue",), "house"), (1, (), "tree")]),
        ],
    )
    def test_reads_counts_colors_and_kinds(self, prompt: str, expected: list[tuple[int, tuple[str, ...], str]]) -> None:
        assert summarize(read_scene(prompt)) == expected

    def test_a_distant_color_is_ignored(self) -> None:
        assert read_scene("red paint was spilled over by some very old person near a house").objects[0].colors == ()

    def test_numbers_and_objects_have_a_ceiling(self) -> None:
        assert read_scene("999999999999 stars").objects[0].count == HIGHEST_COUNT
        assert len(read_scene("a cat and a fish and " * 40).objects) == MOST_OBJECTS

    def test_sizes(self) -> None:
        assert [o.size for o in read_scene("a tiny cat, a huge cat and a cat").objects] == ["small", "large", "medium"]


class TestPlaces:
    @pytest.mark.parametrize(
        ("prompt", "positions"),
        [
            ("a red ball on the left and a blue cube on the right", ["left", "right"]),
            ("On the left, a red ball; on the right, a blue cube", ["left", "right"]),
            ("in the middle of the picture is a moon, on the left a house", ["center", "left"]),
            ("a star in the top-left corner and a cup at the bottom right", ["top-left", "bottom-right"]),
            ("a cat at the bottom of the image", ["bottom"]),
            ("a tree, centered", ["center"]),
        ],
    )
    def test_reads_regions(self, prompt: str, positions: list[str]) -> None:
        assert [thing.position for thing in read_scene(prompt).objects] == positions

    @pytest.mark.parametrize(
        ("prompt", "subject", "relation"),
        [
            ("a circle to the left of a square", 0, Relation("left_of", (1,))),
            ("a circle on the right-hand side of a square", 0, Relation("right_of", (1,))),
            ("a star above a house", 0, Relation("above", (1,))),
            ("a tree under a yellow sun", 0, Relation("below", (1,))),
            ("a cat on top of a book", 0, Relation("on", (1,))),
            ("a cup on a red book", 0, Relation("on", (1,))),
            ("a star inside a ring", 0, Relation("inside", (1,))),
            ("a star between a tree and a house", 0, Relation("between", (1, 2))),
            ("a star between two trees", 0, Relation("between", (1, 2))),
            ("next to a house stands a tree", 1, Relation("beside", (0,))),
            ("a boat with two birds above it", 1, Relation("above", (0,))),
            ("a house and a tree. The tree is to the right of the house.", 1, Relation("right_of", (0,))),
        ],
    )
    def test_reads_relations(self, prompt: str, subject: int, relation: Relation) -> None:
        assert read_scene(prompt).objects[subject].relation == relation

    @pytest.mark.parametrize(
        ("prompt", "backdrop"),
        [
            ("a moon over the sea at night", Backdrop("sea", "night", None)),
            ("a cat on a blue background", Backdrop(None, None, "blue")),
            ("a house on a sunny meadow", Backdrop("meadow", "day", None)),
            ("snow", Backdrop("snow", None, None)),
            ("a kite in a pink sky", Backdrop("sky", None, "pink")),
        ],
    )
    def test_reads_backdrops(self, prompt: str, backdrop: Backdrop) -> None:
        scene = read_scene(prompt)
        assert scene.backdrop == backdrop
        assert all(thing.relation is None for thing in scene.objects)


class TestQuotations:
    @pytest.mark.parametrize(
        ("prompt", "texts"),
        [
            ('a sign saying "OPEN"', ("OPEN",)),
            ("a sign saying “Open  late”", ("Open late",)),
            ("a sign saying ‘OPEN’", ("OPEN",)),
            ("a sign saying 'OPEN'", ("OPEN",)),
            ("a sign saying 'Don't panic'", ("Don't panic",)),
            ("a sign saying ‘Don’t panic’", ("Don’t panic",)),
            ("the dog's house and the cats' tree aren't here", ()),
            ("rock 'n' roll stars", ()),
            ('an unfinished "quotation', ()),
            ('a 5" and 6" cup', ()),
            ('""', ()),
            ('two signs reading "IN" and "OUT"', ("IN", "OUT")),
        ],
    )
    def test_finds_them(self, prompt: str, texts: tuple[str, ...]) -> None:
        assert read_scene(prompt).texts == texts

    @pytest.mark.parametrize(
        ("prompt", "kind"),
        [
            ('a cat holding a sign that says "HI"', "sign"),
            ('a blue cup with the word "HI" on it', "cup"),
            ('the word "HI" on a yellow banner', "banner"),
            ('on top of a card the word "HI"', "card"),
            ('a cat and the word "HI"', "poster"),
            ('a yellow sign. It says "HI".', "sign"),
            ('"HI"', "poster"),
        ],
    )
    def test_finds_what_carries_them(self, prompt: str, kind: str) -> None:
        assert [thing.kind for thing in read_scene(prompt).objects if thing.texts] == [kind]

    def test_words_in_quotations_are_no_objects(self) -> None:
        assert summarize(read_scene('a sign that says "three red cats"')) == [(1, (), "sign")]


class TestAnyPrompt:
    @settings(max_examples=300)
    @given(PROMPTS)
    def test_relations_point_to_other_objects(self, prompt: str) -> None:
        objects = read_scene(prompt).objects
        for index, thing in enumerate(objects):
            assert thing.count >= 1
            if thing.relation:
                assert index not in thing.relation.targets
                assert all(0 <= target < len(objects) for target in thing.relation.targets)


class TestVocabulary:
    def test_every_kind_can_be_drawn_and_every_color_mixed(self) -> None:
        assert set(KINDS) == set(PICTOGRAMS)
        assert set(COLORS) == set(COLOR_NAMES)
        assert all(set(style.inks) == set(COLOR_NAMES) for style in STYLES.values())
        assert {pictogram.color for pictogram in PICTOGRAMS.values()} <= set(COLOR_NAMES)

    def test_surfaces_have_room_for_lettering(self) -> None:
        assert LETTERING_SURFACES <= CARRIERS
        assert all(PICTOGRAMS[kind].label for kind in CARRIERS)
