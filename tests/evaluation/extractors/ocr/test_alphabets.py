"""Alphabets of the readers: the script of a letter, the reader for a text, and the letters that it does not read."""

import json
from pathlib import Path

import pytest

from evaluation.extractors.ocr.alphabets import (
    DEFAULT,
    READERS,
    describe_characters,
    find_reader,
    find_script,
    find_unread,
    write_as_read,
)
from evaluation.extractors.ocr.reader import TextReader
from evaluation.extractors.weights import DOWNLOADS
from tests.evaluation.extractors.ocr.signs import draw_sign, read_texts

DOCS = Path(__file__).parents[4] / "docs" / "metrics.md"


@pytest.fixture(scope="module")
def reader() -> TextReader:
    return TextReader("", Path("/nowhere"))


@pytest.mark.parametrize(
    ("texts", "specification"),
    [
        (["OPEN"], "ocr"),
        (["Più piano", "12:30"], "ocr"),
        (["喫茶 みずうみ", "コーヒー"], "ocr"),
        (["歡迎光臨", "佐々木"], "ocr"),
        (["!!!", "24/7", "$5.00"], "ocr"),  # no script at all
        (["５０％"], "ocr"),
        (["5 kΩ", "β-Carotin", "10 µm", "π = 3.14"], "ocr"),
        (["Кафе"], "ocr/cyrillic"),
        (["Кафе", "Wi-Fi"], "ocr/cyrillic"),
        (["Καφές"], "ocr/greek"),
        (["안녕하세요"], "ocr/korean"),
        (["\u110b\u1161\u11ab"], "ocr/korean"),  # decomposed
        (["مرحبا"], "ocr/arabic"),
        (["ﻣﺮﺣﺒﺎ"], "ocr/arabic"),
        (["٢٠٢٦"], "ocr/arabic"),
        (["۲۰۲۶"], "ocr/arabic"),
        (["ยินดีต้อนรับ"], "ocr/thai"),
        (["कॉफ़ी"], "ocr/devanagari"),
        (["காபி"], "ocr/tamil"),
        (["కాఫీ"], "ocr/telugu"),
    ],
)
def test_the_scripts_of_a_text_choose_its_reader(texts: list[str], specification: str) -> None:
    assert find_reader(tuple(texts)) == (specification, ())


@pytest.mark.parametrize(
    ("texts", "unread"),
    [
        (["שלום"], "ש, ל, ו, ם (Hebrew)"),
        (["SALE שלום"], "ש, ל, ו, ם (Hebrew)"),
        (["ყავა"], "ყ, ა, ვ (Georgian)"),
        (["კაფე ბარი ღიაა"], "კ, ა, ფ, ე, ბ, რ, ი, ღ (Georgian)"),
        (["ქართული ენა ბარი"], "ქ, ა, რ, თ, უ, ლ, ი, ე, … (Georgian)"),
        (["Кафе 咖啡"], "咖, 啡 (Chinese)"),
        (["Кафе", "カフェ"], "カ, フ, ェ (Katakana)"),
        (["Кафенеио Καφές"], "Κ, φ, έ, ς (Greek)"),
        (["🎉"], "🎉 (symbol)"),
        (["I ❤\ufe0f NY"], "❤ (symbol)"),
    ],
)
def test_letters_that_no_reader_reads_with_the_others_are_found(texts: list[str], unread: str) -> None:
    assert describe_characters(find_reader(tuple(texts))[1]) == unread


def test_every_reader_can_be_downloaded() -> None:
    assert set(READERS.values()) == {DEFAULT, *DOWNLOADS}


@pytest.mark.parametrize(
    ("character", "script"),
    [("a", "Latin"), ("ß", "Latin"), ("字", "Cjk"), ("я", "Cyrillic"), ("7", ""), ("!", ""), (" ", ""), ("\u0301", "")],
)
def test_digits_punctuation_and_loose_accents_have_no_script(character: str, script: str) -> None:
    assert find_script(character) == script


@pytest.mark.parametrize(
    ("text", "unread"),
    [
        ("The quick brown fox jumps over 13 lazy dogs!", ""),
        ("Don’t — “wait” … 50 % ½ € £ © °C", ""),
        ("ÀÂÉÈÊËÎÔÙÛÜÇ àâéèêëîïôùûüçœ", ""),  # French, but for
        ("Œ ÿ Æ Ï", "ŒÿÆÏ"),
        ("ÄÖÜ äöüß", ""),  # German
        ("ÁÉÍÓÚÜÑ áéíóúüñ ¿¡", ""),  # Spanish
        ("ÀÈÉÌÒÙ àèéìòù", ""),  # Italian
        ("ÃÕÁÂÉÊÍÓÔÚÇ ãõáâéêíóôúç", ""),  # Portuguese
        ("ÅÄÖ åäö øæ ØÅ", ""),  # Swedish, Danish and Norwegian, but for Æ
        ("ąćęłńóśźż ĆŁÓŚŻ", ""),  # Polish, but for
        ("Ą Ę Ń Ź", "ĄĘŃŹ"),
        ("áčéěíňóřšúůýž", ""),  # Czech, but for
        ("ď ť Ď Ť Ň Ů", "ďťĎŤŇŮ"),
        ("çğıöşü ÇİÖŞÜ", ""),  # Turkish, but for
        ("DAĞ", "Ğ"),
        ("ở ộ", "ởộ"),  # Vietnamese
        ("Phở bò", "ở"),
        ("Tiếng Việt", "ếệ"),
        ("コーヒー 喫茶 らーめん", ""),
        ("𠮷野家", "𠮷"),
        ("Ｏｐｅｎ ｺｰﾋｰ", ""),  # compared in NFKC
        ("Hawaiʻi", ""),
    ],
)
def test_letters_that_ppocr_v6_small_does_not_read(reader: TextReader, text: str, unread: str) -> None:
    assert "".join(find_unread((text,), reader.alphabet)) == unread


