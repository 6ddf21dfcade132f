"""The model that small policies are built of."""

from __future__ import annotations

import torch
from tiny_checkpoints import causal_tokenizer

from rewardrouter.config.policy import SmallPolicyConfig
from rewardrouter.policies.small_model import small_llama

SIZES = SmallPolicyConfig(width=16, mlp_width=24, layers=1, heads=2)


def test_it_has_the_sizes_and_its_seed_alone_decides_the_weights() -> None:
    tokenizer = causal_tokenizer(None, adds_bos=False)
    before = torch.random.get_rng_state()
    one, same, other = (small_llama(SIZES, tokenizer, 40, seed=seed, rms_norm_eps=0.1) for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), before), "the caller's own draws are left alone"
    config = one.config
    assert (config.hidden_size, config.intermediate_size, config.num_hidden_layers) == (16, 24, 1)
    assert (config.num_attention_heads, config.max_position_embeddings, config.rms_norm_eps) == (2, 40, 0.1)
    assert (config.vocab_size, config.eos_token_id) == (len(tokenizer), tokenizer.eos_token_id)
    for (name, left), right, third in zip(
        one.named_parameters(), same.parameters(), other.parameters(), strict=True
    ):
        assert torch.equal(left, right)
        assert "norm" in name or not torch.equal(left, third)
