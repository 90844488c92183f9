"""Models and training loops of the benchmarks, to go through step by step."""

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from aura import config
from aura.encoders.transformer import Trunk
from aura.learning import training
from aura.learning.batches import Windows


class StandardTrunk(nn.Module):
    """torch's own `nn.TransformerEncoder` in place of a trunk of the same size."""

    def __init__(self, trunk: Trunk, width: int, layers: int, heads: int, dropout: float) -> None:
        super().__init__()
        assert trunk.position is not None
        assert trunk.cls is not None
        self.position, self.cls, self.dropout = trunk.position, trunk.cls, nn.Dropout(dropout)
        layer = nn.TransformerEncoderLayer(
            width, heads, 4 * width, dropout, "gelu", batch_first=True, norm_first=True
        )
        norm = nn.LayerNorm(width)
        self.blocks = nn.TransformerEncoder(layer, layers, norm, enable_nested_tensor=False)

    def forward(self, x_BLD: Tensor, mask_BL: Tensor) -> Tensor:
        """Features (B, D) of the class token."""
        x_BLD = torch.cat([self.cls.expand(len(x_BLD), 1, -1), x_BLD + self.position], dim=1)
        hidden_BL = F.pad(~mask_BL, (1, 0), value=False)
        features: Tensor = self.blocks(self.dropout(x_BLD), src_key_padding_mask=hidden_BL)[:, 0]
        return features


def make_model(params: config.Train, windows: Windows) -> training.Model:
    """With the same first weights each time."""
    torch.manual_seed(0)
    model = training.Model(windows.shape, params.imu_encoder, params.mocap_encoder, params.loss)
    training.fit_scale(model, windows, windows.rows("train"))
    return model


def make_loop(params: config.Train, windows: Windows, standard: bool = False) -> Any:
    """The trainer of `training.train_phase`, to go through step by step."""
    model = make_model(params, windows)
    if standard:
        trunk, dropout = cast(Trunk, model.imu.trunk), params.imu_encoder.dropout
        width, layers, heads = (params.imu_encoder.options[k] for k in ("width", "layers", "heads"))
        model.imu.trunk = StandardTrunk(trunk, width, layers, heads, dropout)
    return training.Trainer(model, windows, params.imu, params, 0, select=False)
