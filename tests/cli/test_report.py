"""``rewardrouter report``: where the page goes, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import done, refused, start
from replay_results import replay_results
from training_results import training_results

from rewardrouter.report import render

RESULTS = replay_results(("router", "single/rm"), rms=["rm"])


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    RESULTS.write(folder / "results.json")
    return folder


def test_one_run_has_its_report_beside_its_results(finished: Path) -> None:
    ended = done("report", finished)
    assert (ended.out, ended.err) == (f"Report: {finished / 'report.html'}\n", "")
    assert (finished / "report.html").read_text(encoding="utf-8") == render({"run": RESULTS})


def test_several_runs_have_theirs_here(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    RESULTS.write(other / "results.json")
    monkeypatch.chdir(tmp_path)
    assert done("report", finished, other).out == "Report: report.html\n"
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == render(
        {"run": RESULTS, "other": RESULTS}
    )


def test_or_where_it_is_asked_for(finished: Path, tmp_path: Path) -> None:
    file = tmp_path / "elsewhere.html"
    assert done("report", finished, "--out", file).out == f"Report: {file}\n"
    assert file.read_text(encoding="utf-8") == render({"run": RESULTS})
    assert not (finished / "report.html").exists()


def test_a_training_has_its_report_without_torch_or_trl(finished: Path, tmp_path: Path) -> None:
    trained = tmp_path / "trained"
    trained.mkdir()
    training_results(("router", "laser"), windows=2).write(trained / "results.json")
    code = (
        "import sys; from rewardrouter.cli.main import main; code = main();"
        " print({'torch', 'trl', 'transformers', 'pandas', 'pyarrow'} & set(sys.modules)); sys.exit(code)"
    )
    process = start("report", trained, finished, "--out", tmp_path / "both.html", code=code)
    out, err = process.communicate(timeout=60)
    assert (out, err) == (f"Report: {tmp_path / 'both.html'}\nset()\n", "")
    assert "<title>Report: trained, run</title>" in (tmp_path / "both.html").read_text(encoding="utf-8")
    assert done("report", trained).out == f"Report: {trained / 'report.html'}\n"


class TestMistakes:
    """The user's mistakes: one line, exit code 2, nothing written."""

    def test_no_run(self) -> None:
        assert refused("report") == "missing argument 'RUN...'. See rewardrouter report --help"

    def test_a_folder_without_results(self, tmp_path: Path) -> None:
        line = refused("report", tmp_path)
        assert line == (
            f"{tmp_path}: no results.json; give the folder of a finished simulate, train, benchmark or speed,"
            " or a file of evaluate --json"
        )
        assert list(tmp_path.iterdir()) == []

    def test_what_is_no_run_is_said_to_be_what_it_is(self, finished: Path, tmp_path: Path) -> None:
        router = tmp_path / "router"
        router.mkdir()
        (router / "arms.json").write_text("{}", encoding="utf-8")
        for name, content in (
            ("settings.json", '{"a": 1, "b": 2}'),
            ("list.json", "[]"),
            ("rows.jsonl", "{}\n{}\n"),
        ):
            (finished / name).write_text(
                content, encoding="utf-8"
            )  # beside results, which are not read instead
        for place, said in (
            (tmp_path / "none.json", "no such file or folder; give the folder"),
            (router, "a router, without results.json; give the folder"),
            (
                finished / "settings.json",
                "not the results of a run, but a JSON object with the keys a, b; give",
            ),
            (finished / "list.json", "not the results of a run, but a JSON list; give"),
            (finished / "rows.jsonl", "not the results of a run: not JSON (Extra data"),
        ):
            line = refused("report", place)
            assert line.startswith(f"{place}: {said}")
            assert line.endswith("or a file of evaluate --json")
        assert not list(tmp_path.rglob("*.html"))

    @pytest.mark.parametrize(
        ("content", "of"),
        [
            ("{", "run"),
            ("\x00", "run"),
            ("{}", "replay"),
            ("[]", "replay"),
            ('{"kind": "training"}', "training"),
        ],
    )
    def test_broken_results(self, content: str, of: str, tmp_path: Path) -> None:
        (tmp_path / "results.json").write_text(content, encoding="utf-8")
        line = refused("report", tmp_path)
        assert line.startswith(f"{tmp_path / 'results.json'}: not the results of a {of}")

    def test_a_file_that_cannot_be_written(self, finished: Path, tmp_path: Path) -> None:
        assert "no folder" in refused("report", finished, "--out", tmp_path / "no" / "report.html")
        assert "is a folder" in refused("report", finished, "--out", tmp_path)

    def test_no_report_over_the_results(self, finished: Path) -> None:
        before = (finished / "results.json").read_bytes()
        for name in ("results.json", "config.yaml", "page.html"):
            assert "holds a run's own files" in refused("report", finished, "--out", finished / name)
        line = refused("report", finished, "--out", finished / "results.json")
        assert "give another place" in line
        assert (finished / "results.json").read_bytes() == before
