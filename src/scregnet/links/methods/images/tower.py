"""A convolutional network that reads images of pairs of genes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import nn

from scregnet.links.methods.images.histograms import images
from scregnet.links.methods.images.sides import last_side
from scregnet.links.neural.dropout import Dropout

if TYPE_CHECKING:
    import numpy as np

BLOCK = 128
"""Images that are in memory at a time when scores are computed."""

VALUES = 1 << 22
"""Values of the first convolution that a CPU computes at a time.

More than 32 MiB is taken from the system anew each time, page by page: a quarter of the time of a
step for images of 32 x 32, two fifths for larger ones.
"""


class ImageTower(nn.Module):
    """Blocks of two convolutions and a pooling, then a dense layer: (n, height, width) to (n, dim).

    The first convolution of a block keeps the size of the image, the second takes a pixel off each
    edge, and the pooling halves it, as in VGG.

    Parameters
    ----------
    side
        Height and width of an image: one number, or two.
    conv_dims
        Channels of each block.
    dim
        Width of the dense layer.
    conv_dropout
        Dropout after each block.
    rectified
        Whether a ReLU follows the dense layer.
    precision
        ``"bfloat16"`` computes in it while training. Scores are always computed in float32, so a
        saved network need not know.
    """

    def __init__(
        self,
        side: int | tuple[int, int],
        conv_dims: Sequence[int],
        dim: int,
        *,
        conv_dropout: float,
        rectified: bool = True,
        precision: str = "float32",
    ) -> None:
        super().__init__()
        self.conv_dims, self.precision = tuple(conv_dims), precision
        self.rectified = rectified
        layers: list[nn.Module] = []
        for a, b in zip((1, *conv_dims), conv_dims, strict=False):
            layers += [nn.Conv2d(a, b, 3, padding=1), nn.ReLU(), nn.Conv2d(b, b, 3)]
            # ReLU after the pooling gives the same as before it, from a quarter of the pixels.
            layers += [nn.MaxPool2d(2), nn.ReLU(), Dropout(conv_dropout)]
        self.blocks = nn.Sequential(*layers)
        # On a CPU, convolutions take three quarters of the time with channels last in memory.
        # Weights from a file have them first, which would change the last bits of a score.
        _put_channels_last(self)
        self.register_load_state_dict_post_hook(_put_channels_last)
        height, width = (side, side) if isinstance(side, int) else side
        self.at_a_time = max(1, VALUES // (height * width * conv_dims[0]))
        pixels = last_side(height, len(conv_dims)) * last_side(width, len(conv_dims))
        self.dense = nn.Linear(conv_dims[-1] * pixels, dim)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the features of each image."""
        half = self.training and self.precision == "bfloat16"
        with torch.autocast(x.device.type, torch.bfloat16, enabled=half):
            at_a_time = self.at_a_time if x.device.type == "cpu" else len(x)
            found = self.dense(in_blocks(self._seen, x, block=at_a_time))
        return torch.relu(found.float()) if self.rectified else found.float()

    def _seen(self, x: torch.Tensor) -> torch.Tensor:
        return self.blocks(x[:, None]).flatten(1)


def _put_channels_last(tower: nn.Module, _: object = None) -> None:
    tower.blocks.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def read_images(
    tower: nn.Module,
    bins: np.ndarray,
    n_bins: int,
    sources: torch.Tensor,
    targets: torch.Tensor,
) -> torch.Tensor:
    """Return what a tower says of the images of pairs, on the device of the pairs."""
    drawn = images(bins, sources.cpu().numpy(), targets.cpu().numpy(), n_bins)
    return tower(torch.from_numpy(drawn).to(sources.device))


def in_blocks(
    function: Callable[..., torch.Tensor], *columns: torch.Tensor, block: int = BLOCK
) -> torch.Tensor:
    """Apply a function to blocks of rows and join the results."""
    if len(columns[0]) <= block:
        return function(*columns)
    parts = zip(*(column.split(block) for column in columns), strict=True)
    return torch.cat([function(*part) for part in parts])
