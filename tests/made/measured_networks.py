"""What a file of `bench speed networks` holds, with round numbers."""

from __future__ import annotations

from typing import Any

ROW = {
    "seconds": 1.5,
    "processor_seconds": 2.75,
    "runs": 5,
    "peak_memory_bytes": 1_500_000_000,
    "held_memory_bytes": 500_000_000,
    "max_memory_bytes": None,
    "tile": None,
    "load": 1.0,
    "commit": "abc",
    "command": "bench speed networks",
    "date": "2024-05-01",
}


def measured(**changes: Any) -> dict[str, Any]:
    row = {**ROW, **changes}
    sampled = {**ROW, "step_seconds": 0.015, "step_processor_seconds": 0.03}
    common = {"parameters": 2_500_000, "flops": 34_000_000_000, "flops_size": "256x256"}
    return {
        "schema": 1,
        "what": "networks",
        "weights": "random",
        "machine": {
            "hardware": "A processor, 2 cores",
            "threads": 2,
            "device": "cpu",
            "precision": "fp32",
            "versions": {"python": "3.12", "torch": "2.9"},
        },
        "refused": {},
        "networks": {
            "nafnet": {"title": "NAFNet", "nfe": 1, **common, "sizes": {"256x256": ROW, "1280x720": row}},
            "wild-ir": {
                "title": "Wild-IR",
                "nfe": 100,
                **common,
                "daclip_parameters": 252_000_000,
                "sizes": {"256x256": sampled},
            },
        },
    }
