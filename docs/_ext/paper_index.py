"""Where the paper's equations, sections and tables are in the code, read from the docstrings that cite them.

A docstring cites the paper as ``Eq. 2``, ``Eqs. 5, 6``, ``paper 3.2``, ``section 4.1``, ``App. B``, ``Table 7`` or
``Figure 1``. A place that :data:`PLACES` does not have is an error, so that a slip of the pen does not go unnoticed.
"""

from __future__ import annotations

import ast
import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList
from sphinx.application import Sphinx

PLACES = {
    "Eq. 1": "the DPO loss of a labelled pair",
    "Eq. 2": "Bradley-Terry loss on the disagreement set",
    "Eq. 3": "classification loss, auxiliary",
    "Eq. 5": "posterior covariance of an arm",
    "Eq. 6": "posterior mean of an arm",
    "Section 3.1": "online DPO with routed labels",
    "Section 3.2": "the offline router",
    "Section 3.3": "the online router: Thompson sampling",
    "Section 3.4": "the offline router as the prior of the online one",
    "Section 4.1": "settings, baselines, what is counted",
    "Section 4.2": "routing accuracy",
    "Section 4.3": "the replay and its ablations",
    "Section 4.4": "benchmarks of policies",
    "App. A": "data sets and training",
    "App. B": "the bandit reward",
    "Table 1": "policies, by benchmark",
    "Table 2": "routing accuracy",
    "Table 3": "annotation accuracy in the replay",
    "Table 4": "taken to be: routing accuracy by the size of the encoder",
    "Table 5": "taken to be: policies, by how the offline router is used online",
    "Table 6": "ways to join offline and online scores",
    "Table 7": "ways to reward the bandit",
    "Figure 1": "the pipeline",
    "Figure 2": "time against the size of the pool",
}
"""The places that can be cited, in the paper's order."""

_LIST = r"(\d(?:\.\d)?(?:(?:, | and |, and )\d(?:\.\d)?)*)"
_CITATIONS = {
    "Eq. ": re.compile(rf"\bEqs?\. {_LIST}"),
    "Section ": re.compile(rf"\b(?:[Ss]ections?|paper) (?=\d\.\d){_LIST}"),
    "App. ": re.compile(r"\b(?:App\.|[Aa]ppendix) ([A-Z])\b"),
    "Table ": re.compile(rf"\bTables? {_LIST}"),
    "Figure ": re.compile(rf"\bFigures? {_LIST}"),
}


@dataclasses.dataclass(frozen=True)
class Entry:
    """A docstring that cites the paper: ``name`` as Python imports it, and its first sentence."""

    place: str
    name: str
    is_module: bool
    says: str

    @property
    def module(self) -> str:
        """The name without its first part, ``rewardrouter``: short, and the same whoever reads it."""
        return self.name.partition(".")[2]


def entries(package: Path) -> list[Entry]:
    """Return what cites the paper in the package at that folder, in the order of the paper and then of the modules.

    Raises
    ------
    ValueError
        If a docstring cites a place that the paper does not have.
    """
    found = []
    for file in sorted(package.rglob("*.py")):
        parts = file.relative_to(package.parent).with_suffix("").parts
        module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        for name, is_module, text in _docstrings(ast.parse(file.read_text(encoding="utf-8")), module):
            for place in cited(text):
                if place not in PLACES:
                    raise ValueError(f"{name}: cites {place}, which is no place in the paper")
                found.append(Entry(place, name, is_module, _first_sentence(text)))
    order = list(PLACES)
    return sorted(found, key=lambda entry: (order.index(entry.place), not entry.is_module))


def cited(docstring: str) -> list[str]:
    """Return the places that a docstring cites, each once."""
    text = " ".join(docstring.split())
    places = [
        kind + number
        for kind, pattern in _CITATIONS.items()
        for match in pattern.finditer(text)
        for number in re.findall(r"\d(?:\.\d)?|[A-Z]", match[1])
    ]
    return list(dict.fromkeys(places))


def _docstrings(node: ast.AST, name: str) -> Iterator[tuple[str, bool, str]]:
    """Yield name, whether it is a module, and docstring of all that is public below ``node``."""
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and (text := ast.get_docstring(node)):
        yield name, isinstance(node, ast.Module), text
    if not isinstance(node, ast.Module | ast.ClassDef):
        return
    for before, after in zip(node.body, [*node.body[1:], None], strict=True):
        if isinstance(before, ast.ClassDef | ast.FunctionDef) and not before.name.startswith("_"):
            yield from _docstrings(before, f"{name}.{before.name}")
        target = _assigned(before)
        match after:
            case ast.Expr(value=ast.Constant(value=str() as text)) if target and not target.startswith("_"):
                yield f"{name}.{target}", False, text


def _assigned(statement: ast.stmt) -> str | None:
    match statement:
        case ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]):
            return name
    return None


def _first_sentence(text: str) -> str:
    """Return the docstring's first sentence, without citations in brackets and without links."""
    paragraph = " ".join(text.split("\n\n")[0].split())
    paragraph = re.sub(r" \((?:the )?(?:paper|Eqs?\.|App\.|Tables?|section)[^()]*\)", "", paragraph)
    paragraph = re.sub(r":\w+(?::\w+)?:`~?([^`]+)`", r"``\1``", paragraph)
    return re.split(r"\.(?= [A-Z`])", paragraph, maxsplit=1)[0].rstrip(".:")


class PaperIndex(Directive):
    """``paper-index``: a table for every place of the paper that the code cites."""

    def run(self) -> list[nodes.Node]:
        """Return the tables; what has a page here is linked."""
        folder = Path(__file__).resolve().parents[2] / "src" / "rewardrouter"
        pages = (Path(__file__).resolve().parents[1] / "api").glob("*.rst")
        linked = {
            one
            for page in pages
            for one in re.findall(r"automodule:: (\S+)", page.read_text(encoding="utf-8"))
        }
        lines: list[str] = []
        by_place: dict[str, list[Entry]] = {}
        for entry in entries(folder):
            by_place.setdefault(entry.place, []).append(entry)
        lines += [", ".join(f"`{place} <{_anchor(place)}_>`__" for place in by_place), ""]
        for place, cites in by_place.items():
            lines += [f".. rubric:: {place}: {PLACES[place]}", f"   :name: {_anchor(place)}", ""]
            lines += [".. list-table::", "   :widths: 40 60", ""]
            for entry in cites:
                lines += [f"   * - {_shown(entry, linked)}", f"     - {entry.says}"]
            lines.append("")
        parent = nodes.section()
        self.state.nested_parse(StringList(lines, "paper index"), self.content_offset, parent)
        return parent.children


def _anchor(place: str) -> str:
    """Return the name by which a place's table is linked to."""
    return "paper-" + re.sub(r"[^a-z0-9]+", "-", place.lower())


def _shown(entry: Entry, linked: set[str]) -> str:
    owners = [entry.name] if entry.is_module else [entry.name.rpartition(".")[0]]
    if not entry.is_module:
        owners.append(owners[0].rpartition(".")[0])
    if not linked.intersection(owners):
        return f"``{entry.module}``"
    return f":py:{'mod' if entry.is_module else 'obj'}:`{entry.module} <{entry.name}>`"


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("paper-index", PaperIndex)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
