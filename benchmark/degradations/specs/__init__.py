"""The little language of degradations: grammar, pipelines, parameters, severity levels."""