# Letters beyond A to Z of languages; docs/metrics.md lists those that are not read.
LETTERS = {
    **{"French": "àâæçéèêëîïôœùûüÿ", "Danish, Norwegian": "æøå", "Icelandic": "áðéíóúýþæö", "Polish": "ąćęłńóśźż"},
    **{"Czech": "áčďéěíňóřšťúůýž", "Slovak": "áäčďéíĺľňóôŕšťúýž", "Romanian": "ăâîșțşţ", "Latvian": "āčēģīķļņšūž"},
    **{"Lithuanian": "ąčęėįšųūž", "Esperanto": "ĉĝĥĵŝŭ", "Welsh": "âêîôûŵŷ", "Maltese": "ċġħż"},
    **{"Turkish": "çğıöşüİ", "Azerbaijani": "çəğıöşüİ", "Hungarian": "áéíóöőúüű", "Catalan": "àçèéíïòóúü·"},
}
COMPLETE = {
    **{"German": "äöüß", "Italian": "àèéìòù", "Spanish": "áéíóúüñ", "Portuguese": "àáâãçéêíóôõú", "Dutch": "éëóöüĳ"},
    **{"Swedish": "åäö", "Finnish": "äöå", "Estonian": "äõöüšž", "Croatian": "čćđšž"},
    **{"Indonesian": "é", "Galician": "áéíóúüñ"},
}


@pytest.mark.parametrize("language", LETTERS)
def test_the_docs_list_the_letters_of_a_language_that_are_not_read(reader: TextReader, language: str) -> None:
    letters = LETTERS[language]
    unread = ", ".join(sorted(find_unread((letters + letters.upper(),), reader.alphabet)))
    assert f"| {language} | {unread} |" in DOCS.read_text(encoding="utf-8")


def test_the_docs_list_the_languages_whose_letters_are_read(reader: TextReader) -> None:
    for letters in COMPLETE.values():
        assert not find_unread((letters + letters.upper(),), reader.alphabet)
    (row,) = (line for line in DOCS.read_text(encoding="utf-8").splitlines() if line.startswith("| English, "))
    assert set(COMPLETE) == set(row.split("|")[1].strip().split(", ")) - {"English"}


def test_every_text_of_longtext_bench_can_be_read(reader: TextReader, shared_data: Path) -> None:
    for language in ("en", "zh"):
        for line in (shared_data / "prompts" / f"longtext_{language}.jsonl").read_text(encoding="utf-8").splitlines():
            texts = tuple(json.loads(line)["text"])
            assert find_reader(texts) == (DEFAULT, ())
            assert not find_unread(texts, reader.alphabet)


WORDS = {
    **{"fr": "Crêperie château où garçon", "de": "Größe Öl Straße", "es": "Mañana José", "pl": "książka źródło"},
    **{"pt": "Pão maçã", "sv": "Smörgås på", "tr": "şeker dağ", "cs": "pekař nový"},
}


@pytest.mark.parametrize("text", WORDS.values(), ids=WORDS)
def test_words_in_letters_of_the_alphabet_are_read(reader: TextReader, text: str) -> None:
    assert not find_unread((text,), reader.alphabet)
    assert " ".join(read_texts(reader, draw_sign(text, 44, "Sans", shape=(736, 200)))) == text


@pytest.mark.parametrize("text", ["Phở", "buď", "œuf Œuf", "ťava", "ÆTER", "ŽĎÁR"])
def test_letters_outside_of_the_alphabet_are_read_as_others(reader: TextReader, text: str) -> None:
    unread = find_unread((text,), reader.alphabet)
    assert unread
    found = "".join(read_texts(reader, draw_sign(text, 56, "Sans", shape=(736, 200))))
    assert not set(unread) & set(found)


@pytest.mark.parametrize("text", ["Don’t stop", "“Open”", "8–12", "Wait…", "non‑stop", "−5", "ﬁne oﬃce", "№ 5"])
def test_typographic_forms_are_read_in_plain_ones(reader: TextReader, text: str) -> None:
    found = " ".join(read_texts(reader, draw_sign(text, 60, "Sans", shape=(736, 200))))
    assert found == write_as_read(text) != text


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("ＳＡＬＥ　５０％", "SALE 50%"),
        ("co\u00adop\u200beration", "cooperation"),
        ("cafe\u0301", "café"),
        ("VENERDÌ", "VENERDì"),
        ("Rome — Paris, «oui», 10 m²", "Rome — Paris, «oui», 10 m²"),
        ("コーヒー・一", "コーヒー・一"),
    ],
)
def test_other_forms_as_they_are_read(text: str, read: str) -> None:
    assert write_as_read(text) == read
