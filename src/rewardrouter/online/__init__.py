"""What learns while a policy trains: posteriors, policies over arms and bandit rewards (paper 3.3, 3.4, App. B).

Arrays in, arrays out: no text, no models, no files. An arm is a column of the arrays and has a stable name.
"""
