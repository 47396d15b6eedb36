"""The cards of the networks, one file a field; the catalogue is `models.networks.NETWORKS`."""
