"""Reading a report back: its tables by their captions, its text, its SVGs."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from html.parser import HTMLParser

import pytest

VOID = {"meta", "link", "br", "wbr", "img", "hr"}


@dataclasses.dataclass
class ReadCell:
    """A cell: its figure, and the small print below."""

    text: str = ""
    detail: str = ""

    @property
    def numbers(self) -> list[float]:
        """Every number in the cell, in order."""
        return numbers(f"{self.text} {self.detail}")


@dataclasses.dataclass
class ReadTable:
    """A table: its columns, and its rows as cells; the first cell of a row is its head without the mark."""

    columns: list[str] = dataclasses.field(default_factory=list)
    rows: list[list[ReadCell]] = dataclasses.field(default_factory=list)

    def of(self, head: str) -> list[list[ReadCell]]:
        """The cells beside a head, of every row that has it."""
        return [row[1:] for row in self.rows if row[0].text == head]

    def one(self, head: str) -> list[ReadCell]:
        """The cells of the only row of that head."""
        (row,) = self.of(head)
        return row


def numbers(text: str) -> list[float]:
    """The numbers among the words of a text."""
    found = []
    for word in text.replace("−", "-").replace(",", "").split():
        try:
            found.append(float(word))
        except ValueError:
            continue
    return found


def shown(cells: Sequence[ReadCell]) -> list[float]:
    """All numbers in some cells, in order."""
    return [number for cell in cells for number in cell.numbers]


def percent(value: float) -> object:
    """What a share is approximately equal to where it is shown in percent."""
    return pytest.approx(100 * value, abs=0.0501)


def points(value: float) -> object:
    """What a difference of shares is approximately equal to where it is shown in points."""
    return pytest.approx(100 * value, abs=0.00501)


class Page(HTMLParser):
    """A parsed page.

    ``tables`` by caption (those of several runs one after the other), ``text`` outside of styles, ``svg_labels``,
    ``svg_texts``, ``ids``, ``references`` (what ``#...`` points to), ``tags``, and every attribute in ``attributes``.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tables: dict[str, list[ReadTable]] = {}
        self.text = ""
        self.svg_labels: list[str] = []
        self.svg_texts: list[str] = []
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self._open: list[str] = []
        self._small: list[bool] = []
        self.feed(html)
        self.close()
        assert self._open == [], "unclosed elements"

    def table(self, caption: str) -> ReadTable:
        """The only table whose caption begins so."""
        (found,) = [
            table for name, tables in self.tables.items() if name.startswith(caption) for table in tables
        ]
        return found

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.tags.append(tag)
        self.attributes += given.items()
        if "id" in given:
            self.ids.append(given["id"])
        if tag == "svg":
            self.svg_labels.append(given["aria-label"])
        if tag == "table":
            self._table = ReadTable()
            self.tables.setdefault(given["aria-label"], []).append(self._table)
        if tag == "tr":
            self._table.rows.append([])
        if tag in ("td", "th"):
            self._table.rows[-1].append(ReadCell())
        if tag == "text":
            self.svg_texts.append("")
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag
        if tag in ("td", "th"):
            cell = self._table.rows[-1][-1]
            cell.text = cell.text.strip()
        if tag == "thead":
            self._table.columns = [cell.text for cell in self._table.rows.pop()]

    def handle_data(self, data: str) -> None:
        if "style" in self._open:
            return
        if "text" in self._open:
            self.svg_texts[-1] += data
            return
        self.text += data
        if "tr" in self._open and self._table.rows[-1]:
            cell = self._table.rows[-1][-1]
            if self._open[-1] == "small":
                cell.detail += data
            elif self._open[-1] != "span":  # the mark beside a head
                cell.text += data
