"""The 3D-CNN: a few MONAI convolution blocks, pooled inside the tumour and over the whole patch."""

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
    :param dropout: probability, after each convolution block and before the classifier.
    """

    in_channels: int
    features: tuple[int, ...] = (16, 32, 64)
    dropout: float = 0.1

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
    HU and SUV), PReLU and dropout; then the mean and the standard deviation inside the tumour and the mean over the
    patch, and one linear layer.
    """
    import torch
    from monai.networks.blocks import Convolution

    class PooledCNN(torch.nn.Module):
        """``stages`` is what class activation maps hook into: its output keeps the patch's axes."""

        def __init__(self) -> None:
            super().__init__()
            stages = []
            channels = spec.in_channels
            for width in spec.features:
                for step in range(2):
                    strides = 2 if step == 0 else 1
                    stages.append(
                        Convolution(
                            3, channels, width, strides=strides, norm="batch", act="prelu", dropout=spec.dropout
                        )
                    )
                    channels = width
            self.stages = torch.nn.Sequential(*stages)
            self.dropout = torch.nn.Dropout(spec.dropout)
            self.classifier = torch.nn.Linear(3 * channels, 1)

        def forward(self, patch: torch.Tensor) -> torch.Tensor:
            maps = self.stages(patch)
            mask = torch.nn.functional.adaptive_avg_pool3d(patch[:, -1:].clamp(0, 1), maps.shape[2:])
            weight = mask / mask.sum(dim=(2, 3, 4), keepdim=True).clamp_min(1e-6)
            mean = (maps * weight).sum(dim=(2, 3, 4), keepdim=True)
            deviation = ((maps - mean) ** 2 * weight).sum(dim=(2, 3, 4)).add(1e-6).sqrt()
            pooled = torch.cat([mean.flatten(1), deviation, maps.mean(dim=(2, 3, 4))], dim=1)
            return self.classifier(self.dropout(pooled)).squeeze(1)

    return PooledCNN()


def count_parameters(spec: NetworkSpec) -> int:
    """Parameters that :func:`build_network` would allocate, without allocating them."""
    total, channels = 0, spec.in_channels
    for width in spec.features:
        total += 27 * width * (channels + width) + 2 * width * 4
        channels = width
    return total + 3 * channels + 1


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
