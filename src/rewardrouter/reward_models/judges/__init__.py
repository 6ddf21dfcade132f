"""LLMs that name the better of two responses: how they are asked, and how their answers are read."""
