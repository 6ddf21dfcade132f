"""Fixtures that many tests share."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from multiprocessing.util import Finalize
from pathlib import Path

import pytest
from hypothesis import settings

REPOSITORY = Path(__file__).resolve().parents[1]

settings.register_profile("rewardrouter", deadline=None)  # a shared machine is slow at times
settings.load_profile("rewardrouter")


def pytest_configure(config: pytest.Config) -> None:
    """Have one folder for the temporary files of all processes, which is removed at the end.

    Else there is litter: of processes that tests kill, of torch's launcher, and of pytest-xdist's workers, which end
    without cleaning up. The folder's name is short, for sockets. What ``tmp_path`` gives stays where pytest has it.
    """
    if hasattr(config, "workerinput"):  # a worker, which was begun in this folder
        return
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir())
    folder = os.environ["TMPDIR"] = tempfile.tempdir = tempfile.mkdtemp(prefix="rr-tests-")
    # At the very end: multiprocessing removes its own part at -100, and wants to find it.
    Finalize(None, shutil.rmtree, (folder,), {"ignore_errors": True}, exitpriority=-200)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data beside the checkout; tests that need it skip where it is absent."""
    folder = REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the real data beside the checkout (../shared/data) is absent")
    return folder


# The tiny checkpoints need torch and transformers: imported by the tests that ask for one, and by no others.


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of two layers, hidden size 32, reading 128 tokens."""
    from tiny_checkpoints import write_bert

    return write_bert(tmp_path_factory.mktemp("tiny-bert"))


@pytest.fixture(scope="session")
def tiny_qwen2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Qwen2 base model (no language-model head in its config) with a ChatML template."""
    from tiny_checkpoints import write_qwen2

    return write_qwen2(tmp_path_factory.mktemp("tiny-qwen2"))


@pytest.fixture(scope="session")
def tiny_llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama with its language-model head, a beginning-of-text token twice over, and a strict template."""
    from tiny_checkpoints import write_llama

    return write_llama(tmp_path_factory.mktemp("tiny-llama"), template=True)


@pytest.fixture(scope="session")
def tiny_llama_without_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same Llama without a chat template."""
    from tiny_checkpoints import write_llama

    return write_llama(tmp_path_factory.mktemp("tiny-llama-plain"), template=False)


@pytest.fixture(scope="session")
def tiny_reward_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a tiny reward model, by its kind (``tiny_checkpoints.REWARD_MODELS``)."""
    from tiny_checkpoints import write_reward_model

    return cache(lambda kind: write_reward_model(tmp_path_factory.mktemp(f"tiny-{kind}-reward"), kind))
