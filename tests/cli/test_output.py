"""``--json FILE|-``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rewardrouter.cli.main import main
from rewardrouter.cli.output import keep_inputs, signed, write_json
from rewardrouter.errors import UserError


def test_a_file_and_stdout_get_the_same_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figures = {"accuracy": 0.5, "by_domain": {"Überall": 1}}
    write_json(str(tmp_path / "f.json"), figures)
    write_json("-", figures)
    assert (tmp_path / "f.json").read_text(encoding="utf-8") == capsys.readouterr().out
    assert json.loads((tmp_path / "f.json").read_text(encoding="utf-8")) == figures


def test_a_file_that_cannot_be_written_is_the_user_s_to_mend(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--json .*: cannot be written: Is a directory"):
        write_json(str(tmp_path), {})


def test_a_figure_that_json_cannot_hold_is_a_fault() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json("-", {"accuracy": float("nan")})


def test_a_missing_folder_is_refused_before_the_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["env", "--json", str(tmp_path / "no" / "f.json")]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert f"invalid value for '--json': no folder {tmp_path / 'no'}." in captured.err


def test_what_a_command_reads_is_never_written_over(tmp_path):
    data, router = tmp_path / "verdicts.parquet", tmp_path / "router"
    router.mkdir()
    data.write_text("labels")
    inputs = {"--verdicts": str(data), "--router": router}
    keep_inputs({"--json": "-", "--annotations": None}, inputs)
    keep_inputs({"--json": tmp_path / "a", "--annotations": tmp_path / "b"}, inputs)
    for outputs, said in (
        ({"--json": f"{tmp_path}/./verdicts.parquet"}, "what --verdicts reads"),
        ({"--annotations": router / "config.json"}, "what --router reads"),
        ({"--json": tmp_path / "a", "--annotations": tmp_path / "a"}, "also the file of --json"),
    ):
        with pytest.raises(UserError, match=said):
            keep_inputs(outputs, inputs)


def test_a_number_that_is_rounded_to_zero_has_no_minus() -> None:
    assert [signed(value) for value in (-0.0004, 0.0, 0.0004, -0.0006, 0.25)] == [
        *("+0.000", "+0.000", "+0.000", "-0.001", "+0.250")
    ]
    assert signed(-0.004, 2) == "+0.00"
