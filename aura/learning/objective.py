"""The loss of a step, of a batch that the processes of a group share."""

from collections.abc import Sequence

import torch
from torch import Tensor

from aura.learning.batches import Batch
from aura.learning.distributed import Group
from aura.learning.model import Model

FROZEN = ("video", "text")  # modalities whose vectors are the teacher's


class Objective:
    """InfoNCE over pairs of modalities, and between augmented views where there are two.

    Parameters
    ----------
    model : Model
        Its sensor encoders and its loss.
    pairs : sequence of (str, str)
        Modalities to align.
    view_weight : float
        Weight of the term between views.
    group : Group
        Processes that share each batch.
    bf16 : bool
        Whether the encoders run in bfloat16; the loss is always in float32.
    """

    def __init__(
        self,
        model: Model,
        pairs: Sequence[tuple[str, str]],
        view_weight: float,
        group: Group,
        bf16: bool,
    ) -> None:
        self.model, self.pairs, self.view_weight = model, pairs, view_weight
        self.group, self.bf16 = group, bf16
        self.sensors = sorted({m for pair in pairs for m in pair} - set(FROZEN))

    def __call__(self, views: Sequence[Batch]) -> Tensor:
        """Loss, a scalar, of the first view, and of its agreement with a second."""
        batch = views[0]
        vectors = [self._encode(view) for view in views]
        loss = self.model.loss(vectors[0], batch, self.pairs)
        if len(views) > 1:
            first, second = vectors
            losses = [
                self.model.loss.view_loss(first[m], second[m], batch, batch.has[m])
                for m in self.sensors
            ]
            loss = loss + self.view_weight * torch.stack(losses).mean()
        return loss

    def _encode(self, batch: Batch) -> dict[str, Tensor]:
        """Vectors (B, D) of the whole batch, of which this rank encodes its part."""
        local = batch.select(self.group.local_rows(len(batch)))
        with torch.autocast(batch.imu.device.type, torch.bfloat16, enabled=self.bf16):
            encoded = {m: self.model.encode(m, local) for m in self.sensors}
        gathered = {m: self.group.gather(v.float(), len(batch)) for m, v in encoded.items()}
        return gathered | {m: self.model.encode(m, batch) for m in FROZEN}
