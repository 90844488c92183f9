"""The Ray session of a run: one for all its stages, on this machine or at `RAY_ADDRESS`."""

import contextlib
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from aura.config import Ray
from aura.errors import AuraError
from pipeline.engine.progress import say

SLOT = "shard"  # a resource of Ray's: as many shards are in work at once as there are slots


@contextmanager
def ray_session(settings: Ray) -> Iterator[None]:
    """One Ray for all the stages inside; an existing session or `RAY_ADDRESS` is used as it is."""
    if settings.executor == "local":
        yield
        return
    import ray
    import ray.data  # sets up its own log, so before the level

    owner = not ray.is_initialized()
    if owner:
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        _connect(settings)
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    with contextlib.suppress(AttributeError):
        context.execution_no_progress_timeout_s = settings.stall_hours * 3600
    context.target_max_block_size = 1  # each shard of a task is heard of when it is done
    try:
        yield
    finally:
        if owner:
            ray.shutdown()


def _connect(settings: Ray) -> None:
    import ray

    address = os.environ.get("RAY_ADDRESS")
    if address:
        say(f"Joining the Ray cluster at {address} …")
        try:
            _check_reachable(address)
            ray.init(log_to_driver=False, logging_level=logging.ERROR)
        except Exception as error:  # Ray raises many kinds where it cannot connect
            reason = " ".join(str(error).split())[:200]
            raise AuraError(f"No Ray cluster answers at RAY_ADDRESS={address}: {reason}") from None
        return
    say("Starting Ray …")
    # One CPU more than workers: Ray Data's own tasks must not starve behind ours.
    ray.init(
        "local",  # else Ray joins a cluster that somebody started on this machine, and fails there
        num_cpus=settings.local_workers() + 1,
        resources={SLOT: settings.local_workers()},
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )


def _check_reachable(address: str) -> None:
    """Raise `OSError` where nothing listens at host:port; Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if port.isdigit() and "/" not in address:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
