"""Known reward models read a conversation as their authors say, whatever their name and place."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import huggingface_hub
import numpy as np
import pytest
import safetensors.torch
import torch
from known_checkpoints import KNOWN, write_known
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from rewardrouter.config.base import validate
from rewardrouter.config.pool import HfConfig
from rewardrouter.config.text_form import TextForm
from rewardrouter.errors import CheckpointError, ConfigError
from rewardrouter.pairs import Message, PreferencePair
from rewardrouter.reward_models.hf import HfRewardModel
from rewardrouter.reward_models.hf_checkpoint import resolve_dtype
from rewardrouter.reward_models.known import completed, known_model, known_models, usual_dtype
from rewardrouter.testing import check_reward_model

RAFT = (
    "[INST] You must read the following conversation carefully and rate the assistant's response from score 0-100"
    " in these aspects: helpfulness, correctness, coherence, honesty, complexity.\n"
)

Write = Callable[[str], Path]


@pytest.fixture(scope="session")
def tiny_known(tmp_path_factory: pytest.TempPathFactory) -> Write:
    """The folder of a tiny copy of a known reward model, by its architecture."""
    return cache(lambda kind: write_known(tmp_path_factory.mktemp(f"tiny-{kind}-known"), kind))


TURNS = (
    Message("user", "What is 1 + 2? {content}"),
    Message("assistant", " 3 "),
    Message("user", "And 2 + 2?\n"),
)
PAIRS = [
    PreferencePair("text", "What is the capital of France?", "Paris.", "It is not known to me, I am sorry."),
    PreferencePair("turns", TURNS, (Message("assistant", "4"),), (Message("assistant", "It is 5."),)),
    PreferencePair("empty", "Say nothing.", "", "Nothing."),
]


def messages(pair: PreferencePair, response: object) -> list[dict[str, str]]:
    """Return the conversation with one response, as transformers has it."""
    prompt = [Message("user", pair.prompt)] if isinstance(pair.prompt, str) else pair.prompt
    answer = [Message("assistant", response)] if isinstance(response, str) else response
    return [{"role": turn.role, "content": turn.content} for turn in (*prompt, *answer)]


def published(kind: str, tokenizer, conversation: list[dict[str, str]]) -> str:
    """Return the text that the authors' own code makes of a conversation, before it is tokenised."""
    if kind == "mistral":  # the model card's format(messages)
        text = RAFT
        for message in conversation:
            if message["role"] == "user":
                text = text + "\nUser: " + message["content"]
            elif message["role"] == "assistant":
                text = text + "\nAssistant: " + message["content"]
        return text
    text = tokenizer.apply_chat_template(conversation, tokenize=False)
    # Skywork's card: "remove the potential duplicate bos token"
    return text.removeprefix(tokenizer.bos_token)


def scored_one_by_one(kind: str, folder: Path) -> list[float]:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=1).eval()
    scores = []
    for pair in PAIRS:
        for response in (pair.response_a, pair.response_b):
            text = published(kind, tokenizer, messages(pair, response))
            with torch.inference_mode():
                scores.append(model(**tokenizer(text, return_tensors="pt")).logits[0][0].item())
    return scores


@pytest.mark.parametrize("kind", KNOWN)
def test_the_papers_four_score_as_their_authors_code_does(
    kind: str, tiny_known: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny_known(kind)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_, **__: str(folder))
    rm = HfRewardModel(HfConfig(name="rm", source=KNOWN[kind], device="cpu"))
    found = [score for verdict in rm.judge(PAIRS) for score in (verdict.score_a, verdict.score_b)]
    expected = scored_one_by_one(kind, folder)
    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    assert rm.notes() == []
    check_reward_model(rm)


def test_a_copy_is_read_like_the_model_that_it_is_a_copy_of(tiny_known: Write) -> None:
    folder = str(tiny_known("mistral"))
    like, unlike = (
        HfRewardModel(HfConfig(name="rm", source=folder, device="cpu", **more))
        for more in ({"like": KNOWN["mistral"].lower()}, {})
    )
    assert like.identity["form"].startswith("form:")
    assert unlike.identity["form"].startswith("chat:")
    assert like.judge(PAIRS)[0].score_a == pytest.approx(
        scored_one_by_one("mistral", Path(folder))[0], abs=1e-4
    )
    assert like.judge(PAIRS)[0].score_a != pytest.approx(unlike.judge(PAIRS)[0].score_a, abs=1e-2)


OWN = TextForm(begin="Rate: ", user="Q={content}", assistant="A={content};")


