"""A router on disk: one folder, nothing of it pickled.

========================  =====================================================================
``config.json``           settings, what it was trained on, how it validated, the encoder's identity
``model.safetensors``     features, fusion and heads, and the names that their rows stand for
``arms.json``             the reward models, in the order of the heads' rows
``held_out.safetensors``  pairs on which verdicts are calibrated (``calibration.heldout``), without their texts
``contexts.safetensors``  what the fitting pairs' contexts looked like (``online.shift``)
``problems.safetensors``  digests of the problems that it was fitted to (``router.problems``)
``encoder/``              weights and tokenizer, as transformers saves them: only where they were
                          trained or came from a local folder. ``minilm`` and hub checkpoints are
                          named, with their identity, and checked when loaded
``README.md``             the model card
========================  =====================================================================

Loading refuses a folder whose parts do not fit each other and says which.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

import rewardrouter
from rewardrouter.calibration.heldout import HeldOut
from rewardrouter.config.base import validate
from rewardrouter.config.encoder import EncoderConfig
from rewardrouter.config.offline import OfflineConfig
from rewardrouter.errors import CheckpointError, ConfigError, one_line
from rewardrouter.files import sync_folder
from rewardrouter.offline.encoder import PairEncoder
from rewardrouter.offline.features import PairFeatures
from rewardrouter.offline.fusion import LinearFusion, MlpFusion
from rewardrouter.offline.locate import locate
from rewardrouter.offline.model import Heads, OfflineModel
from rewardrouter.offline.surrogates import Surrogates
from rewardrouter.offline.validation import Validation
from rewardrouter.offline.vectors import Block, blocks_of
from rewardrouter.online.shift import ContextReference
from rewardrouter.router.arms import Arm
from rewardrouter.router.card import model_card
from rewardrouter.router.facade import BayesianRouter, Training
from rewardrouter.router.problems import Problems
from rewardrouter.state import load_state, save_state

FORMAT = 6
"""Version of the folder's layout."""


ROUTER_FILES = (
    "config.json",
    "model.safetensors",
    "arms.json",
    "held_out.safetensors",
    "contexts.safetensors",
)
"""What makes a router label as it does; the last two are not in every router."""


