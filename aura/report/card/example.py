"""The example of a model card: how the encoders are used, as Python that runs."""

from collections.abc import Sequence

from aura.schema import JOINTS


def example(
    folder: str, sensors: Sequence[str], window_s: float, dim: int, own_teacher: bool = False
) -> str:
    """A block of Markdown with the example.

    Parameters
    ----------
    folder : str
        Where the model is.
    sensors : sequence of str
        Those that it encodes, of "imu" and "mocap".
    window_s : float
        Length of a window in seconds.
    dim : int
        Of the vectors.
    own_teacher : bool
        Whether the model's card says where its teacher is.
    """
    teacher = "" if own_teacher else ', teacher="models/teacher"'
    lines = [
        "import numpy as np",
        "",
        "import aura",
        "",
        f'encoders = aura.load("{folder}"{teacher})',
        "rng = np.random.default_rng(0)",
    ]
    if "imu" in sensors:
        lines += [
            "",
            f"# Three windows of {window_s:g} s at 100 Hz, in m/s2 with gravity and rad/s.",
            f"signal = rng.normal(size=(3, 6, {round(window_s * 100)}))",
            "signal[:, 2] += 9.81",
            f"vectors = encoders.encode_imu(signal, rate_hz=100)  # (3, {dim}), unit vectors",
            'found = encoders.classify(signal, ["a person walks", "a person cooks"], rate_hz=100)',
            "print(found.best, found.probabilities)",
        ]
    if "mocap" in sensors:
        lines += [
            "",
            f"# A window of {window_s:g} s at 30 FPS, joints in m.",
            f"joints = rng.normal(size=(1, {round(window_s * 30)}, {len(JOINTS)}, 3))",
            f"poses = encoders.encode_mocap(joints, rate_hz=30)  # (1, {dim}), unit vectors",
        ]
    return "\n".join(["```python", *lines, "```"])
