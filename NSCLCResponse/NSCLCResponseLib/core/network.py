"""The 3D-CNN: a few MONAI convolution blocks, pooled inside the tumour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from NSCLCResponseSegmentLib.core.errors import SignatureError

if TYPE_CHECKING:
    import torch

_MAX_PARAMETERS = 5_000_000


@dataclass(frozen=True)
class NetworkSpec:
    """Architecture of the network.

    :param in_channels: channels of the patch; the last one is the mask.
    :param features: channels after each stage; every stage halves the grid first, which keeps a CPU fast enough.
    :param dropout: probability after each convolution. :param head_dropout: and before the last layer.
    :param kind: ``pooled`` (what the maps are like inside the tumour, then one linear layer) or ``plain`` (maps pooled
        to 2×2×2, then two fully connected layers).
    """

    in_channels: int
    features: tuple[int, ...] = (16, 32)
    dropout: float = 0.1
    head_dropout: float = 0.3
    kind: str = "pooled"

    def to_json(self) -> dict[str, Any]:
        """JSON-ready dictionary, as ``signature.json`` holds it."""
        return {**asdict(self), "features": list(self.features)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> NetworkSpec:
        """The inverse of :meth:`to_json`."""
        return cls(**{**data, "features": tuple(data["features"])})


def build_network(spec: NetworkSpec) -> torch.nn.Module:
    """A network with random weights: (batch, channels, z, y, x) → (batch,) logits.

    Stages of two 3×3×3 convolutions with batch normalisation (which, unlike instance normalisation, keeps the level of
    HU and SUV), PReLU and dropout. The patch itself and the maps of each stage are pooled inside the tumour
    (:func:`_pool`), and one linear layer reads all of that. Of the ``plain`` kind see :func:`_build_plain`.
    """
    if spec.kind == "plain":
        return _build_plain(spec)
    import torch
    from monai.networks.blocks import Convolution

    class PooledCNN(torch.nn.Module):
        """``stages`` is what class activation maps hook into: their output keeps the patch's axes."""

        def __init__(self) -> None:
            super().__init__()
            stages = []
            channels = spec.in_channels
            for width in spec.features:
                blocks = []
                for strides in (2, 1):
                    block = Convolution(
                        3, channels, width, strides=strides, norm="batch", act="prelu", dropout=spec.dropout
                    )
                    blocks.append(block)
                    channels = width
                stages.append(torch.nn.Sequential(*blocks))
            self.stages = torch.nn.ModuleList(stages)
            pooled = _POOLED_PER_MAP * (spec.in_channels - 1 + sum(spec.features))
            self.head = torch.nn.Sequential(
                torch.nn.BatchNorm1d(pooled), torch.nn.Dropout(spec.head_dropout), torch.nn.Linear(pooled, 1)
            )

        def forward(self, patch: torch.Tensor) -> torch.Tensor:
            mask = patch[:, -1:].clamp(0, 1)
            maps, pooled = patch, [_pool(patch[:, :-1], mask)]
            for stage in self.stages:
                maps = stage(maps)
                pooled.append(_pool(maps, torch.nn.functional.adaptive_avg_pool3d(mask, maps.shape[2:])))
            return self.head(torch.cat(pooled, dim=1)).squeeze(1)

    return PooledCNN()


