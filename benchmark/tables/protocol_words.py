"""What a protocol does, in words: for the lines that say how each column of a table was computed."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.metrics import METRICS
from benchmark.metrics.protocols import PROTOCOLS, Protocol
from benchmark.results.parts import ProtocolId
from models.markdown import code

CHANNELS = {"rgb": "RGB", "y": "brightness Y (BT.601)"}
WINDOWS = {
    "gaussian": "11x11 Gaussian window",
    "uniform": "7x7 uniform window",
    "matlab": "11x11 Gaussian window over the colours as a volume",
}


def column_line(protocol: ProtocolId, metrics: Sequence[str]) -> str:
    """Name the protocol of each metric column and say in a few words what it does there.

    Arguments:
        protocol: As results name it; of another version than today's nothing more than the name is said.
        metrics: The columns.
    """
    known = PROTOCOLS.get(protocol.id)
    parts = []
    for name in metrics:
        words = metric_words(known, name) if known is not None and known.version == protocol.version else ""
        parts.append(f"{METRICS[name].label} {code(str(protocol))}{f' ({words})' if words else ''}")
    return f"Protocol of each column: {'; '.join(parts)}."


def metric_words(protocol: Protocol, metric: str) -> str:
    """Say how a protocol computes a metric; a dash for one that is no part of it."""
    if metric not in protocol.metrics:
        return "-"
    if metric in ("psnr", "ssim"):
        words = [CHANNELS[protocol.channels], f"crop {protocol.crop}" if protocol.crop else "no crop"]
        words += ["Y in 8 bits"] if protocol.y_rounding else []
        words += [f"cut to multiples of {protocol.crop_multiple}"] if protocol.crop_multiple > 1 else []
        words += ["float, clipped"] if protocol.psnr_input == "float" else []
        return ", ".join([*words, *([WINDOWS[protocol.ssim]] if metric == "ssim" else [])])
    if metric == "lpips":
        seen = "8 bits" if protocol.lpips_input == "8bit" else "float, unclamped"
        return f"{protocol.lpips_net}, {protocol.lpips_order.upper()}, {seen}"
    return protocol.fid
