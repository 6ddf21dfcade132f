"""The experiments of ``reproduce`` as tables, made from their files, so that none can be forgotten.

::

    ```{experiments} tables
    ```

``tables`` lists the paper's, ``ablations`` the others; what the paper's Tables 4 and 5 are taken to hold is listed by
``guesses``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList
from sphinx.application import Sphinx

from rewardrouter.config.experiment import ExperimentConfig
from rewardrouter.experiments.catalogue import FOLDER, experiment_named, experiment_names

KINDS = ("tables", "ablations", "guesses")


def rows(kind: str) -> list[str]:
    """Return the lines of one kind in Markdown.

    Raises
    ------
    ValueError
        If there is no such kind.
    """
    if kind not in KINDS:
        raise ValueError(f"experiments: no kind {kind!r}; there are {', '.join(KINDS)}")
    known = {name: experiment_named(name) for name in experiment_names()}
    if kind == "guesses":
        return [
            f"- {one.paper_table}: {_sentence(one.taken_to_be)}" for one in known.values() if one.taken_to_be
        ]
    wanted = {name: one for name, one in known.items() if (one.paper_table is not None) == (kind == "tables")}
    head = ["| `reproduce` | what it shows | figures of | rows | scale and seeds |", "|---|---|---|---|---|"]
    return [*head, *_table(wanted)]


def _table(known: dict[str, ExperimentConfig]) -> Iterator[str]:
    for name, one in known.items():
        scales = ", ".join(f"{scale} {getattr(one.seeds, scale)}" for scale in one.scales)
        yield f"| `{name}` | {one.title} | `{one.measure}` | {len(one.rows)} | {scales} |"


def _sentence(text: str | None) -> str:
    return f"{(text or '').strip().rstrip('.')}."


class Experiments(Directive):
    """``{experiments} KIND``."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the table or list, parsed as part of the page."""
        env = self.state.document.settings.env
        for file in Path(FOLDER).glob("*.yaml"):
            env.note_dependency(str(file))
        try:
            lines = rows(self.arguments[0])
        except ValueError as error:
            raise self.error(str(error)) from None
        parent = nodes.container()
        self.state.nested_parse(StringList(lines, "experiments"), self.content_offset, parent)
        return parent.children


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("experiments", Experiments)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