def router_fingerprint(folder: Path) -> str:
    """Return the SHA-256 of all that makes the router in ``folder`` label as it does, 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for name in ROUTER_FILES:
        content = (folder / name).read_bytes() if (folder / name).exists() else b""
        digest.update(f"{name} {len(content)}\0".encode() + content)
    return digest.hexdigest()


def save_router(router: BayesianRouter, folder: Path) -> None:
    """Write ``router`` to ``folder``; a router that stood there is replaced only once all is written.

    Raises
    ------
    CheckpointError
        If ``folder`` is a file, or holds anything but a router.
    """
    refuse_foreign(folder)
    folder = folder.resolve()  # of a link what it points to; "." has no name of its own
    new, old = (folder.with_name(f".{folder.name}.{age}") for age in ("saving", "replaced"))
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    identity = router.encoder.identity
    if _carries_encoder(router):
        router.encoder.save(new / "encoder")
        identity = locate(_carried(router.encoder.config, new)).identity
    state = {name: value.detach().contiguous().clone() for name, value in router.model.state_dict().items()}
    save_file(state, new / "model.safetensors", {"arms": json.dumps(router.arms)})
    config = {
        "format": FORMAT,
        "rewardrouter": rewardrouter.__version__,
        "encoder": {"identity": identity, "feature_dim": router.encoder.feature_dim},
        "offline": router.config.model_dump(mode="json"),
        "training": {
            **vars(router.training),
            "validation": router.training.validation.as_json(),
            "problems": router.training.problems.identity,
        },
    }
    _write_json(new / "config.json", config)
    _write_json(new / "arms.json", {"arms": [arm.as_json() for arm in router.arm_records]})
    save_state(router.training.problems.state(), new / "problems.safetensors")
    save_state(router.held_out.state(), new / "held_out.safetensors")
    if router.reference is not None:
        save_state(router.reference.state(), new / "contexts.safetensors")
    (new / "README.md").write_text(model_card(router), encoding="utf-8")
    if folder.exists():
        shutil.rmtree(old, ignore_errors=True)
        folder.replace(old)
    new.replace(folder)
    sync_folder(folder.parent)
    shutil.rmtree(old, ignore_errors=True)


def refuse_foreign(folder: Path) -> None:
    """Raise where saving a router to ``folder`` would delete what is not a router.

    Raises
    ------
    CheckpointError
        If ``folder`` is a file, or holds anything but a router.
    """
    router = all((folder / name).is_file() for name in ("config.json", "arms.json"))
    if folder.exists() and not router and (folder.is_file() or any(folder.iterdir())):
        raise CheckpointError(f"{folder}: exists and is not a router; give another folder")


def load_router(folder: Path, device: str) -> BayesianRouter:
    """Load a router from ``folder``.

    Raises
    ------
    CheckpointError
        If the folder is not a whole router, or its parts do not fit each other.
    """
    if not (folder / "config.json").is_file():
        raise CheckpointError(
            f"{folder}: not a router: it has no config.json"
            + (
                "; give the folder that `fit` made"
                if folder.exists()
                else f". `rewardrouter fit --out {folder}` makes one"
            )
        )
    saved = _read_json(folder / "config.json")
    try:
        if saved["format"] != FORMAT:
            raise CheckpointError(
                f"{folder}: layout {saved['format']} is not known to rewardrouter {rewardrouter.__version__};"
                f" it was written by {saved['rewardrouter']}; fit it again"
            )
        config = validate(OfflineConfig, saved["offline"], source=str(folder / "config.json"))
        training = _training(saved["training"], folder / "problems.safetensors")
        arms = tuple(Arm.from_json(arm) for arm in _read_json(folder / "arms.json")["arms"])
        identity = str(saved["encoder"]["identity"])
    except KeyError as error:
        raise CheckpointError(
            f"{folder}: not a whole router: config.json or arms.json has no {error}; fit it again"
        ) from error
    except (AttributeError, ConfigError, TypeError, ValueError) as error:
        raise CheckpointError(f"{folder}: broken router: {one_line(error)}; fit it again") from error
    encoder = _load_encoder(folder, config, device, identity)
    names = [arm.name for arm in arms]
    model = _load_model(folder / "model.safetensors", blocks_of(encoder, config.features), config, names)
    held_out = _load_held_out(folder / "held_out.safetensors", len(names))
    reference = _load_reference(folder / "contexts.safetensors", model.fusion.width)
    return BayesianRouter(encoder, model, arms, config, training, held_out, reference=reference)


def _carries_encoder(router: BayesianRouter) -> bool:
    # Asked of what was loaded, not of the path in the settings: that may be gone, or mean another folder here.
    from_folder = router.encoder.checkpoint.identity.startswith("sha256:")
    named = router.config.encoder.checkpoint == "minilm" or not from_folder
    return not (router.config.freeze_encoder and named)


def _carried(config: EncoderConfig, folder: Path) -> EncoderConfig:
    return config.model_copy(update={"checkpoint": str(folder / "encoder"), "revision": None})


def _load_encoder(folder: Path, config: OfflineConfig, device: str, identity: str) -> PairEncoder:
    asked = config.encoder
    if (folder / "encoder").is_dir():
        asked = _carried(asked, folder)
    elif "@" in identity:  # REPO@COMMIT: the branch may have moved on
        asked = asked.model_copy(update={"revision": identity.rpartition("@")[2]})
    encoder = PairEncoder.from_config(asked.model_copy(update={"device": device}))
    if encoder.identity != identity:
        raise CheckpointError(
            f"{folder}: fitted with the encoder {config.encoder.checkpoint} ({identity}), but {asked.checkpoint}"
            f" is {encoder.identity}; fit again, or restore the encoder"
        )
    return encoder


def _load_model(
    path: Path, blocks: tuple[Block, ...], config: OfflineConfig, arms: list[str]
) -> OfflineModel:
    try:
        state = load_file(path)
        with safe_open(path, "pt") as file:
            fitted = json.loads((file.metadata() or {}).get("arms", "[]"))
    except (OSError, SafetensorError, ValueError) as error:
        raise CheckpointError(f"{path}: cannot be read: {one_line(error)}; fit it again") from error
    if fitted != arms:
        raise CheckpointError(
            f"{path.parent}: arms.json names {', '.join(arms)}, but model.safetensors was fitted to"
            f" {', '.join(fitted)}, in this order; restore arms.json, or fit it again"
        )
    n_arms = len(arms)
    features = PairFeatures(blocks)
    surrogates, size = None, features.size
    try:
        if config.features.surrogates:
            contexts = state["surrogates.contexts"].shape[1]
            kept = (state["surrogates.directions"].shape[1], contexts)
            # Of the RMs that it was fitted to: arms that came or went later change no context.
            n_imitated = state["surrogates.weights"].shape[1] - 1
            surrogates = Surrogates(blocks, features.size, n_imitated, kept)
            size += surrogates.size
        fusion: LinearFusion | MlpFusion
        if config.fusion.kind == "linear":
            fusion = LinearFusion(size, state["fusion.components"].shape[1] + 1)
        else:
            fusion = MlpFusion(size, config.fusion.length(blocks[0].size), config.fusion.dropout)
        model = OfflineModel(features, surrogates, fusion, Heads(fusion.width, n_arms, config.heads))
        model.load_state_dict(state)
    except (IndexError, KeyError, RuntimeError) as error:
        raise CheckpointError(
            f"{path}: does not fit config.json and the encoder: {one_line(error)}; fit it again"
        ) from error
    if not all(torch.isfinite(v).all() or name == "features.limit" for name, v in state.items()):
        raise CheckpointError(f"{path}: holds numbers that are not finite")
    return model


def _training(saved: dict[str, Any], problems_file: Path) -> Training:
    validation = dict(saved["validation"])
    validation["by_domain"] = {
        name: (int(n), float(share)) for name, (n, share) in validation["by_domain"].items()
    }
    validation["candidates"] = tuple(validation["candidates"])
    problems = _load_problems(problems_file, str(saved["problems"]))
    return Training(**{**saved, "validation": Validation(**validation), "problems": problems})


def _load_problems(path: Path, identity: str) -> Problems:
    try:
        problems = Problems.from_state(load_state(path))
    except CheckpointError as error:
        raise CheckpointError(f"{path.parent}: broken router: {one_line(error)}; fit it again") from error
    if problems.identity != identity:
        raise CheckpointError(
            f"{path}: holds other problems than those that config.json was written with; fit it again"
        )
    return problems


def _load_held_out(path: Path, n_arms: int) -> HeldOut:
    try:
        return HeldOut.from_state(load_state(path), n_arms)
    except CheckpointError as error:
        raise CheckpointError(f"{path.parent}: broken router: {one_line(error)}; fit it again") from error


def _load_reference(path: Path, dimension: int) -> ContextReference | None:
    if not path.is_file():
        return None
    try:
        return ContextReference.from_state(load_state(path), dimension)
    except CheckpointError as error:
        raise CheckpointError(f"{path.parent}: broken router: {one_line(error)}; fit it again") from error


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: cannot be read: {error}") from error


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
