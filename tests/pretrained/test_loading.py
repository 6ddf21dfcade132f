"""Devices and limits of loaded models."""

from __future__ import annotations

import pytest
import torch
from tiny_checkpoints import bert_tokenizer, causal_tokenizer
from transformers import GPT2Config, GPT2Model, RobertaConfig, RobertaModel, XLNetConfig, XLNetModel

from rewardrouter.errors import CheckpointError
from rewardrouter.pretrained.loading import max_length, resolve_device

SMALL = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}


@pytest.mark.parametrize("name", ["cuda:99", "gpu", ""])
def test_a_device_that_is_not_there_is_named(name: str) -> None:
    with pytest.raises(CheckpointError, match=f"^device '{name}' cannot be used: .* Use cpu or auto$"):
        resolve_device(name)


def test_auto_is_the_best_there_is() -> None:
    assert resolve_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


def test_the_limit_is_the_shorter_of_model_and_tokenizer_without_looking_at_weights() -> None:
    limited, free = bert_tokenizer(), causal_tokenizer(None, adds_bos=False)
    with torch.device("meta"):
        gpt2 = GPT2Model(GPT2Config(vocab_size=400, n_positions=64, n_embd=8, n_layer=1, n_head=1))
        roberta = RobertaModel(
            RobertaConfig(vocab_size=400, max_position_embeddings=66, pad_token_id=1, **SMALL)
        )
        xlnet = XLNetModel(XLNetConfig(vocab_size=400, d_model=8, n_layer=1, n_head=1, d_inner=8))
    assert (max_length(gpt2, free), max_length(roberta, free), max_length(xlnet, free)) == (64, 64, None)
    assert max_length(xlnet, limited) == 128
