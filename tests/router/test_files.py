"""A router on disk: what is loaded is what was saved, and what does not fit is refused in one line."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from small_tables import written_pairs

from rewardrouter.errors import CheckpointError
from rewardrouter.pretrained.locate import Located
from rewardrouter.router import BayesianRouter, files
from rewardrouter.router.problems import Problems
from rewardrouter.state import State, save_state

PAIRS, _ = written_pairs(12, 7)
KINDS = ("minilm", "linear", "mlp", "cosine", "full bert", "full qwen2")
load = BayesianRouter.from_pretrained


@pytest.fixture
def copy_of(saved_of, tmp_path) -> Callable[[str], Path]:
    return lambda kind: Path(shutil.copytree(saved_of(kind), tmp_path / "router"))


def change_json(path: Path, change: Callable[[Any], Any]) -> None:
    value = json.loads(path.read_text())
    path.write_text(json.dumps(change(value) or value))


def refusal(folder: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        load(folder)
    message = str(caught.value)
    assert "\n" not in message
    assert str(folder) in message
    assert len(message) < 600 + 2 * len(str(folder))
    return message


# Round trips


@pytest.mark.parametrize("kind", KINDS)
def test_a_loaded_router_is_the_saved_one(kind, router_of, saved_of):
    router, loaded = router_of(kind), load(saved_of(kind), device="cpu")
    one, other = router.score(PAIRS), loaded.score(PAIRS)
    np.testing.assert_array_equal(one.scores, other.scores)
    np.testing.assert_array_equal(one.contexts, other.contexts)
    if one.correctness is not None:
        np.testing.assert_array_equal(one.correctness, other.correctness)
    assert (loaded.arm_records, loaded.config, loaded.training) == (
        router.arm_records, router.config, router.training,
    )  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_the_folder_holds_what_its_layout_says_and_nothing_else(kind, saved_of):
    names = {path.name for path in saved_of(kind).iterdir()}
    carries = {"encoder"} if kind != "minilm" else set()
    parts = {"config.json", "model.safetensors", "arms.json", "README.md"}
    parts |= {"contexts.safetensors", "held_out.safetensors", "problems.safetensors"}
    assert names == parts | carries
    beside = {path.name for path in saved_of(kind).parent.iterdir()}
    assert beside == {kind}  # no leftovers of saving


@pytest.mark.parametrize("kind", ["minilm", "linear", "full bert"])
def test_a_loaded_router_can_be_saved_again_after_the_original_is_gone(kind, copy_of, router_of, tmp_path):
    loaded = load(copy_of(kind), device="cpu")
    shutil.rmtree(tmp_path / "router")
    loaded.save_pretrained(tmp_path / "again")
    np.testing.assert_array_equal(load(tmp_path / "again").scores(PAIRS), router_of(kind).scores(PAIRS))


def test_a_router_over_its_own_folder_replaces_it(copy_of, router_of):
    folder = copy_of("linear")
    (folder / "leftover").write_text("of another version")
    load(folder).save_pretrained(folder)
    assert not (folder / "leftover").exists()
    np.testing.assert_array_equal(load(folder).scores(PAIRS), router_of("linear").scores(PAIRS))


def test_a_name_in_the_hub_is_pinned_to_the_commit_that_was_fitted_to(copy_of, monkeypatch, router_of):
    """The branch may have moved on since: the router asks for its commit."""
    folder = copy_of("linear")
    shutil.move(folder / "encoder", folder.parent / "hub")
    asked: list[tuple[str, str | None]] = []

    def locate(config: Any) -> Located:
        asked.append((config.checkpoint, config.revision))
        return Located(folder.parent / "hub", f"someone/encoder@{config.revision or 'moved-on'}")

    monkeypatch.setattr("rewardrouter.offline.checkpoint.locate", locate)
    change_json(folder / "config.json", lambda c: c["encoder"].update(identity="someone/encoder@c0ffee"))
    change_json(
        folder / "config.json", lambda c: c["offline"]["encoder"].update(checkpoint="someone/encoder")
    )
    loaded = load(folder)
    assert asked == [("someone/encoder", "c0ffee")]
    np.testing.assert_array_equal(loaded.scores(PAIRS), router_of("linear").scores(PAIRS))
    loaded.save_pretrained(folder)
    assert not (folder / "encoder").exists()  # still by name


# What saving must not destroy


def test_a_folder_that_is_no_router_is_not_replaced(router_of, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.tex").write_text("years")
    (tmp_path / "file").write_text("a file")
    for name in ("thesis", "file"):
        with pytest.raises(CheckpointError, match=f"{name}: exists and is not a router; give another folder"):
            router_of("linear").save_pretrained(tmp_path / name)
    assert (tmp_path / "thesis" / "chapter1.tex").read_text() == "years"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "thesis"]


def test_an_empty_folder_the_current_one_and_a_link_can_be_saved_to(router_of, tmp_path, monkeypatch):
    router = router_of("linear")
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "empty")
    router.save_pretrained(tmp_path / "empty")
    router.save_pretrained(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    router.save_pretrained(".")
    monkeypatch.chdir(tmp_path)  # the folder was replaced under the process
    for name in ("empty", "link", "here"):
        assert load(tmp_path / name).arms == router.arms


def test_what_a_user_keeps_beside_the_router_stays(router_of, tmp_path):
    for name in ("router.old", "router.new"):
        (tmp_path / name).mkdir()
    router_of("linear").save_pretrained(tmp_path / "router")
    router_of("linear").save_pretrained(tmp_path / "router")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["router", "router.new", "router.old"]


def test_a_save_that_fails_leaves_the_old_router_whole(copy_of, router_of, monkeypatch):
    folder = copy_of("linear")

    def full_disk(_: object) -> str:
        raise OSError("No space left on device")

    monkeypatch.setattr(files, "model_card", full_disk)
    with pytest.raises(OSError, match="No space left"):
        router_of("mlp").save_pretrained(folder)
    np.testing.assert_array_equal(load(folder).scores(PAIRS), router_of("linear").scores(PAIRS))
    monkeypatch.undo()
    router_of("mlp").save_pretrained(folder)
    assert os.listdir(folder.parent) == ["router"]  # noqa: PTH208 - hidden names count


# What loading refuses


def test_a_folder_without_a_router_says_how_to_make_one(tmp_path):
    assert "not a router: it has no config.json; give the folder that `fit` made" in refusal(tmp_path)
    assert "not a router" in refusal(tmp_path / "absent")


def test_an_encoders_folder_is_no_router(tiny_bert):
    assert "has no 'format'" in refusal(tiny_bert)


@pytest.mark.parametrize("name", ["config.json", "arms.json", "model.safetensors", "problems.safetensors"])
def test_every_part_is_needed(name, copy_of):
    folder = copy_of("linear")
    (folder / name).unlink()
    message = refusal(folder)
    assert name in message


@pytest.mark.parametrize("name", ["config.json", "arms.json", "model.safetensors"])
@pytest.mark.parametrize("left", [0, 40, -1])
def test_every_part_must_be_whole(name, left, copy_of):
    folder = copy_of("mlp")
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: left if left >= 0 else len(content) - 20])
    assert f"{name}: cannot be read" in refusal(folder)


def test_another_layout_is_refused_by_its_number(copy_of):
    folder = copy_of("mlp")
    change_json(folder / "config.json", lambda c: c.update(format=99, rewardrouter="9.0"))
    assert "layout 99 is not known to rewardrouter" in (message := refusal(folder))
    assert "written by 9.0; fit it again" in message


def test_a_router_that_does_not_know_its_problems_is_refused(copy_of):
    """As those of layout 1: without this, ``evaluate`` could not tell what was fitted to."""
    folder = copy_of("mlp")
    change_json(folder / "config.json", lambda c: c.update(format=1, rewardrouter="0.1"))
    assert "layout 1 is not known to rewardrouter" in refusal(folder)


def test_problems_of_another_router_are_refused(copy_of):
    folder = copy_of("mlp")
    save_state(Problems.of(PAIRS).state(), folder / "problems.safetensors")
    assert "problems.safetensors: holds other problems than those that config.json" in refusal(folder)
    save_state(State({"other": np.zeros(3)}), folder / "problems.safetensors")
    assert "broken router: state: no array digests" in refusal(folder)
    (folder / "problems.safetensors").write_bytes(b"torn")
    assert "problems.safetensors: no state that can be read" in refusal(folder)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            lambda arms: arms.pop(),
            "arms.json names rm-0, rm-1, but model.safetensors was fitted to rm-0, rm-1, rm-2",
        ),
        (lambda arms: arms.append(arms[0] | {"name": "rm-3"}), "arms.json names rm-0, rm-1, rm-2, rm-3, but"),
        (lambda arms: arms.reverse(), "arms.json names rm-2, rm-1, rm-0, but"),
        (lambda arms: arms[1].update(name="other"), "arms.json names rm-0, other, rm-2, but"),
        (lambda arms: arms.clear(), "but model.safetensors was fitted to"),
        (lambda arms: arms[0].pop("ties"), "broken router"),
        (lambda arms: arms[0].pop("by_domain"), "has no 'by_domain'"),
        (lambda arms: arms[0].update(colour="red"), "broken router"),
        (lambda arms: arms.insert(0, 3), "broken router"),
    ],
)
def test_edited_arms_are_refused(change, reason, copy_of):
    folder = copy_of("mlp")
    change_json(folder / "arms.json", lambda saved: change(saved["arms"]) and None)
    assert reason in refusal(folder)


@pytest.mark.parametrize(
    "content", ["[]", "3", "null", "{}", '{"arms": 3}', '{"arms": {"rm-0": {}}}', '{"arms": [[]]}']
)
def test_arms_of_another_form_are_refused(content, copy_of):
    folder = copy_of("mlp")
    (folder / "arms.json").write_text(content)
    refusal(folder)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda c: c["offline"]["heads"].update(normalize="cosine"), "offline.heads.normalize"),
        (lambda c: c["offline"]["fusion"].update(width=-1), "fusion.width"),
        (lambda c: c["offline"]["fusion"].update(width=17), "does not fit config.json and the encoder"),
        (lambda c: c["offline"]["fusion"].update(kind="linear"), "does not fit config.json and the encoder"),
        (lambda c: c["offline"]["heads"].update(cls_weight=0), "does not fit config.json and the encoder"),
        (
            lambda c: c["offline"]["features"].update(surrogates=False),
            "does not fit config.json and the encoder",
        ),
        (
            lambda c: c["offline"]["features"].update(statistics=True),
            "does not fit config.json and the encoder",
        ),
        (lambda c: c["offline"]["encoder"].update(poolings=["all.mean@-1", "all.max@-1"]), "does not fit"),
        (lambda c: c["offline"].pop("heads") and None, None),
        (lambda c: c.pop("training") and None, "has no 'training'"),
        (lambda c: c["training"].pop("n_pairs") and None, "broken router"),
        (lambda c: c["training"].pop("problems") and None, "has no 'problems'"),
        (lambda c: c["training"]["validation"].update(by_domain=[1]), "broken router"),
        (lambda c: c["training"]["validation"].update(by_domain={"a": [1, 2, 3]}), "broken router"),
        (lambda c: c.pop("encoder") and None, "has no 'encoder'"),
        (lambda c: [c], "broken router"),
    ],
)
def test_edited_settings_are_refused_where_they_do_not_fit(change, reason, copy_of):
    folder = copy_of("mlp")
    change_json(folder / "config.json", change)
    if reason is None:
        load(folder)  # the default of a section is that section's settings
    else:
        assert reason.removeprefix("offline.") in refusal(folder)


def test_numbers_that_are_not_finite_are_refused(copy_of):
    folder = copy_of("mlp")
    state = load_file(folder / "model.safetensors")
    state["heads.bt"][0, 0] = torch.nan
    save_file(state, folder / "model.safetensors", {"arms": json.dumps(["rm-0", "rm-1", "rm-2"])})
    assert "holds numbers that are not finite" in refusal(folder)


@pytest.mark.parametrize(
    "left_out", ["heads.bt", "features.center", "surrogates.contexts", "fusion.linear.weight"]
)
def test_weights_that_lack_a_part_are_refused(left_out, copy_of):
    folder = copy_of("mlp")
    state = load_file(folder / "model.safetensors")
    del state[left_out]
    save_file(state, folder / "model.safetensors", {"arms": json.dumps(["rm-0", "rm-1", "rm-2"])})
    assert left_out in refusal(folder)


def test_weights_of_another_router_are_refused(copy_of, saved_of):
    folder = copy_of("mlp")
    shutil.copy(saved_of("cosine") / "model.safetensors", folder / "model.safetensors")
    assert "does not fit config.json and the encoder" in refusal(folder)


def test_an_encoder_that_now_is_another_is_refused_by_both_identities(copy_of):
    folder = copy_of("minilm")
    change_json(folder / "config.json", lambda c: c["encoder"].update(identity="sha256:other"))
    message = refusal(folder)
    assert "fitted with the encoder minilm (sha256:other), but minilm is sha256:" in message
    assert "fit again, or restore the encoder" in message


@pytest.mark.parametrize("kind", ["linear", "full bert"])
def test_a_carried_encoder_that_was_exchanged_is_refused(kind, copy_of, saved_of, tiny_bert):
    folder = copy_of(kind)
    weights = load_file(folder / "encoder" / "model.safetensors")
    weights["embeddings.word_embeddings.weight"][5] += 1
    save_file(weights, folder / "encoder" / "model.safetensors", {"format": "pt"})
    assert "fitted with the encoder" in refusal(folder)


def test_a_trained_encoder_that_is_missing_is_never_replaced_by_the_untrained_one(copy_of):
    folder = copy_of("full bert")
    shutil.rmtree(folder / "encoder")
    assert "fitted with the encoder" in refusal(folder)


def test_a_broken_carried_encoder_is_named(copy_of):
    folder = copy_of("full bert")
    (folder / "encoder" / "model.safetensors").write_bytes(b"")
    assert "cannot be loaded" in refusal(folder)
