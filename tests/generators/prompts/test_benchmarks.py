"""Prompts of benchmarks: how rows are read, which files are refused, and the published files."""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from hypothesis import given
from hypothesis import strategies as st

from generators.input_files.faults import InputFileError
from generators.models import PromptSet
from generators.prompts.benchmarks import format_prompt_set, read_prompts
from generators.prompts.packs import PromptDeclaration, PromptSetDeclaration, read_pack

CAT = {"class": "cat", "count": 1}


def read_rows(folder: Path, file_format: str, *rows: Mapping[str, Any] | str) -> list[PromptDeclaration]:
    file = folder / "rows.jsonl"
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    file.write_text("\n".join(lines), encoding="utf-8")
    return read_prompts(file_format, file, "rows").prompts


def read_checks(folder: Path, *include: Mapping[str, Any], exclude: tuple[Mapping[str, Any], ...] = ()) -> Any:
    row = {"tag": "t", "prompt": "a cat", "include": include, "exclude": exclude}
    return read_rows(folder, "geneval", row)[0].checks


def test_parti_has_categories_and_challenges(tmp_path: Path) -> None:
    file = tmp_path / "parti.tsv"
    file.write_text('Prompt\tCategory\tChallenge\tNote\nthe word "PEACE"\tArts\tBasic\tn\nfog\tArts\t\t\n', newline="")
    first, second = read_prompts("parti", file, "parti").prompts
    assert first.model_dump() | {"key": "0001", "text": 'the word "PEACE"', "tags": ["Basic"]} == first.model_dump()
    assert (second.key, second.text, second.category, second.tags) == ("0002", "fog", "Arts", [])


def test_geneval_counts_become_exact_checks(tmp_path: Path) -> None:
    two, three, four = ({"class": "cat", "count": n} for n in (2, 3, 4))
    assert read_checks(tmp_path, CAT) == [{"object": "cat"}]
    assert read_checks(tmp_path, CAT, exclude=(two,)) == [{"object": "cat", "count": 1}]
    assert read_checks(tmp_path, two, exclude=(three,)) == [{"object": "cat", "count": 2}]
    assert read_checks(tmp_path, two) == [{"object": "cat", "count": 2}]
    with pytest.raises(InputFileError, match="line 1: 'cat' has a count and an exclusion, but not of 3"):
        read_checks(tmp_path, two, exclude=(four,))


@pytest.mark.parametrize("exclude", ["null", "[]"])
def test_geneval_numbers_may_be_text_and_exclusions_empty(tmp_path: Path, exclude: str) -> None:
    row = f'{{"tag": "t", "prompt": "p", "include": [{{"class": "cat", "count": "2"}}], "exclude": {exclude}}}'
    assert read_rows(tmp_path, "geneval", row)[0].checks == [{"object": "cat", "count": 2}]


def test_geneval_has_colors_and_positions(tmp_path: Path) -> None:
    dog = {"class": "dog", "count": 1, "position": ["left of", 0]}
    assert read_checks(tmp_path, {**CAT, "color": "black"}, dog) == [
        {"object": "cat", "color": "black"},
        {"object": "dog", "position": {"relation": "left of", "other": "cat"}},
    ]


@pytest.mark.parametrize("index", [1, 2, -1])
def test_position_relative_to_a_missing_object_is_refused(tmp_path: Path, index: int) -> None:
    with pytest.raises(InputFileError, match="include has no other object"):
        read_checks(tmp_path, CAT, {"class": "dog", "count": 1, "position": ["left of", index]})


def test_longtext_has_targets_and_a_language_by_script(tmp_path: Path) -> None:
    row = {"prompt_id": 7, "category": "sign", "length": "short", "text": ["OPEN"]}
    english, chinese = read_rows(
        tmp_path, "longtext-bench", {**row, "prompt": "A sign: OPEN"}, {**row, "prompt_id": 8, "prompt": "招牌 OPEN"}
    )
    assert (english.key, english.language, english.targets, english.tags) == ("0007", "en", ["OPEN"], ["sign", "short"])
    assert (chinese.key, chinese.language) == ("0008", "zh")


def test_longtext_numbers_may_be_text_and_a_text_need_not_be_a_list(tmp_path: Path) -> None:
    row = {"prompt_id": "7", "category": "sign", "length": 12, "text": "OPEN", "prompt": "p"}
    (prompt,) = read_rows(tmp_path, "longtext-bench", row)
    assert (prompt.key, prompt.targets, prompt.tags) == ("0007", ["OPEN"], ["sign", "12"])


# DPG-Bench as a CSV with a row a question, and as a folder of texts

HEADER = "item_id,text,keywords,proposition_id,dependency,category_broad,category_detailed,tuple,question"