def _build_plain(spec: NetworkSpec) -> torch.nn.Module:
    """The textbook network: 3×3×3 convolution, batch normalisation, ReLU, dropout and 2×2×2 maximum per stage, then
    two fully connected layers with dropout between."""
    import torch
    from monai.networks.blocks import Convolution

    class PlainCNN(torch.nn.Module):
        """``stages`` is what class activation maps hook into: their output keeps the patch's axes."""

        def __init__(self) -> None:
            super().__init__()
            stages, channels = [], spec.in_channels
            for width in spec.features:
                block = Convolution(3, channels, width, norm="batch", act="relu", dropout=spec.dropout)
                stages.append(torch.nn.Sequential(block, torch.nn.MaxPool3d(2)))
                channels = width
            self.stages = torch.nn.ModuleList(stages)
            self.head = torch.nn.Sequential(
                torch.nn.Linear(8 * channels, _PLAIN_HIDDEN),
                torch.nn.ReLU(),
                torch.nn.Dropout(spec.head_dropout),
                torch.nn.Linear(_PLAIN_HIDDEN, 1),
            )

        def forward(self, patch: torch.Tensor) -> torch.Tensor:
            maps = patch
            for stage in self.stages:
                maps = stage(maps)
            pooled = torch.nn.functional.adaptive_avg_pool3d(maps, 2).flatten(1)
            return self.head(pooled).squeeze(1)

    return PlainCNN()


_PLAIN_HIDDEN = 64
_POOLED_PER_MAP = 5  # mean, standard deviation, and one moment along each axis


def _pool(maps: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """What each map is like inside the tumour: mean, standard deviation, and where it is high.

    The last is the first moment along each axis, in units of the tumour's own extent: a mean over the tumour cannot
    tell a tumour that is dense in front from one that is dense behind.

    :param maps: (batch, channels, z, y, x). :param mask: (batch, 1, z, y, x), 0 to 1.
    :returns: (batch, 5 × channels).
    """
    import torch

    axes = (2, 3, 4)
    weight = mask / mask.sum(dim=axes, keepdim=True).clamp_min(1e-6)
    mean = (maps * weight).sum(dim=axes, keepdim=True)
    centred = maps - mean
    pooled = [mean.flatten(1), (centred**2 * weight).sum(dim=axes).add(1e-4).sqrt()]
    for axis in axes:
        shape = [-1 if other == axis else 1 for other in range(5)]
        place = torch.linspace(-1, 1, maps.shape[axis], device=maps.device, dtype=maps.dtype).reshape(shape)
        place = place - (place * weight).sum(dim=axes, keepdim=True)
        extent = (place**2 * weight).sum(dim=axes, keepdim=True).add(1e-4).sqrt()
        pooled.append((centred * weight * place / extent).sum(dim=axes))
    return torch.cat(pooled, dim=1)


def count_parameters(spec: NetworkSpec) -> int:
    """Parameters and running statistics that :func:`build_network` would allocate, without allocating them."""
    total, channels = 0, spec.in_channels
    if spec.kind == "plain":
        for width in spec.features:
            total += 27 * width * channels + 5 * width + 1
            channels = width
        return total + (8 * channels + 2) * _PLAIN_HIDDEN + 1
    for width in spec.features:
        total += 27 * width * (channels + width) + 2 * (6 * width + 2)
        channels = width
    pooled = _POOLED_PER_MAP * (spec.in_channels - 1 + sum(spec.features))
    return total + 5 * pooled + 2


def weights_to_bytes(network: torch.nn.Module) -> bytes:
    """The weights in safetensors format."""
    from safetensors.torch import save

    return save({name: tensor.contiguous() for name, tensor in network.state_dict().items()})


def network_from_bytes(spec: NetworkSpec, data: bytes, name: str) -> torch.nn.Module:
    """The network in evaluation mode with weights from a safetensors file; runs no code from it.

    :param name: of the file, for the message.
    :raises SignatureError: the weights do not belong to this architecture, or it is absurdly large.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    if count_parameters(spec) > _MAX_PARAMETERS:
        raise SignatureError(
            f"The network of {name} would have more than {_MAX_PARAMETERS:,} parameters.", "Refuse it."
        )
    network = build_network(spec)
    try:
        network.load_state_dict(load(data), strict=True)
    except (SafetensorError, RuntimeError) as error:
        raise SignatureError(
            f"The weights in {name} do not fit the network that signature.json describes.", "Get the signature again."
        ) from error
    return network.eval()
