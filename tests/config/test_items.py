"""Where the items of a section stand: all the text is there again, and what is laid out otherwise is left alone."""

from __future__ import annotations

import pytest

from meshkit.config.items import SLICE, split

TEXT = """\
mesh: shop
routes:
  # the shop

  - name: pay
    to: payments
  - name: orders   # all of them

    to: orders
  # the last one
  - {to: stock}
clusters:
  stock:
    endpoints:
      - 10.0.0.1:80
  - no: item
"""


def test_items_begin_with_a_dash_at_the_indentation_of_the_first():
    items = split(TEXT)
    assert items is not None
    assert items.head.endswith("# the shop\n\n")
    assert items.items == [
        "  - name: pay\n    to: payments\n",
        "  - name: orders   # all of them\n\n    to: orders\n  # the last one\n",
        "  - {to: stock}\n",
    ]
    assert items.tail.startswith("clusters:")
    assert "".join((items.head, *items.items, items.tail)) == TEXT


def test_a_list_that_is_not_indented_ends_with_the_next_section():
    items = split("routes:\n- to: a\n\n- to: b\n# more\nnodes:\n- x\n")
    assert items == ("routes:\n", ["- to: a\n\n", "- to: b\n# more\n"], "nodes:\n- x\n")


def test_a_section_at_the_end_and_lines_of_windows():
    items = split(TEXT.partition("clusters")[0].rstrip("\n").replace("\n", "\r\n"))
    assert items is not None
    assert items.items[-1] == "  - {to: stock}"
    assert items.items[0] == "  - name: pay\r\n    to: payments\r\n"
    assert items.tail == ""


@pytest.mark.parametrize("shift", range(-3, 3))
def test_a_section_ends_wherever_that_is(shift):
    head = "routes:\n"
    item = "  - to: a\n" + "    # " + "x" * (SLICE + shift - 17) + "\n"
    text = f"{head}{item}mesh: b\n"
    assert split(text) == (head, [item], "mesh: b\n")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "mesh: shop\n",
        "routes:",
        "routes:\n",
        "routes:\n  # nothing\n",
        "routes: [{to: a}]\n",
        "routes: # a word\n  [{to: a}]\n",
        "routes:# no key\n  - to: a\n",
        "routes:\n  -\n    to: a\n",
        "routes:\n  -\tto: a\n",
        "routes:\n  - to: a\nroutes:\n  - to: b\n",
        "'routes':\n  - to: a\n",
        "{mesh: a, routes: [\n  - to: a\n]}\n",
        "routes:\n  - to: a\r  - to: b\n",
        "routes:\n  name:\n  - to: a\n",
    ],
)
def test_what_is_laid_out_otherwise_is_not_taken_apart(text):
    assert split(text) is None
