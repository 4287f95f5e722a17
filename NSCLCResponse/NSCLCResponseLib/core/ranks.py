"""Several processes that train one signature together, as ``torchrun`` starts them; one process without it.

All run the same program. The first makes what is made once (tables, files), all share the measuring of patients and
each batch of the network.
"""

from __future__ import annotations

import os


def rank() -> int:
    """Number of this process; the first, which alone writes results, is 0."""
    return int(os.environ.get("RANK", "0") or 0)


def world() -> int:
    """Number of processes."""
    return int(os.environ.get("WORLD_SIZE", "1") or 1)


def is_first() -> bool:
    """Whether this process writes results."""
    return rank() == 0


def start() -> None:
    """Meet the other processes; nothing without ``torchrun``."""
    if world() == 1:
        return
    import torch
    import torch.distributed as dist

    if not dist.is_initialized():
        dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")


def wait() -> None:
    """Go on when all have come here."""
    if world() > 1:
        from_first(0.0)


def leave() -> None:
    """The end of what is done together; the first process goes on alone."""
    if world() == 1:
        return
    import torch.distributed as dist

    wait()
    dist.destroy_process_group()
    os.environ["WORLD_SIZE"] = "1"


def from_first(value: float) -> float:
    """The first process's value, in all of them."""
    if world() == 1:
        return value
    import torch
    import torch.distributed as dist

    shared = torch.tensor([value], dtype=torch.float64, device=device())
    dist.broadcast(shared, 0)
    return float(shared.item())


def device() -> str:
    """Where the network is trained: this process's GPU, or the processor."""
    import torch

    return f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if torch.cuda.is_available() else "cpu"