class TestSettings:
    """What an entry says itself stands."""

    def test_what_is_unset_is_as_known(self) -> None:
        config = completed(HfConfig(name="rm", source=KNOWN["mistral"]))
        assert config.form == TextForm(
            begin=RAFT, user="\nUser: {content}", assistant="\nAssistant: {content}"
        )
        pair = completed(HfConfig(name="rm", source="OpenAssistant/reward-model-deberta-v3-large-v2"))
        assert (pair.template, pair.form) == ("none", None)

    def test_what_is_set_stands(self) -> None:
        source = KNOWN["mistral"]
        assert completed(HfConfig(name="rm", source=source, form=OWN)).form == OWN
        assert completed(HfConfig(name="rm", source=source, template="auto")).form is None
        own = completed(HfConfig(name="rm", source=source, system="s", max_tokens=99, dtype="fp32"))
        assert (own.system, own.max_tokens, own.dtype) == ("s", 99, "fp32")

    def test_what_is_unknown_is_left_alone(self) -> None:
        config = HfConfig(name="rm", source="some/other-model")
        assert completed(config) is config
        assert usual_dtype(config) == "auto"

    def test_the_authors_dtype_is_for_a_gpu(self, monkeypatch: pytest.MonkeyPatch) -> None:
        usual = {kind: usual_dtype(HfConfig(name="rm", source=hub_id)) for kind, hub_id in KNOWN.items()}
        assert usual == {"mistral": "auto", "llama": "fp16", "gemma2": "fp16", "qwen3": "bf16"}
        gpu, cpu = torch.device("cuda"), torch.device("cpu")
        for has, expected in (
            (True, ["bf16", "fp16", "bf16", "fp32"]),
            (False, ["fp16", "fp16", "fp16", "fp32"]),
        ):
            monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda has=has, **_: has)
            kinds = ("auto", "fp16", "bf16", "fp32")
            assert [resolve_dtype("auto", gpu, usual) for usual in kinds] == expected
        assert resolve_dtype("auto", cpu, "fp16") == "fp32"
        assert resolve_dtype("bf16", gpu, "fp16") == "bf16"

    def test_nothing_is_known_of_a_name_that_is_misspelt(self) -> None:
        config = HfConfig(name="rm", source="folder", like="hendrydong/Mistral-RM-for-RAFT-GSHF-v1")
        expected = r"^reward model rm: like: nothing is known of .*v1\. Did you mean hendrydong/Mistral-.*-v0\? Known: "
        with pytest.raises(ConfigError, match=expected):
            completed(config)


def test_the_data_name_each_model_once() -> None:
    known = known_models()
    ids = [one for model in (*known.models, *known.refused) for one in model.ids]
    assert len(set(map(str.lower, ids))) == len(ids)
    for hub_id in KNOWN.values():
        assert known_model(hub_id) is known_model(hub_id.upper()) is not None
    assert known_model("Skywork/Skywork-Reward-V2-Llama-3.1-8B-40M").dtype == "bf16"


class TestValueHeads:
    """A head that transformers does not have is refused, before anything is downloaded."""

    def test_by_name(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(huggingface_hub, "snapshot_download", None)
        with pytest.raises(CheckpointError) as error:
            HfRewardModel(HfConfig(name="grm", source="Ray2333/GRM-llama3.2-3B-sftreg"))
        assert str(error.value) == (
            "reward model grm (Ray2333/GRM-llama3.2-3B-sftreg): its value head is no part of transformers' sequence"
            " classifiers. Use the model of the same family whose name ends in -rewardmodel-ft or -distill"
        )

    def test_by_its_weights(self, tiny_known: Write, tmp_path: Path) -> None:
        folder = shutil.copytree(tiny_known("llama"), tmp_path / "copy")
        weights = safetensors.torch.load_file(folder / "model.safetensors")
        weights["v_head.summary.weight"] = weights.pop("score.weight")
        safetensors.torch.save_file(weights, folder / "model.safetensors", {"format": "pt"})
        with pytest.raises(
            CheckpointError, match=r"its weights have a value head \(v_head\.summary\.weight\)"
        ):
            HfRewardModel(HfConfig(name="grm", source=str(folder)))


def test_a_form_of_ones_own_is_given_in_the_pool_file() -> None:
    entry = {
        "kind": "hf",
        "name": "rm",
        "source": "x",
        "form": {"user": "Q={content}", "assistant": "A={content}"},
    }
    assert validate(HfConfig, entry, source="pool.yaml").form.user == "Q={content}"
    with pytest.raises(ConfigError, match="form and template: one stands in place of the other; give one"):
        validate(HfConfig, {**entry, "template": "none"}, source="pool.yaml")
    with pytest.raises(
        ConfigError, match=r"form\.user: found 'Q=', expected a text with \{content\} in it, once"
    ):
        validate(HfConfig, {**entry, "form": {"user": "Q=", "assistant": "{content}"}}, source="pool.yaml")
    with pytest.raises(ConfigError, match=r"form\.assistant: missing"):
        validate(HfConfig, {**entry, "form": {"user": "{content}"}}, source="pool.yaml")
