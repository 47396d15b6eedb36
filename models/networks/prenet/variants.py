"""The relatives of PReNet: other memories or none, one shared block, and what a stage sees and gives.

Their weights tell them apart only in part. Files of PReNet, PReNetLstm and PReNetGenerator have the same names and
shapes, load into each other without complaint, and then give another picture.
"""

from __future__ import annotations

from models.networks.prenet.network import PReNet


class PReNetRecursive(PReNet):
    """PReNet_r: one residual block, applied five times a stage.

    Arguments:
        width: Channels of all features.
        stages: How often the network is applied.
        blocks: How often a stage applies its block; no tensor depends on it.
    """

    released = ("lstm", True, 6)

    def __init__(self, *, width: int = 32, stages: int = 6, blocks: int = 5) -> None:
        super().__init__(width=width, stages=stages, blocks=blocks, shared_block=True)


class PReNetPrevious(PReNet):
    """PReNet_x: a stage sees the result of the stage before alone, and gives an image rather than a difference.

    Arguments:
        width: Channels of all features.
        stages: How often the network is applied.
        blocks: Residual blocks of a stage.
    """

    released = ("lstm", False, 3)

    def __init__(self, *, width: int = 32, stages: int = 6, blocks: int = 5) -> None:
        super().__init__(width=width, stages=stages, blocks=blocks, sees_input=False, adds_input=False)


class PReNetLstm(PReNet):
    """PReNet_LSTM: PReNet whose stages give an image rather than the difference from the degraded one.

    Arguments:
        width: Channels of all features.
        stages: How often the network is applied; files of 5, 6 and 7 were released, which cannot be told apart.
        blocks: Residual blocks of a stage.
    """

    def __init__(self, *, width: int = 32, stages: int = 6, blocks: int = 5) -> None:
        super().__init__(width=width, stages=stages, blocks=blocks, adds_input=False)


class PReNetGru(PReNet):
    """PReNet_GRU: a GRU instead of the LSTM; stages give an image rather than the difference from the degraded one.

    Arguments:
        width: Channels of all features.
        stages: How often the network is applied.
        blocks: Residual blocks of a stage.
    """

    released = ("gru", False, 6)

    def __init__(self, *, width: int = 32, stages: int = 6, blocks: int = 5) -> None:
        super().__init__(width=width, stages=stages, blocks=blocks, recurrence="gru", adds_input=False)


class PReNetGenerator(PReNet):
    """The PReNet for real rain: four stages, the LSTM after the blocks, and an image rather than a difference.

    Arguments:
        width: Channels of all features.
        stages: How often the network is applied.
        blocks: Residual blocks of a stage.
    """

    def __init__(self, *, width: int = 32, stages: int = 4, blocks: int = 5) -> None:
        super().__init__(width=width, stages=stages, blocks=blocks, recurrence_last=True, adds_input=False)


class PRN(PReNet):
    """PRN: stages without a memory.

    Arguments:
        width: Channels of all features.
        stages: How often the network is applied.
        blocks: Residual blocks of a stage.
    """

    released = ("none", False, 6)

    def __init__(self, *, width: int = 32, stages: int = 6, blocks: int = 5) -> None:
        super().__init__(width=width, stages=stages, blocks=blocks, recurrence="none")


class PRNRecursive(PReNet):
    """PRN_r: stages without a memory, and one residual block, applied five times a stage.

    Arguments:
        width: Channels of all features.
        stages: How often the network is applied.
        blocks: How often a stage applies its block; no tensor depends on it.
    """

    released = ("none", True, 6)

    def __init__(self, *, width: int = 32, stages: int = 6, blocks: int = 5) -> None:
        super().__init__(width=width, stages=stages, blocks=blocks, recurrence="none", shared_block=True)
