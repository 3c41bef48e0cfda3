"""All textures of a world in one tensor, with smaller copies of each so that distance does not flicker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True, eq=False)
class TextureBank:
    """T tileable square textures of side ``size`` (a power of two), each with its pyramid of halvings.

    ``texels`` (T * per_texture, 3) holds the levels of texture 0, then of texture 1, and so on;
    ``offsets`` (levels,) tells where a level starts within one texture.
    """

    texels: Tensor
    offsets: Tensor
    size: int

    @classmethod
    def bake(cls, textures: Sequence[Tensor]) -> TextureBank:
        """Stack (S, S, 3) linear RGB textures of equal size; raises ValueError otherwise."""
        sizes = {tuple(image.shape) for image in textures}
        size = next(iter(sizes))[0] if sizes else 0
        if sizes != {(size, size, 3)} or size & (size - 1) or size == 0:
            raise ValueError(f"textures must all be (S, S, 3) with S a power of two, got {sorted(sizes)}")
        level = torch.stack(list(textures)).float()  # (T, S, S, 3)
        flat, offsets = [], [0]
        while True:
            flat.append(level.reshape(len(textures), -1, 3))
            if level.shape[1] == 1:
                break
            offsets.append(offsets[-1] + level.shape[1] ** 2)
            level = F.avg_pool2d(level.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)
        return cls(torch.cat(flat, 1).reshape(-1, 3).contiguous(), torch.tensor(offsets), size)

    @property
    def per_texture(self) -> int:
        """Texels of one texture with all its levels."""
        return int((4 * self.size**2 - 1) // 3)

    def __len__(self) -> int:
        """Number of textures."""
        return len(self.texels) // self.per_texture

    def to(self, device: str | torch.device) -> TextureBank:
        """Return the bank on ``device``."""
        return TextureBank(self.texels.to(device), self.offsets.to(device), self.size)

    def sample(self, index: Tensor, u: Tensor, v: Tensor, footprint: Tensor) -> Tensor:
        """Return (n, 3) linear RGB.

        ``index`` (n,) int64 texture; ``u``, ``v`` (n,) in repetitions (any real number); ``footprint``
        (n,) is how many repetitions a pixel covers, which picks the level; within it bilinear.
        """
        levels = len(self.offsets)
        level = torch.log2((footprint * self.size).clamp_min(1.0)).round().clamp_max(levels - 1).long()
        side = torch.full_like(level, self.size) >> level
        x, y = u * side - 0.5, v * side - 0.5
        x0, y0 = torch.floor(x), torch.floor(y)
        fx, fy = (x - x0)[:, None], (y - y0)[:, None]
        mask = side - 1
        left, top = x0.long() & mask, y0.long() & mask
        right, bottom = (left + 1) & mask, (top + 1) & mask
        base = index * self.per_texture + self.offsets[level]

        def texel(row: Tensor, column: Tensor) -> Tensor:
            return self.texels.index_select(0, base + row * side + column)

        upper = torch.lerp(texel(top, left), texel(top, right), fx)
        lower = torch.lerp(texel(bottom, left), texel(bottom, right), fx)
        return torch.lerp(upper, lower, fy)
