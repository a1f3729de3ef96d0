"""What is said of a text that is no YAML: where the mistake is, rather than where the parser gave up."""

from __future__ import annotations

import pytest

from meshkit.config import FileErrors, parse

ROWS = [
    # What is not closed.
    ("a: [b, c\nd: 1\n", "1:4: [ is not closed up to line 2; write ], and a comma between two values"),
    ("a: {b: c}\nd: {e: f\ng: 1\n", "2:4: { is not closed up to line 3; write }, and a comma between two values"),
    ("a: [b, c}\n", "1:4: [ is not closed in this line; write ], and a comma between two values"),
    ("a: [1", "1:4: [ is not closed in this line; write ], and a comma between two values"),
    ("a: 'b\nc: 1\n", "1:4: a quote that is opened here, and never closed; close it where the text ends"),
    # A blank is missing.
    ("routes:\n-match: a\n to: b\n", "2:1: there is no blank behind the -; write one"),
    ("a:\n  - b: 1\n    c: 2\n  -b: 1\n", "4:3: there is no blank behind the -; write one"),
    ("a:1\nb: 2\n", "1:3: there is no blank behind the colon; write one"),
    ("a:\n  - b:\n    c:[1]\n    d: 1\n", "3:7: there is no blank behind the colon; write one"),
    # Indentation.
    ("a:\n  b: 1\n   c: 2\n", "3:4: the line above has a value already; indent this one as its neighbours"),
    (
        "a:\n   b: 1\n  c: 2\n",
        "3:3: no line before it is indented like that; indent it as its neighbours, or as line 1",
    ),
    ("a:\n  - b\n  c: d\n", "3:3: the list of line 2 goes on without a -; write one, or indent the line"),
    ("a:\n\tb: c\n", "2:1: a tab; indent with blanks"),
    ("a:\n  b: 1\n\tc: 2\n", "3:1: a tab; indent with blanks"),
    # What needs quotes.
    ("a: *.shop\n", "1:4: a text that begins with * is a name in YAML; put the text in quotes"),
    ("a: & b\n", "1:4: a text that begins with & is a name in YAML; put the text in quotes"),
    ("a: %b\n", "1:4: no value begins with %; put the text in quotes"),
    ("a: b: c\n", "1:5: no YAML: a text with a colon or a quote in it; put the text in quotes"),
    ("a: 'it's'\n", "1:8: no YAML: a text with a colon or a quote in it; put the text in quotes"),
    (
        'a: "\\d+"\n',
        "1:5: a backslash in double quotes has a meaning of its own; write two backslashes, or put it in single quotes",
    ),
    # And what else there is.
    ("a: 1\nbc\nd: 2\n", "2:1: a line without a colon; write a key, a colon and a value"),
    ("a: - b\n", "1:4: a list begins on a line of its own; write its first - on the next line"),
    ("a: !x!y b\n", "1:4: a tag; leave it out: no value of this file needs one"),
    ("a: 1\n...\nb: 2\n", "3:1: something follows the end of the document; a file holds one"),
    ("a: [{{ b }}]\n", "1:6: a template: {{; nothing is filled in here: write the value itself"),
    ("%YAML 9.9\n--- 1", "1:1: no YAML: found incompatible YAML document"),
    ("a: |x\n", "1:5: no YAML: did not find expected comment or line break"),
]


@pytest.mark.parametrize(("text", "mistake"), ROWS, ids=[repr(text) for text, _ in ROWS])
def test_what_is_no_yaml_is_told_where_the_mistake_is(text: str, mistake: str) -> None:
    with pytest.raises(FileErrors) as caught:
        parse(text, "a.yaml")
    (told,) = caught.value.mistakes
    assert str(told) == f"a.yaml:{mistake}"


def test_what_looks_like_a_missing_blank_is_none_where_it_is_far_away_or_a_port() -> None:
    for above in ("- orders:8080\n", "- http://orders\n", "-a: 1\n\n\n\n"):
        with pytest.raises(FileErrors) as caught:
            parse(f"x: 'a'\ny:\n{above}z: b: c\n", "a.yaml")
        assert "blank behind" not in str(caught.value)
