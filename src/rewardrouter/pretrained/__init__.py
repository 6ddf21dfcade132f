"""What every pretrained model needs, encoder and reward model alike: finding, loading, laying out, batching."""
