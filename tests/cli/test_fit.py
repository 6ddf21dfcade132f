"""``rewardrouter fit``, from verdicts to a router's folder."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import torch
from commands import Ended, done, refused, run, start

from rewardrouter.config.offline import frozen_preset
from rewardrouter.offline.gradient import _Trainer
from rewardrouter.router import BayesianRouter

RMS = ("calculator", "courtesy", "brevity", "echo")


class TestDone:
    """What a fit that ended well leaves behind."""

    def test_it_writes_a_router_that_loads(self, router: Path) -> None:
        files = {"config.json", "model.safetensors", "arms.json", "README.md"}
        assert files <= {file.name for file in router.iterdir()}
        assert BayesianRouter.from_pretrained(router).arms == RMS

    def test_stdout_tells_the_result_and_stderr_the_rest(self, fitted: tuple[Path, Ended]) -> None:
        folder, ended = fitted
        head, *domains, where, further = ended.out.splitlines()
        assert head.startswith("Accuracy 0.")
        assert "by 5-fold cross-validation by group; best single brevity 0." in head
        assert [line.split()[0] for line in domains] == ["answers", "arithmetic", "manners"]
        assert where.startswith(f"Router: {folder}  (")
        assert further.startswith(f"Next: rewardrouter evaluate --router {folder} --verdicts ")
        assert "240 pairs, 235 kept" in ended.err
        assert "encode: " in ended.err
        assert "fit: 6/6" in ended.err

    def test_nothing_else_is_left_beside_the_router(self, router: Path) -> None:
        assert [path.name for path in router.parent.iterdir()] == [router.name]

    def test_the_same_seed_gives_the_same_router(
        self, router: Path, fit_words: list[str | Path], tmp_path: Path
    ) -> None:
        done(*fit_words, "--out", tmp_path / "again")
        weights = (router / "model.safetensors").read_bytes()
        assert (tmp_path / "again" / "model.safetensors").read_bytes() == weights

    def test_bad_rows_are_named_and_the_rest_is_used(
        self, quickstart: Path, tiny_bert: Path, tmp_path: Path
    ) -> None:
        table = pd.read_parquet(quickstart / "verdicts.parquet")
        names = table["id"].tolist()
        table.loc[0, "label"] = "both"
        table.loc[1, "prompt"] = None
        table.loc[2, "score_a__echo"] = float("nan")
        table.loc[3, "id"] = names[4]
        table.to_parquet(tmp_path / "bad.parquet")
        words = ["--verdicts", tmp_path / "bad.parquet", "--encoder", tiny_bert, "--freeze-encoder"]
        ended = done("fit", *words, "--rms", "calculator,echo", "--out", tmp_path / "router")
        assert f"label other than A or B: 1 row dropped: {names[0]}" in ended.err
        assert f"missing text or empty prompt: 1 row dropped: {names[1]}" in ended.err
        assert (
            f"score missing or not a finite number: 1 verdict counted as failed: {names[2]} (echo)"
            in ended.err
        )
        assert f"id used before: 1 row dropped, the first with that id kept: {names[4]}" in ended.err
        assert "237 pairs, " in ended.err
        card = (tmp_path / "router" / "README.md").read_text(encoding="utf-8")
        assert "label other than A or B: 1 row dropped" in card


class TestSettings:
    """Presets, files, dotted settings and options, and which of them wins."""

    def test_an_option_wins_over_a_dotted_setting_over_the_file_over_the_preset(
        self, quickstart: Path, tiny_bert: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "settings.yaml").write_text(
            "freeze_encoder: true\n"
            "seed: 1\n"
            "encoder: {checkpoint: nowhere, max_tokens: 64}\n"
            "solver: {prior_strength: [10.0], folds: 3}\n"
            "fusion: {width: 20}\n",
            encoding="utf-8",
        )
        words = ["--verdicts", quickstart / "verdicts.parquet", "--rms", "calculator,brevity"]
        dotted = ["--solver.folds=4", "--encoder.max_tokens=48", "--encoder.checkpoint=elsewhere", "--seed=2"]
        ended = done(
            "fit", *words, *dotted, "--encoder", tiny_bert, "--config", tmp_path / "settings.yaml",
            "--solver.folds=2", "--out", tmp_path / "router",
        )  # fmt: skip
        assert "by 2-fold cross-validation" in ended.out
        found = json.loads((tmp_path / "router" / "config.json").read_text(encoding="utf-8"))["offline"]
        # That the encoder is frozen, the file says; the preset that goes with it fills in the rest.
        expected = frozen_preset().model_dump(mode="json")
        expected["encoder"]["checkpoint"] = str(tiny_bert)  # option over dotted over file
        expected["seed"] = 2  # option over file
        expected["encoder"]["max_tokens"] = 48  # dotted over file
        expected["solver"]["folds"] = 2  # the later of two dotted ones
        expected["solver"]["prior_strength"] = [10.0]  # file over preset
        expected["fusion"]["width"] = 20
        assert found == expected
        assert BayesianRouter.from_pretrained(tmp_path / "router").arms == ("calculator", "brevity")

    @pytest.mark.parametrize(
        ("words", "line"),
        [
            (
                ["--heads.cls_wieght=0"],
                "heads.cls_wieght: unknown key. Did you mean cls_weight? (--heads.cls_wieght on the command line)",
            ),
            (
                ["--heads.cls_weight=x"],
                "heads.cls_weight: found 'x', expected a number (--heads.cls_weight on the command line)",
            ),
            (["--sede=1"], "sede: unknown key. Did you mean seed? (--sede on the command line)"),
            (["--sede", "1"], "unexpected argument --sede. Did you mean --seed? See rewardrouter fit --help"),
            (
                ["heads.cls_weight=0"],
                "unexpected argument heads.cls_weight=0. A setting is given as --a.b=c."
                " See rewardrouter fit --help",
            ),
            (["--config", "nowhere.yaml"], "config file nowhere.yaml does not exist."),
            (
                ["--fusion.kind=mlp", "--fusion.widht=3"],
                "fusion.widht: unknown key. Did you mean width? (--fusion.widht on the command line)",
            ),
        ],
    )
    def test_a_mistake_is_named_with_what_may_be_meant(
        self, words: list[str], line: str, fit_words: list[str | Path], tmp_path: Path
    ) -> None:
        assert refused(*fit_words, "--out", tmp_path / "router", *words) == line
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("seed", ["-1", "x", "1.5"])
    def test_a_bad_seed_is_refused(self, seed: str, fit_words: list[str | Path], tmp_path: Path) -> None:
        line = refused(*fit_words, "--seed", seed, "--out", tmp_path / "router")
        assert line.startswith("invalid value for '--seed': ")
        assert seed in line


class TestOut:
    """Where the router may go."""

    def test_a_router_is_not_overwritten_unasked(self, router: Path, fit_words: list[str | Path]) -> None:
        before = (router / "config.json").read_bytes()
        line = refused(*fit_words, "--out", router)
        assert line == f"--out {router}: exists already; give another folder, or --overwrite"
        assert (router / "config.json").read_bytes() == before

    def test_asked_to_it_replaces_a_router(self, fit_words: list[str | Path], tmp_path: Path) -> None:
        folder = tmp_path / "router"
        for rms in ("calculator,brevity", "courtesy,echo"):
            done(*fit_words, "--rms", rms, "--out", folder, "--overwrite")
        assert BayesianRouter.from_pretrained(folder).arms == ("courtesy", "echo")
        assert [path.name for path in tmp_path.iterdir()] == ["router"]

    def test_it_never_replaces_what_is_no_router_and_says_so_before_the_work(
        self, fit_words: list[str | Path], tmp_path: Path
    ) -> None:
        (tmp_path / "thesis.tex").write_text("years of work", encoding="utf-8")
        ended = run(*fit_words, "--out", tmp_path, "--overwrite")
        assert ended.code == 2
        message = "exists and is not a router; give another folder"
        assert ended.err == f"error: {tmp_path}: {message}\n"
        assert (tmp_path / "thesis.tex").read_text(encoding="utf-8") == "years of work"

    def test_a_folder_that_cannot_be_made_is_said_before_the_work(
        self, fit_words: list[str | Path], tmp_path: Path
    ) -> None:
        (tmp_path / "file").touch()
        line = refused(*fit_words, "--out", tmp_path / "file" / "router")
        assert line == f"--out: the folder {tmp_path / 'file'} cannot be made: File exists"

    def test_folders_above_are_made(self, fit_words: list[str | Path], tmp_path: Path) -> None:
        done(*fit_words, "--rms", "calculator,brevity", "--out", tmp_path / "a" / "b" / "router")
        assert (tmp_path / "a" / "b" / "router" / "model.safetensors").is_file()


class TestVerdicts:
    """Verdicts that cannot be learnt from."""

    def test_an_unknown_reward_model_is_named(self, fit_words: list[str | Path], tmp_path: Path) -> None:
        line = refused(*fit_words, "--rms", "calculator,brevty", "--out", tmp_path / "router")
        assert "no verdicts of the reward model 'brevty'. Did you mean brevity?" in line

    def test_one_reward_model_is_not_enough(self, fit_words: list[str | Path], tmp_path: Path) -> None:
        line = refused(*fit_words, "--rms", "echo", "--out", tmp_path / "router")
        assert line == "a router needs at least two reward models, found echo"

    def test_pairs_without_a_label_teach_nothing(
        self, quickstart: Path, fit_words: list[str | Path], tmp_path: Path
    ) -> None:
        source = quickstart / "new_verdicts.parquet"
        line = refused(*fit_words, "--verdicts", source, "--out", tmp_path / "router")
        assert line.startswith(f"{source}: no column label, which says whether A or B is better; found id")

    def test_reward_models_that_always_agree_teach_nothing(
        self, quickstart: Path, fit_words: list[str | Path], tmp_path: Path
    ) -> None:
        table = pd.read_parquet(quickstart / "verdicts.parquet")
        for side in ("a", "b"):
            table[f"score_{side}__echo"] = table[f"score_{side}__brevity"]
        table.to_parquet(tmp_path / "same.parquet")
        words = ["--verdicts", tmp_path / "same.parquet", "--rms", "brevity,echo"]
        line = refused(*fit_words, *words, "--out", tmp_path / "router")
        assert (
            line
            == "nothing to learn: on none of the 240 pairs is one of brevity, echo right and another wrong"
        )

    def test_a_corrupt_file_is_named(self, fit_words: list[str | Path], tmp_path: Path) -> None:
        (tmp_path / "bad.parquet").write_bytes(b"PAR1 and nothing else")
        line = refused(*fit_words, "--verdicts", tmp_path / "bad.parquet", "--out", tmp_path / "router")
        assert line.startswith(f"{tmp_path / 'bad.parquet'}: not a readable parquet file")

    def test_a_missing_file_is_named_with_the_one_that_may_be_meant(
        self, quickstart: Path, fit_words: list[str | Path], tmp_path: Path
    ) -> None:
        source = quickstart / "verdict.parquet"
        line = refused(*fit_words, "--verdicts", source, "--out", tmp_path / "router")
        assert line.startswith(f"{source}: no such file. Did you mean {source.parent / 'verdicts.parquet'}?")


class TestInterrupted:
    """A full-parameter training that is killed goes on when the command is given again."""

    # The tiny encoder has random weights and learns nothing much at this rate: what counts is where it stands.
    TRAINING = (
        "--gradient.epochs=3", "--gradient.patience=99", "--gradient.batch_size=24", "--gradient.checkpoint_steps=4",
        "--gradient.learning_rate=1e-3", "--fusion.width=16", "--encoder.max_tokens=48",
    )  # fmt: skip

    @pytest.fixture(autouse=True)
    def _one_thread(self) -> Iterator[None]:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        yield
        torch.set_num_threads(threads)

    def test_it_resumes_where_it_stood_and_ends_the_same(
        self, quickstart: Path, tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        words = ["fit", "--verdicts", quickstart / "verdicts.parquet", "--encoder", tiny_bert, *self.TRAINING]
        stood = killed_at_a_checkpoint(*words, "--out", tmp_path / "killed")
        assert not (tmp_path / "killed").exists()

        refusal = refused(*words, "--seed", "1", "--out", tmp_path / "killed")
        assert "the interrupted training has other settings; delete it to start anew" in refusal

        steps = counted_steps(monkeypatch)
        done(*words, "--out", tmp_path / "killed")
        resumed = len(steps)
        ended = done(*words, "--out", tmp_path / "whole")
        assert resumed == len(steps) - resumed - stood
        assert "by the 24 pairs of a validation split by group" in ended.out
        for file in ("model.safetensors", "encoder/model.safetensors", "arms.json"):
            assert (tmp_path / "killed" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()
        assert sorted(path.name for path in tmp_path.iterdir()) == ["killed", "whole"]


def killed_at_a_checkpoint(*words: str | Path) -> int:
    """Start a training, kill it after its first checkpoint, and return the step of the last checkpoint."""
    out = Path(words[-1])
    folder = out.with_name(f"{out.name}.training")
    process = start(*words)
    deadline = time.monotonic() + 120
    while not (folder / "state.json").exists():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline, "no checkpoint after two minutes"
        time.sleep(0.01)
    process.kill()
    process.communicate()
    if not folder.exists():  # killed while one checkpoint took the other's place
        folder = folder.with_name(f"{folder.name}.old")
    return int(json.loads((folder / "state.json").read_text(encoding="utf-8"))["step"])


def counted_steps(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that grows by one entry with every training step in this process."""
    steps: list[int] = []
    train_step = _Trainer._train_step

    def counting(self: _Trainer) -> None:
        train_step(self)
        steps.append(self.now.step)

    monkeypatch.setattr(_Trainer, "_train_step", counting)
    return steps
