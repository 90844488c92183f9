"""The Ray session of a run: one for all its stages, on this machine or at `RAY_ADDRESS`."""

import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from aura.config import Ray
from aura.errors import AuraError
from pipeline.engine.progress import say, waiting

_MAX_SOCKET_PATH = 107 if sys.platform.startswith("linux") else 103
_SOCKET = "/session_2026-01-01_00-00-00_000000_{}/sockets/plasma_store"  # the longest
SLOT = "shard"  # a resource of Ray's: as many shards are in work at once as there are slots


@contextmanager
def ray_session(settings: Ray) -> Iterator[None]:
    """One Ray for all the stages inside; an existing session or `RAY_ADDRESS` is used as it is."""
    if settings.executor == "local":
        yield
        return
    # Under `uv run`, Ray would start its workers by uv too, in a copy of this folder without the
    # environment, and wait for them without a word. Ray reads this when it is imported.
    os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    import ray
    import ray.data  # sets up its own log, so before the level

    owner = not ray.is_initialized()
    if owner:
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        handler = signal.getsignal(signal.SIGTERM)
        _connect(settings)
        with contextlib.suppress(ValueError):  # in another thread Ray has set none
            signal.signal(signal.SIGTERM, handler)  # Ray's own would end with its number
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
            with waiting("Ray", lambda: f"no cluster has answered at RAY_ADDRESS={address}"):
                ray.init(log_to_driver=False, logging_level=logging.ERROR)
        except Exception as error:  # Ray raises many kinds where it cannot connect
            reason = " ".join(str(error).split())[:200]
            raise AuraError(f"No Ray cluster answers at RAY_ADDRESS={address}: {reason}") from None
        return
    say("Starting Ray …")
    _check_socket_paths()
    try:
        with waiting("Ray", lambda: f"it has not started; its logs are in {_folder()}"):
            # One CPU more than workers: Ray Data's own tasks must not starve behind ours. A Ray of
            # somebody else's on this machine is not joined: it has other resources.
            ray.init(
                address="local",
                num_cpus=settings.local_workers() + 1,
                resources={SLOT: settings.local_workers()},
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
    except Exception as error:  # Ray raises many kinds where it cannot start
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise AuraError(
            f"Ray cannot start in {_folder()}: {reason.rstrip('.')}. "
            "RAY_TMPDIR names another folder; ray.executor=local needs no Ray."
        ) from None


def describe_ray() -> str:
    """What Ray has, and where it says more, in some words; for a run that stands still."""
    import ray

    try:
        total, free = ray.cluster_resources(), ray.available_resources()
        nodes = sum(node["Alive"] for node in ray.nodes())
    except Exception as error:  # it may be going down
        return f"Ray does not answer ({type(error).__name__})"
    return (
        f"Ray has {nodes} nodes, and {free.get('CPU', 0):g} of {total.get('CPU', 0):g} CPUs and "
        f"{free.get('GPU', 0):g} of {total.get('GPU', 0):g} GPUs free; its logs are in "
        f"{_folder()}/session_latest/logs"
    )


def _folder() -> str:
    """Where Ray keeps its sockets and logs on this machine."""
    return f"{os.environ.get(_folder_variable() or '', '/tmp').rstrip('/')}/ray"


def _folder_variable() -> str:
    """The variable that names it, "" if none does."""
    return next((name for name in ("RAY_TMPDIR", "TMPDIR") if os.environ.get(name)), "")


def _check_socket_paths() -> None:
    """Raise `AuraError` where the sockets that Ray makes would have names too long to bind."""
    spare = _MAX_SOCKET_PATH - len(os.fsencode(_folder() + _SOCKET.format(os.getpid())))
    if spare < 0:
        name = _folder_variable()
        raise AuraError(
            f"Ray cannot start: {name}={os.environ[name]} is {-spare} bytes too long for the names "
            "of its sockets; set RAY_TMPDIR to a shorter folder, such as /tmp."
        )


def _check_reachable(address: str) -> None:
    """Raise `OSError` where nothing listens at host:port; Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if port.isdigit() and "/" not in address:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