def write_csv(folder: Path, *rows: str, header: str = HEADER, mark: str = "", end: str = "\n") -> Path:
    file = folder / "dpg.csv"
    file.write_bytes((mark + "".join(f"{row}{end}" for row in (header, *rows))).encode())
    return file


@pytest.mark.parametrize(("mark", "end"), [("", "\n"), ("\ufeff", "\r\n")], ids=["plain", "Windows"])
def test_dpg_rows_of_one_prompt_are_one_prompt(tmp_path: Path, mark: str, end: str) -> None:
    file = write_csv(
        tmp_path,
        '0,"A tree, and a ""red"" barn",k,1,0,entity,whole,entity - whole (tree),Is there a tree?',
        '0,"A tree, and a ""red"" barn",k,2,1,attribute,color,attribute - color (red),Is it red?',
        f'p1,"a cat{end}on a mat ",k,1,0,entity,whole,e,Is there a cat?',
        '0,"A tree, and a ""red"" barn",k,3,1,relation,spatial,r,Are they near?',
        "p1,a cat on a mat,k,2,0,entity,whole,e,Is there a mat?",
        mark=mark,
        end=end,
    )
    prompts = read_prompts("dpg-bench", file, "dpg").prompts
    assert [(prompt.key, prompt.text) for prompt in prompts] == [
        ("0", 'A tree, and a "red" barn'),
        ("p1", "a cat\non a mat "),
    ]
    assert {prompt.category for prompt in prompts} == {"dense"}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (("0,fog,,1,0,e,w,t,q", "0,rain,,2,0,e,w,t,q"), "line 3: its key '0' is that of line 2, with another prompt"),
        (("0,,,1,0,e,w,t,q",), "line 2: prompt is missing"),
        ((",fog,,1,0,e,w,t,q",), "line 2: item_id is empty"),
        (("0,fog,,1",), "line 2: it has 4 cells; the first line has 9"),
    ],
)
def test_dpg_rows_that_contradict_each_other_are_refused(tmp_path: Path, rows: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputFileError, match=message):
        read_prompts("dpg-bench", write_csv(tmp_path, *rows), "dpg")


def test_dpg_needs_a_text_or_a_prompt_and_not_two(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match="The file has no column text or prompt"):
        read_prompts("dpg-bench", write_csv(tmp_path, "0,fog", header="item_id,caption"), "dpg")
    file = write_csv(tmp_path, "0,fog,rain", header="item_id,text,prompt")
    with pytest.raises(InputFileError, match="line 2: it has a text and another prompt"):
        read_prompts("dpg-bench", file, "dpg")


def write_texts(folder: Path, **texts: str | bytes) -> Path:
    (folder / "dpg").mkdir()
    for name, text in texts.items():
        (folder / "dpg" / f"{name}.txt").write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder / "dpg"


def test_dpg_is_read_from_its_folder_of_texts(tmp_path: Path) -> None:
    folder = write_texts(tmp_path, **{"10": "fog\n", "2": "\ufeffa cat\r\non a mat\r\n", "p1": '  the "word"'})
    (folder / ".DS_Store").write_bytes(b"\0")
    (folder / "Thumbs.db").write_bytes(b"\0")
    prompts = read_prompts("dpg-bench", folder, "dpg").prompts
    assert [(prompt.key, prompt.text) for prompt in prompts] == [
        ("10", "fog"),
        ("2", "a cat\non a mat"),
        ("p1", 'the "word"'),
    ]
    assert [prompt.text for prompt in read_prompts("dpg-bench", folder / "10.txt", "dpg").prompts] == ["fog"]


def test_each_file_of_a_folder_that_is_no_prompt_is_named(tmp_path: Path) -> None:
    folder = write_texts(tmp_path, good="fog", empty="", latin=b"caf\xe9", binary=b"a\0b", large="x" * 2_000_000)
    (folder / "good.TXT").write_text("rain")
    (folder / "README.md").write_text("none")
    (folder / "deeper.txt").mkdir()
    with pytest.raises(InputFileError) as caught:
        read_prompts("dpg-bench", folder, "dpg")
    first, *lines = str(caught.value).splitlines()
    assert first == "7 files are not the text of a prompt:"
    assert [line.partition(":")[0].strip(" '") for line in lines] == [
        *("README.md", "binary.txt", "deeper.txt", "empty.txt", "good.txt", "large.txt", "latin.txt")
    ]
    assert "it does not end in .txt" in lines[0]
    assert "has U+0000" in lines[1]
    assert "it is not a file" in lines[2]
    assert "has 0 characters and none that can be seen" in lines[3]
    assert "another file has the same name up to its ending" in lines[4]
    assert "it has more than 1 MiB" in lines[5]
    assert "it is not UTF-8" in lines[6]


