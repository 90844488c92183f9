"""Whether a gyroscope's axes are those of its accelerometer, as gravity turns."""

from itertools import permutations, product

import numpy as np

from aura.guess.numbers import LEAST, all_turns


def better_axes(parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> tuple[str, float, float]:
    """Which order and signs of the gyroscope's axes go best with the accelerometer's.

    Returns
    -------
    tuple
        Such as `x y z` or `y -x z`, its correlation, and that of the order as it stands.
    """
    moved, both = all_turns(parts)
    if len(moved) < 2 * LEAST:
        return "x y z", 0.0, 0.0
    best, most, own = "x y z", -2.0, 0.0
    for order in permutations(range(3)):
        for signs in product((1, -1), repeat=3):
            if np.linalg.det(np.eye(3)[list(order)] * signs) < 0:
                continue  # both are right-handed
            seen = -np.cross(both[:, 0][:, list(order)] * signs, both[:, 1])
            fit = float(
                (seen * moved).sum() / max(np.linalg.norm(seen) * np.linalg.norm(moved), 1e-12)
            )
            name = " ".join(
                ("-" if s < 0 else "") + "xyz"[o] for o, s in zip(order, signs, strict=True)
            )
            own = fit if name == "x y z" else own
            if fit > most + 1e-9:
                best, most = name, fit
    return best, most, own
