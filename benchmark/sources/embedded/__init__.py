"""The photos that come inside packages, and procedural ones."""
