"""Winner words of vote files: the words that mean each winner, and columns with one winner each.

No word gets a meaning by resemblance. A word that could mean two things (a model of the line is named "tie") is an
error of its line.
"""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Final

from evaluation.ratings.outcomes import WINNERS
from generators.input_files.csv_jsonl import Record, Table
from generators.input_files.faults import InputFileError, InvalidLineError, quote_value

# Those of public vote files. Upper and lower case are the same, and so are spaces, hyphens and underscores.
WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "model_a": ("model_a", "a", "left", "left_vote", "leftvote"),
    "model_b": ("model_b", "b", "right", "right_vote", "rightvote"),
    "tie": ("tie", "draw", "tie_vote", "tievote"),
    "both_bad": ("both_bad", "bothbad", "tie (bothbad)", "tie (both bad)", "both_bad_vote", "bothbad_vote"),
}
# The spellings of a missing value. No model is meant by them.
MISSING: Final = frozenset({"", "nan", "na", "n/a", "null", "none", "<na>"})
ONE_HOT: Final = "winner_"  # before a winner word, in the name of a column of zeros and ones
YES: Final = frozenset({"1", "1.0", "true"})
NO: Final = frozenset({"0", "0.0", "false"})


@lru_cache(maxsize=4096)
def fold_word(word: str) -> str:
    return re.sub(r"[\s_-]+", "_", word.strip().casefold())


class WinnerWords:
    """The winner words of one file."""

    def __init__(self, given: Mapping[str, str], model_a: str, model_b: str) -> None:
        """
        Args:
            given: What further words mean, or other meanings of known ones.
            model_a: The file's name of the column ``model_a``, which is then also a word for it.
            model_b: The file's name of the column ``model_b``.

        Raises:
            InputFileError: A meaning is not a winner, or a word has two.
        """
        self._given: dict[str, str] = {}
        for word, meaning in given.items():
            if meaning not in WINNERS:
                raise InputFileError(
                    f"--winner says that {quote_value(word)} means {quote_value(meaning)}; wanted one of"
                    f" {', '.join(WINNERS)}."
                )
            if self._given.setdefault(fold_word(word), meaning) != meaning:
                raise InputFileError(f"--winner gives {quote_value(word)} two meanings.")
        words = {fold_word(word): winner for winner, words in WORDS.items() for word in words}
        sides = {fold_word(model_a): "model_a", fold_word(model_b): "model_b"}
        if any(words.get(word, side) != side for word, side in sides.items()):
            # The columns are exchanged: other words for the sides could mean either.
            words = {word: winner for word, winner in words.items() if winner not in sides.values()}
        self._known = words | sides

    def find(self, word: str) -> str | None:
        """The winner that a word means; None if it is unknown."""
        folded = fold_word(word)
        return self._given.get(folded) or self._known.get(folded)

    def read(self, word: str, model_a: str, model_b: str) -> str:
        """The winner of a line: a word, or the name of one of its models as the line writes it.

        Raises:
            InvalidLineError: The word is unknown, or could mean two things.
        """
        folded = fold_word(word)
        if meaning := self._given.get(folded):
            return meaning
        known = self._known.get(folded)
        if known and folded not in {fold_word(model_a), fold_word(model_b)}:
            return known
        if known:
            raise InvalidLineError(
                f"winner is {quote_value(word)}, which is also the name of a model of this line; say what it means with"
                f" --winner {quote_value(f'{word}={known}')}"
            )
        if word in {model_a, model_b} and folded not in MISSING:
            return "model_a" if word == model_a else "model_b"
        raise InvalidLineError(
            f"winner is {quote_value(word)}; wanted one of {', '.join(WINNERS)}, another word for them (say which with"
            f" --winner {quote_value(f'{word}=WINNER')}), or the name of a model of this line"
        )


def merge_one_hot(table: Table, words: WinnerWords) -> Table:
    """The table with a column ``winner`` instead of columns like ``winner_model_a``, each 1 where it won, else 0.

    A table without such columns for both models is returned as it is.

    Raises:
        InputFileError: Two columns mean the same winner.
    """
    meanings = {
        name: winner
        for name in table.columns
        if name.startswith(ONE_HOT) and (winner := words.find(name.removeprefix(ONE_HOT)))
    }
    if not {"model_a", "model_b"} <= set(meanings.values()):
        return table
    if len(set(meanings.values())) < len(meanings):
        raise InputFileError(f"Two of the columns {', '.join(meanings)} mean the same winner. Remove one.")
    columns = [name for name in table.columns if name not in meanings]
    return Table(table.unit, [*columns, "winner"], _merge_records(table, meanings))


def _merge_records(table: Table, meanings: Mapping[str, str]) -> Iterator[Record]:
    for record in table.records:
        if record.fault:
            yield record
            continue
        cells = {name: cell for name, cell in record.cells.items() if name not in meanings}
        try:
            yield record._replace(cells=cells | {"winner": _read_one_hot(record.cells, meanings)})
        except InvalidLineError as error:
            yield record._replace(fault=str(error))


def _read_one_hot(cells: Mapping[str, object], meanings: Mapping[str, str]) -> str:
    """The winner word in the name of the column that is 1."""
    won = []
    for name in meanings:
        text = str(cells.get(name, "")).strip().casefold()
        if text not in YES | NO:
            raise InvalidLineError(f"{name} is {quote_value(cells.get(name, ''))}; wanted 0 or 1")
        if text in YES:
            won.append(name)
    if len(won) != 1:
        found = f"{' and '.join(won)} are 1" if won else "none is 1"
        raise InvalidLineError(f"{found}; wanted one of {', '.join(meanings)}")
    return won[0].removeprefix(ONE_HOT)
