"""What the processes of `test_workers.py` run; they import no more than they need."""

import torch
import torch.distributed as dist
import torch.distributed.nn.functional

from aura import config
from aura.errors import AuraError
from aura.learning import training
from aura.learning.distributed import Ranks
from tests.small import fresh, settings, short

# 39 windows in batches of 8 and 7: no half of a 7 is like the other.
ALL_PAIRS = settings(
    [("imu", "text"), ("imu", "video"), ("imu", "mocap"), ("mocap", "text")],
    epochs=2,
    learning_rate=1e-3,
    augment=config.Augment(jitter=0.1, drop_sensor=0.3),
    loss=config.Loss(views=0.5, soft_targets=0.2),
    batches="together",
)


def record(group, chosen):
    """Losses and gradients of every step, the curve, and the weights left."""
    joined, losses, grads, curve = short(), [], [], []
    model = fresh(joined, chosen)
    model.loss.register_forward_hook(lambda _, __, out: losses.append(out.item()))
    average = group.average

    def averaged(weights):
        average(weights)
        grads.append(torch.cat([w.grad.flatten() for w in weights if w.grad is not None]))

    group.average = averaged
    training.train_phase(model, joined, chosen.joint, chosen, 3, curve.append, group=group)
    return {"losses": losses, "grads": grads, "curve": curve, "weights": model.state_dict()}


def rank(number, world, folder, chosen):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"file://{folder}/meet", rank=number, world_size=world)
    torch.save(record(Ranks(), chosen), folder / f"{number}.pt")
    gathers(number, world)
    dist.destroy_process_group()


def gathers(number, world):
    """Our gather against PyTorch's, whose backward sums over the ranks what each one has."""
    rows = torch.randn(world * 3, 5, generator=torch.Generator().manual_seed(0))
    local = rows[Ranks().part(len(rows))]
    grads = []
    for gather in (
        lambda x: Ranks().gather(x, len(rows)),
        lambda x: torch.cat(dist.nn.functional.all_gather(x)),
    ):
        part = local.clone().requires_grad_()
        whole = gather(part)
        assert torch.equal(whole, rows)
        (whole.sin() @ whole.T).square().mean().backward()
        grads.append(part.grad)
    torch.testing.assert_close(grads[0], grads[1])


def refuse(group, device, on_epoch_end):
    on_epoch_end({"epoch": 0.0})
    raise AuraError(f"rank {group.rank} of {group.world} on {device} gives up")
