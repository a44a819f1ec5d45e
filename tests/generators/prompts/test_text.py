"""Text of a prompt: any script and emoji, no control characters, not too long, and something to see."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generators.prompts.text import MAX_PROMPT, check_prompt


@pytest.mark.parametrize(
    "text",
    [
        "a",
        "a red star\n\ton two lines\r\n",
        "قطة حمراء تحت شجرة",
        "חתול \u200fאדום",
        "二匹の猫",
        "👩‍👩‍👧 and 🏴󠁧󠁢󠁥󠁮󠁧󠁿",
        "می\u200cخواهم",
        "?",
        "x" * MAX_PROMPT,
    ],
)
def test_text_of_any_script_is_returned_unchanged(text: str) -> None:
    assert check_prompt(text) is text


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "none that can be seen"),
        (" \n\t\u3000", "4 characters and none that can be seen"),
        ("\u200b\u200d", "none that can be seen"),
        ("x" * (MAX_PROMPT + 1), "10,001 characters; at most 10,000"),
        ("a\x00b", r"U\+0000 \(a control character\) at character 2"),
        ("a\x1b[31m", r"U\+001B"),
        ("a\x85b", r"U\+0085"),
        ("a\x7f", r"U\+007F"),
        ("half \ud83d", r"U\+D83D"),
        ("evil \u202etxt", r"U\+202E \(RIGHT-TO-LEFT OVERRIDE\) at character 6"),
        ("\u2066isolate\u2069", r"U\+2066 \(LEFT-TO-RIGHT ISOLATE\)"),
    ],
)
def test_forbidden_text_is_refused_with_the_reason(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        check_prompt(text)


@given(st.text(max_size=50))
def test_accepted_text_can_be_stored_and_seen(text: str) -> None:
    try:
        check_prompt(text)
    except ValueError:
        return
    assert "\x00" not in text
    text.encode()
    assert any(unicodedata.category(character)[0] in "LMNPSC" for character in text)