def test_a_folder_without_texts_and_a_folder_for_another_benchmark_are_refused(tmp_path: Path) -> None:
    folder = write_texts(tmp_path)
    with pytest.raises(InputFileError, match="The file has no prompts"):
        read_prompts("dpg-bench", folder, "dpg")
    with pytest.raises(InputFileError, match="dpg is a folder; PartiPrompts is read from a file"):
        read_prompts("parti", folder, "parti")


def test_dpg_item_id_may_be_a_number(tmp_path: Path) -> None:
    assert read_rows(tmp_path, "dpg-bench", {"item_id": 12, "prompt": "fog"})[0].key == "12"


GOOD = {"item_id": "1", "prompt": "fog"}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("{", "line 3: it is not JSON"),
        ("[" * 100_000, "line 3: it is not JSON"),
        ("[]", "line 3: it is not a JSON object; wanted one object per line"),
        ('{"item_id": "2", "item_id": "3", "prompt": "p"}', "line 3: it is not JSON: the key 'item_id' is there twice"),
        ({"item_id": "2"}, "line 3: prompt is missing"),
        ({"item_id": [2], "prompt": "p"}, r"line 3: item_id is '\[\"2\"\]'; wanted text"),
        ({"item_id": "2", "prompt": " "}, "line 3: The prompt has 1 characters and none that can be seen"),
        ({"item_id": "2", "prompt": "a\0b"}, "line 3: it has a NUL character, which cannot be stored"),
        ({"item_id": "1", "prompt": "rain"}, "line 3: its key '1' is that of line 1"),
    ],
)
def test_file_with_an_invalid_row_is_refused(tmp_path: Path, row: Any, message: str) -> None:
    with pytest.raises(InputFileError, match=message) as caught:
        read_rows(tmp_path, "dpg-bench", GOOD, "", row, {**GOOD, "item_id": "4"})
    assert "The file is not a valid DPG-Bench file. 1 line is invalid" in str(caught.value)


def test_file_of_another_benchmark_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match="The file has no column tag, and no column include"):
        read_rows(tmp_path, "geneval", GOOD)
    file = tmp_path / "parti.tsv"
    file.write_text("Prompt\tCategory\tChallenge\nfog\tArts\n")
    with pytest.raises(InputFileError, match="line 2: it has 2 cells; the first line has 3"):
        read_prompts("parti", file, "parti")


