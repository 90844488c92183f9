import numpy as np
import pytest
from scipy.interpolate import BarycentricInterpolator

from aura.signals.cubic import compiled_cubic, cubic


def test_the_cubic_is_exact_for_cubics_on_uneven_samples():
    rng = np.random.default_rng(0)
    origin = 1e5
    times = origin + np.cumsum(rng.uniform(0.2, 1.8, 60)) / 50
    curve = np.poly1d([3, -2, 1, 5])
    values = curve(times - origin)[:, None].astype(np.float32)
    start = int(np.ceil(times[0] * 100))
    grid = np.arange(start, int(times[-1] * 100) + 1) / 100
    out = np.full((1, len(grid) + 5), np.nan, np.float32)
    cubic(times, 100, values, start, len(grid), out)
    np.testing.assert_allclose(out[0, :-5], curve(grid - origin), rtol=1e-5, atol=1e-5)
    assert np.isnan(out[0, -5:]).all()


STAMPS = {
    "a walk": lambda rng, n: np.cumsum(rng.uniform(0.9, 1.1, n)),
    "on the grid": lambda rng, n: np.arange(n) + rng.uniform(-0.02, 0.02, n),
    "beside the grid": lambda rng, n: np.arange(n) + 0.5 + rng.uniform(-0.02, 0.02, n),
    "slipping": lambda rng, n: np.arange(n) * 1.004 - 0.3 + rng.uniform(-0.05, 0.05, n),
    "slow": lambda rng, n: np.cumsum(rng.uniform(2, 9, n)),
    "fast": lambda rng, n: np.cumsum(rng.uniform(0.05, 0.6, n)),
}


def uneven(stamps, count):
    """Stamps in s and values of samples, and the first and last point of 1/1000 s among them."""
    rng = np.random.default_rng(count)
    times = (7 + STAMPS[stamps](rng, count)) / 1000
    values = rng.normal(size=(count, 6)).astype(np.float32)
    return times, values, int(np.ceil(times[0] * 1000)), int(times[-1] * 1000)


@pytest.mark.parametrize("stamps", STAMPS)
@pytest.mark.parametrize("count", [4, 5, 70, 500])
def test_the_cubic_equals_a_loop(stamps, count):
    times, values, first, last = uneven(stamps, count)
    for start, points in ((first, last + 1 - first), (first + (last - first) // 3, 1)):
        out = np.zeros((6, points), np.float32)
        cubic(times, 1000, values, start, points, out)
        for point in range(points):
            moment = (start + point) / 1000
            left = min(max(int(np.searchsorted(times, moment, side="right")) - 2, 0), count - 4)
            four = slice(left, left + 4)
            curve = BarycentricInterpolator(times[four] - moment, values[four].astype(float))
            scale = 1 + np.abs(curve.wi).max() / np.abs(curve.wi).min()
            np.testing.assert_allclose(out[:, point], curve(0.0), atol=2e-6 * scale)


@pytest.mark.parametrize("stamps", STAMPS)
@pytest.mark.parametrize("count", [4, 5, 70, 3000])
def test_the_compiled_cubic_gives_the_same_bytes(stamps, count):
    pytest.importorskip("numba")
    times, values, first, last = uneven(stamps, count)
    for start, points in ((first, last + 1 - first), (first + (last - first) // 3, 1)):
        out, fast = np.zeros((6, points), np.float32), np.full((6, points + 3), 7, np.float32)
        cubic(times, 1000, values, start, points, out)
        compiled_cubic()(times, 1000, values, start, points, fast)
        np.testing.assert_array_equal(fast[:, :points], out)
        assert (fast[:, points:] == 7).all()
