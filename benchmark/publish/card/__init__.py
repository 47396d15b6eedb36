"""The card of a dataset: README, terms, Croissant description, citations."""
