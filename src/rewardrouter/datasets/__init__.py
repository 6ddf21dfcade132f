"""Files in, words out: preference pairs and verdict tables read from disk, labelled pairs written back."""
