"""Lines of keys in TOML."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generators.input_files.toml_lines import find_error_line, find_line, find_lines

TEXT = '''\
# a comment
name = "n" # = [[not a table]]

text = """
[[metrics]]
metric = 1
"""
list = [
  1,
  # two
  2,
]
dotted.key = { inline = 1 }

[[metrics]]
metric = "a"

[[metrics]]
label = "b"
"quoted key" = 3
[metrics.inner]
deep = true
[[metrics.inner.rows]]
x = 1
[[metrics.inner.rows]]
x = 2

[last]
end = 1
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("name",), 2),
        (("text",), 4),
        (("list",), 8),
        (("list", 1), 8),
        (("dotted", "key", "inline"), 13),
        (("metrics",), 15),
        (("metrics", 0), 15),
        (("metrics", 0, "metric"), 16),
        (("metrics", 1), 18),
        (("metrics", 1, "label"), 19),
        (("metrics", 1, "quoted key"), 20),
        (("metrics", 1, "inner", "deep"), 22),
        (("metrics", 1, "inner", "rows", 1, "x"), 26),
        (("last", "end"), 29),
    ],
)
def test_a_key_has_its_line(path: tuple[str | int, ...], line: int) -> None:
    assert find_line(find_lines(TEXT), path) == line
    assert find_line(find_lines(TEXT.replace("\n", "\r\n")), path) == line


def test_what_is_not_there_has_the_line_of_its_table() -> None:
    assert find_line(find_lines(TEXT), ("metrics", 1, "metric")) == 18
    assert find_line(find_lines(TEXT), ("metrics", 0, "deeper", "still")) == 15
    assert find_line(find_lines(TEXT), ("title",)) == 1
    assert find_line({}, ("title",)) == 1


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=12))
def test_the_line_of_each_row_of_a_table_is_found(rows: list[tuple[int, bool]]) -> None:
    lines, wanted = [], []
    for blank, long in rows:
        lines += ["# [[rows]]", *[""] * blank, "[[rows]]"]
        wanted.append(len(lines))
        lines += ['x = """', "[[rows]]", '"""'] if long else ["x = 1"]
    text = "\n".join(lines)
    assert len(tomllib.loads(text).get("rows", [])) == len(rows)
    found = find_lines(text)
    assert [find_line(found, ("rows", index)) for index in range(len(rows))] == wanted
    assert [find_line(found, ("rows", index, "x")) for index in range(len(rows))] == [line + 1 for line in wanted]


@pytest.mark.parametrize(("text", "line"), [("a = 1\nb = \n", 2), ("a = 1\na = 2\n", 2), ('a = """\nb\n', 3)])
def test_a_syntax_error_has_its_line(text: str, line: int) -> None:
    with pytest.raises(tomllib.TOMLDecodeError) as caught:
        tomllib.loads(text)
    assert find_error_line(caught.value, text) == line


@pytest.mark.parametrize(
    "value",
    [
        '""',
        '""""""',
        '"""\na"""',
        '""""quoted" at both ends"""""',
        '"""two quotation marks at the end"""""',
        '"""a \\""" inside"""',
        '"a \\" # [ inside"',
        "'''\n[x]\n'''",
        "''''''",
        "'a # { inside'",
        "[ # ]\n 1, [2,\n 3] ]",
        '{ a = "}", b = [1] }',
        "1 # [",
    ],
)
def test_a_value_ends_where_toml_says(value: str) -> None:
    text = f"a = {value}\nb = 1\n[table]\nc = {value}\nd = 2\n"
    tomllib.loads(text)
    lines = find_lines(text)
    n = value.count("\n")
    assert [lines[path] for path in [("a",), ("b",), ("table",), ("table", "c"), ("table", "d")]] == [
        1,
        2 + n,
        3 + n,
        4 + n,
        5 + 2 * n,
    ]


def test_a_long_file_with_many_paths_is_read_once() -> None:
    # Read again for each path, or from the start of each value, this would take hours.
    n = 20_000
    text = "list = [\n" + "1,\n" * n + "]\n" + "[[rows]]\nx = 1\n" * n
    lines = find_lines(text)
    assert [find_line(lines, ("rows", index, "x")) for index in range(n)] == list(range(n + 4, 3 * n + 4, 2))