def test_file_without_prompts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match="The file is empty"):
        read_rows(tmp_path, "dpg-bench")
    with pytest.raises(InputFileError, match="cannot be read"):
        read_prompts("dpg-bench", tmp_path / "none.jsonl", "none")
    (tmp_path / "latin.jsonl").write_bytes(b'{"item_id": "1", "prompt": "fog"}\n{"item_id": "\xe9", "prompt": "fog"}')
    with pytest.raises(InputFileError, match="line 2: it is not UTF-8; save the file as UTF-8"):
        read_prompts("dpg-bench", tmp_path / "latin.jsonl", "latin")


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cf"]), min_size=1).map(lambda text: f"x{text}"))
def test_written_prompt_file_reads_back(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    prompt = {
        "key": "k",
        "text": f'{text}\n\t"{text}"\\',
        "targets": [text, "'"],
        "checks": [{"object": text, "count": 2, "position": {"relation": "above", text: 1.5}, "not": [True]}],
    }
    declared = PromptSetDeclaration.model_validate({"slug": "s", "version": "1", "title": "T", "prompts": [prompt]})
    file = tmp_path_factory.mktemp("packs") / "pack.toml"
    file.write_text(format_prompt_set(declared), encoding="utf-8")
    assert read_pack(file).declared == declared


@pytest.mark.django_db
def test_command_creates_a_prompt_set_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "My rows.jsonl"
    file.write_text(json.dumps(GOOD))
    for _ in range(2):
        call_command("import_prompts", "dpg-bench", str(file))
    assert str(PromptSet.objects.get()) == "my-rows 1"
    assert "1 prompts of DPG-Bench are in prompt set my-rows 1." in capsys.readouterr().out
    file.write_text(json.dumps({**GOOD, "prompt": "rain"}))
    with pytest.raises(CommandError, match=r"exists with other prompts.*--slug"):
        call_command("import_prompts", "dpg-bench", str(file))
    call_command("import_prompts", "dpg-bench", str(file), slug="rain")
    assert PromptSet.objects.get(slug="rain").prompts.get().text == "rain"


@pytest.mark.django_db
def test_command_imports_nothing_of_an_invalid_file(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text(json.dumps(GOOD) + '\n{"item_id": "2"}')
    with pytest.raises(CommandError, match=r"Nothing was imported from rows\.jsonl.*\n.*line 2"):
        call_command("import_prompts", "dpg-bench", str(file))
    assert not PromptSet.objects.exists()
    file.write_text(json.dumps(GOOD))
    with pytest.raises(CommandError, match="Nothing was imported"):
        call_command("import_prompts", "dpg-bench", str(file), slug="no slug")


@pytest.mark.django_db
@pytest.mark.parametrize(("name", "slug"), [("DPG v1.1", "dpg-v1-1"), ("提示", "prompts-f56c6c82")])
def test_slug_of_a_prompt_set_is_that_of_its_files_name(tmp_path: Path, name: str, slug: str) -> None:
    file = tmp_path / f"{name}.json"
    file.write_text(json.dumps([GOOD]))
    call_command("import_prompts", "dpg-bench", str(file))
    assert PromptSet.objects.get().slug == slug


def test_command_needs_a_slug_where_the_files_name_has_none(tmp_path: Path) -> None:
    file = tmp_path / "---.jsonl"
    file.write_text(json.dumps(GOOD))
    with pytest.raises(CommandError, match=r"---\.jsonl gives the prompt set no slug: it has no letter.*--slug"):
        call_command("import_prompts", "dpg-bench", str(file))


def test_command_writes_a_prompt_file(tmp_path: Path) -> None:
    file, out = tmp_path / "rows.jsonl", tmp_path / "rows.toml"
    file.write_text(json.dumps(GOOD))
    call_command("import_prompts", "dpg-bench", str(file), out=out)
    assert read_pack(out).declared.prompts[0].text == "fog"


# Files as people have them


@pytest.mark.parametrize(
    ("file_format", "name", "texts"),
    [
        ("dpg-bench", "dpg.csv", ['A tall tree, and a "red" barn', "a cat"]),
        ("dpg-bench", "dpg_txt.txt", ["A tall tree and a red barn"]),
        ("parti", "parti_crlf_bom.tsv", ["a cat"]),
        ("parti", "parti_quotes.tsv", ['a sign that reads "Hello', '"a cat" on a "mat"', "5' tall man"]),
        ("longtext-bench", "longtext_crlf.jsonl", ["p"]),
        ("geneval", "geneval_count_only.jsonl", ["three clocks"]),
    ],
)
def test_field_file(shared_data: Path, file_format: str, name: str, texts: list[str]) -> None:
    file = shared_data / "field" / "prompts" / name
    if not file.exists():
        pytest.skip(f"there is no {file}")
    assert [prompt.text for prompt in read_prompts(file_format, file, "field").prompts] == texts


# The published files; the expected numbers were counted in them.


def test_parti_as_published(shared_data: Path) -> None:
    prompts = read_prompts("parti", shared_data / "prompts" / "parti.tsv", "parti").prompts
    assert len(prompts) == 1632
    assert Counter(prompt.category for prompt in prompts)["Animals"] == 314
    assert Counter(prompt.tags[0] for prompt in prompts)["Writing & Symbols"] == 91


def test_geneval_as_published(shared_data: Path) -> None:
    prompts = read_prompts("geneval", shared_data / "prompts" / "geneval.jsonl", "geneval").prompts
    kinds = Counter(prompt.category for prompt in prompts)
    assert kinds == {
        **{"position": 100, "color_attr": 100, "two_object": 99},
        **{"colors": 94, "single_object": 80, "counting": 80},
    }
    checked = {name: sum(any(name in c for c in p.checks) for p in prompts) for name in ("count", "color", "position")}
    assert checked == {"count": 80, "color": 194, "position": 100}
    (dog,) = [prompt for prompt in prompts if prompt.text == "a photo of a dog right of a teddy bear"]
    assert dog.checks[1] == {"object": "dog", "position": {"relation": "right of", "other": "teddy bear"}}


def test_dpg_bench_as_published(shared_data: Path) -> None:
    prompts = read_prompts("dpg-bench", shared_data / "prompts" / "dpg_bench.jsonl", "dpg").prompts
    assert (len(prompts), prompts[2].key) == (1065, "10")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_longtext_bench_as_published(shared_data: Path, language: str) -> None:
    file = shared_data / "prompts" / f"longtext_{language}.jsonl"
    prompts = read_prompts("longtext-bench", file, "longtext").prompts
    assert len(prompts) == 160
    assert {prompt.language for prompt in prompts} == {language}
    assert Counter(prompt.category for prompt in prompts).most_common(1)[0][1] == 20
    assert all(prompt.targets for prompt in prompts)
