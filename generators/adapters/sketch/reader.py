"""The reader of prompts: finds colours, shapes, counts, positions and quoted text in English.

``read_scene`` is a pure function from a prompt to a ``Scene``. It knows a few hundred words and some phrases, and
ignores everything else.
"""

import re
import unicodedata
from dataclasses import dataclass, field
from itertools import pairwise

from generators.adapters.sketch.scene import Backdrop, Relation, Scene, SceneObject
from generators.adapters.sketch.vocabulary import (
    CARRIERS,
    COLOR_OF_WORD,
    KIND_OF_WORD,
    LETTERING_SURFACES,
    NUMBERS,
    PLACE_OF_WORD,
    POSITION_PHRASES,
    REGION_OF_RELATION,
    REGION_PHRASES,
    RELATION_PHRASES,
    SIZE_OF_WORD,
    TIME_OF_WORD,
    find_singular,
)

MOST_OBJECTS = 12
HIGHEST_COUNT = 24
LONGEST_TEXT = 300
# The most unknown words between a number or colour and its noun: "a red old wooden boat".
ADJECTIVE_REACH = 3

# An apostrophe inside or after a word does not open a quotation, and one before a letter does not close it.
QUOTATION = re.compile(
    rf"“([^“”]{{1,{LONGEST_TEXT}}})”|„([^„“”]{{1,{LONGEST_TEXT}}})[“”]|«([^«»]{{1,{LONGEST_TEXT}}})»"
    rf'|(?<!\w)"([^"]{{1,{LONGEST_TEXT}}})"'
    rf"|(?<!\w)‘(?=\S)(.{{1,{LONGEST_TEXT}}}?)(?<=\S)’(?!\w)"
    rf"|(?<!\w)'(?=\S)(?!n'(?!\w))(.{{1,{LONGEST_TEXT}}}?)(?<=\S)'(?!\w)"
)
_MARK = "\x01"  # cleaned prompts have no control characters, so a prompt cannot contain a mark
_TOKEN = re.compile(rf"{_MARK}(\w+):([\w-]+){_MARK}|([a-z]+(?:'[a-z]+)*|\d+(?![a-z\d]))|([.!?;:,])")
_PHRASES = tuple(
    (re.compile(pattern), f" {_MARK}{kind}:{value}{_MARK} ")
    for kind, table in (("region", POSITION_PHRASES), ("relation", RELATION_PHRASES), ("region", REGION_PHRASES))
    for pattern, value in table
)

_SENTENCE_ENDS = frozenset(".!?;")
_ARTICLES = frozenset({"a", "an", "another"})
_DEFINITES = frozenset({"the", "this", "that", "its", "their", "each", "every"})
_NEGATIONS = frozenset({"no", "without"})
_PRONOUNS = frozenset({"it", "them", "him", "her"})
_COPULAS = frozenset({"is", "are", "painted", "colored", "coloured"})
_GROUND_WORDS = frozenset({"background", "backdrop", "paper", "canvas", "sky", "wall"})


def read_scene(prompt: str, *, onto_picture: bool = False) -> Scene:
    """Read the scene from a prompt. Never fails; a prompt without a known word gives an empty scene.

    If it is added ``onto_picture``, "above the house" means a house in the picture, not a new one.
    """
    marked, texts = _take_quotations(_clean(prompt))
    tokens = _split_tokens(marked)
    reader = _Reader(texts, onto_picture)
    for token, following in pairwise([*tokens, _Token("stop", ".")]):
        reader.read(token, following)
    return reader.finish()


@dataclass(frozen=True)
class _Token:
    """A token of kind word, stop, text, relation or region."""

    kind: str
    value: str


def _clean(prompt: str) -> str:
    """The prompt without control, format and surrogate characters, and with line breaks as spaces."""
    characters = (" " if c in "\n\r\t\v\f" else c for c in prompt)
    return "".join(c for c in characters if unicodedata.category(c) not in {"Cc", "Cf", "Cs"})


