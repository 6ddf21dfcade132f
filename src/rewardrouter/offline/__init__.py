"""The offline half of the method (paper 3.2): encoder, features, fusion, heads, losses, training."""