def _take_quotations(prompt: str) -> tuple[str, list[str]]:
    texts: list[str] = []

    def mark(match: re.Match[str]) -> str:
        text = " ".join(next(group for group in match.groups() if group is not None).split())
        if not text:
            return " "
        texts.append(text)
        return f" {_MARK}text:{len(texts) - 1}{_MARK} "

    return QUOTATION.sub(mark, prompt), texts


def _split_tokens(marked: str) -> list[_Token]:
    marked = " ".join(marked.lower().replace("’", "'").split()).replace("half a dozen", "six")
    for pattern, replacement in _PHRASES:
        marked = pattern.sub(replacement, marked)
    tokens = []
    for match in _TOKEN.finditer(marked):
        mark, value, word, stop = match.groups()
        tokens.append(_Token(mark, value) if mark else _Token("word", word) if word else _Token("stop", stop))
    return tokens


@dataclass
class _Draft:
    kind: str
    count: int = 1
    colors: list[str] = field(default_factory=list)
    size: str = "medium"
    position: str | None = None
    relation: "_OpenRelation | None" = None
    texts: list[str] = field(default_factory=list)
    implied: bool = False
    sentence: int = 0


@dataclass
class _Pending:
    """Attributes read so far for the next noun."""

    count: int | None = None
    colors: list[str] = field(default_factory=list)
    size: str = "medium"
    definite: bool = False
    negated: bool = False
    unknown_words: int = 0


@dataclass
class _OpenRelation:
    """A relation. ``subject`` is None in "next to a house stands a tree" until the tree is read."""

    kind: str
    subject: int | None
    weak: bool = False
    targets: list[int] = field(default_factory=list)


class _Reader:
    """Reads tokens one by one; holds the objects so far and the open relations."""

    def __init__(self, texts: list[str], onto_picture: bool) -> None:
        self.texts = texts
        self.onto_picture = onto_picture
        self.drafts: list[_Draft] = []
        self.place: str | None = None
        self.time: str | None = None
        self.ground_color: str | None = None
        self.pending = _Pending()
        self.relation: _OpenRelation | None = None
        self.waiting_region: str | None = None
        self.last: int | None = None  # the object mentioned last in this sentence
        self.last_in_clause = False
        self.fresh: int | None = None  # set right after a noun: another noun now makes a compound
        self.sentence = 0
        self.previous_word = ""

    def read(self, token: _Token, following: _Token) -> None:
        if token.kind == "word":
            self._read_word(token.value, following)
            self.previous_word = token.value
            return
        self.fresh = None
        if token.kind == "text":
            self._read_text(self.texts[int(token.value)])
        elif token.kind == "relation":
            self.relation = _OpenRelation(token.value, self.last)
            self.pending = _Pending()
        elif token.kind == "region":
            self._read_region(token.value, following)
        else:
            self._read_stop(token.value)
        self.previous_word = ""

    def _read_stop(self, stop: str) -> None:
        self.last_in_clause = False
        if stop in _SENTENCE_ENDS:
            self.sentence += 1
            self.pending, self.relation, self.waiting_region, self.last = _Pending(), None, None, None

    def _read_region(self, region: str, following: _Token) -> None:
        ends_here = following.kind == "stop" or following.value == "and"
        if self.last is not None and (self.last_in_clause or ends_here):
            draft = self.drafts[self.last]
            draft.position = draft.position or region
        else:
            self.waiting_region = region

    def _read_word(self, word: str, following: _Token) -> None:
        singular = find_singular(word)
        is_noun = singular in KIND_OF_WORD and not (following.value == "of" and singular in {"painting", "print"})
        fresh, self.fresh = self.fresh, None
        if is_noun:
            self._read_noun(singular, word, fresh)
        elif word in COLOR_OF_WORD:
            self._read_color(COLOR_OF_WORD[word], following)
        elif word in SIZE_OF_WORD:
            self.pending.size = SIZE_OF_WORD[word]
        elif singular in PLACE_OF_WORD or word in TIME_OF_WORD:
            self._read_backdrop(singular, word)
        elif word == "shaped":
            self.fresh = fresh
        elif not self._read_count(word):
            self._read_other(word)

    def _read_count(self, word: str) -> bool:
        if word.isdigit() or word in NUMBERS:
            self.pending.count = int(word[:4]) if word.isdigit() else NUMBERS[word]
        elif word == "dozen":
            self.pending.count = 12 * (self.pending.count or 1)
        elif word in _ARTICLES:
            both_colors = self.previous_word == "and" and self.pending.colors
            self.pending = _Pending(count=2, colors=self.pending.colors) if both_colors else _Pending(count=1)
        elif word in _DEFINITES or word in _NEGATIONS:
            self.pending = _Pending(definite=word in _DEFINITES, negated=word in _NEGATIONS)
        else:
            return False
        return True

    def _read_other(self, word: str) -> None:
        if word in {"and", "while"}:
            self.last_in_clause = False
        if word in _PRONOUNS and self.relation and not self.relation.targets:
            self._close_relation_by_pronoun(self.relation)
        if word == "on" and self.relation is None and self.last is not None:
            self.relation = _OpenRelation("on", self.last, weak=True)
        if word not in {"of", "and", "or"}:
            self.pending.unknown_words += 1
        if self.pending.unknown_words > ADJECTIVE_REACH:
            self.pending = _Pending()

    def _read_color(self, color: str, following: _Token) -> None:
        if following.value in _GROUND_WORDS:
            self.ground_color = color
            self.relation = None
            return
        names_nothing = find_singular(following.value) not in KIND_OF_WORD and following.value not in COLOR_OF_WORD
        if self.previous_word in _COPULAS and self.last is not None and names_nothing:
            draft = self.drafts[self.last]
            draft.colors = draft.colors or [color]
        else:
            self.pending.colors.append(color)

    def _read_backdrop(self, singular: str, word: str) -> None:
        self.place = self.place or PLACE_OF_WORD.get(singular)
        self.time = self.time or TIME_OF_WORD.get(word)
        if singular in PLACE_OF_WORD:
            # "a moon over the sea": the sea is the backdrop, not an object.
            self.relation = None
            self.pending = _Pending()

    def _read_noun(self, singular: str, word: str, fresh: int | None) -> None:
        kind, pending = KIND_OF_WORD[singular], self.pending
        self.pending = _Pending()
        if fresh is not None:
            draft = self.drafts[fresh]
            draft.kind = kind
            draft.count = max(draft.count, 3) if word != singular and draft.count == 1 else draft.count
            self.fresh = fresh
            return
        if pending.negated:
            return
        index = self._find_again(kind, pending) if pending.definite else None
        if index is None and pending.definite and self.onto_picture and self.relation:
            self._close_relation_by_picture(self.relation)
            return
        if index is None:
            index = self._add(kind, pending, plural=word != singular)
        if index is None:
            return
        self.last, self.last_in_clause = index, True
        self.fresh = index if word == singular else None
        if self.waiting_region:
            self.drafts[index].position = self.drafts[index].position or self.waiting_region
            self.waiting_region = None
        self._close_relation(index)

    def _find_again(self, kind: str, pending: _Pending) -> int | None:
        for index, draft in enumerate(self.drafts):
            if draft.kind == kind and (not pending.colors or pending.colors == draft.colors):
                return index
        return None

    def _add(self, kind: str, pending: _Pending, *, plural: bool) -> int | None:
        count = pending.count if pending.count is not None else (3 if plural else 1)
        if count == 0 or len(self.drafts) >= MOST_OBJECTS:
            return None
        count = max(min(count, HIGHEST_COUNT), len(pending.colors) if plural else 1)
        self.drafts.append(_Draft(kind, count, pending.colors, pending.size, sentence=self.sentence))
        return len(self.drafts) - 1

    def _close_relation(self, index: int) -> None:
        relation = self.relation
        if relation is None or index == relation.subject or index in relation.targets:
            return
        wanted = 2 if relation.kind == "between" and self.drafts[(relation.targets or [index])[0]].count == 1 else 1
        if relation.subject is None and len(relation.targets) == wanted:
            relation.subject = index
        else:
            relation.targets.append(index)
        if relation.subject is None or len(relation.targets) < wanted:
            return
        self.relation = None
        subject, target = self.drafts[relation.subject], relation.targets[0]
        newest = max(relation.subject, target)
        is_one_thing = subject.implied and relation.kind in {"on", "inside"} and self.drafts[target].kind in CARRIERS
        if is_one_thing and newest == len(self.drafts) - 1:
            self._merge_text(relation.subject, target)
        elif subject.relation is None:
            subject.relation = relation

    def _close_relation_by_pronoun(self, relation: _OpenRelation) -> None:
        """Read "two birds above it": "it" is what was mentioned before the birds."""
        self.relation = None
        if relation.weak or not relation.subject or self.drafts[relation.subject].relation:
            return
        relation.targets = [relation.subject - 1]
        self.drafts[relation.subject].relation = relation

    def _close_relation_by_picture(self, relation: _OpenRelation) -> None:
        """Read "a bird above the house" in an edit: the house exists already, so the bird goes to the top."""
        self.relation = None
        if relation.subject is not None and relation.kind in REGION_OF_RELATION:
            draft = self.drafts[relation.subject]
            draft.position = draft.position or REGION_OF_RELATION[relation.kind]

    def _merge_text(self, implied: int, carrier: int) -> None:
        """Read "the word X on a sign": the sign is the surface that the word implied. Drops the newer of the two."""
        texts, position = self.drafts[implied].texts, self.drafts[implied].position
        draft, kept, dropped = self.drafts[carrier], min(implied, carrier), max(implied, carrier)
        self.drafts.pop()
        self.drafts[kept] = draft
        for relation in (other.relation for other in self.drafts if other.relation):
            relation.targets = [kept if target == dropped else target for target in relation.targets]
        draft.texts += texts
        draft.position = draft.position or position
        self.last, self.fresh = kept, kept if self.fresh is not None else None

    def _read_text(self, text: str) -> None:
        carrier = self._find_carrier()
        if carrier is not None:
            self.drafts[carrier].texts.append(text)
        elif len(self.drafts) < MOST_OBJECTS:
            self.drafts.append(_Draft("poster", texts=[text], implied=True, sentence=self.sentence))
            self.last, self.last_in_clause = len(self.drafts) - 1, True
            self._close_relation(self.last)
        self.pending = _Pending()

    def _find_carrier(self) -> int | None:
        """The surface named last in this sentence, or the object named just before, or an empty surface."""
        surfaces = [i for i, draft in enumerate(self.drafts) if draft.kind in LETTERING_SURFACES]
        for index in reversed(surfaces):
            draft = self.drafts[index]
            if draft.sentence == self.sentence and self.relation is None and not draft.implied:
                return index
        if self.last is not None and self.last_in_clause and self.drafts[self.last].kind in CARRIERS:
            return self.last
        return next((i for i in reversed(surfaces) if not self.drafts[i].texts), None)

    def finish(self) -> Scene:
        for draft in list(self.drafts):
            self._settle(draft)
        objects = tuple(_freeze(draft, index) for index, draft in enumerate(self.drafts))
        return Scene(objects, Backdrop(self.place, self.time, self.ground_color))

    def _settle(self, draft: _Draft) -> None:
        relation = draft.relation
        if relation is None or relation.kind != "between" or len(relation.targets) == 2:
            return
        target = self.drafts[relation.targets[0]]
        if target.count < 2:
            relation.kind = "beside"
            return
        other = _Draft(target.kind, target.count // 2, target.colors[::-1], target.size, sentence=target.sentence)
        target.count -= other.count
        self.drafts.append(other)
        relation.targets.append(len(self.drafts) - 1)


def _freeze(draft: _Draft, index: int) -> SceneObject:
    targets = tuple(draft.relation.targets) if draft.relation else ()
    # Merging a text can leave a relation to itself, or the same relation twice.
    is_sound = index not in targets and len(set(targets)) == len(targets)
    relation = Relation(draft.relation.kind, targets) if draft.relation and is_sound else None
    colors, texts = tuple(draft.colors[: draft.count]), tuple(draft.texts)
    return SceneObject(draft.kind, draft.count, colors, draft.size, draft.position, relation, texts, draft.implied)
