"""Random rotations of sensors and bodies; B windows, each turned as a whole."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from aura.learning.sampling import uniform


def rotations(count: int, max_deg: float, like: Tensor, generator: torch.Generator) -> Tensor:
    """Random rotation matrices (count, 3, 3).

    Below 180 degrees the axis is uniform on the sphere and the angle uniform up to `max_deg`. At
    180 they are uniform on SO(3): four normal numbers are a quaternion without any preferred
    direction, so scaled to length 1 it is uniform on the sphere in four dimensions.

    Parameters
    ----------
    count : int
        How many.
    max_deg : float
        Largest angle, degrees.
    like : Tensor
        On the device where they are needed.
    generator : torch.Generator
        Draws axes and angles.

    Returns
    -------
    Tensor
        (count, 3, 3) float32.
    """
    normal = torch.randn((count, 4), generator=generator, device=generator.device).to(like.device)
    if max_deg < 180:
        half = uniform((count, 1), 0, math.radians(max_deg) / 2, like, generator)
        normal = torch.cat([half.cos(), half.sin() * F.normalize(normal[:, 1:], dim=1)], dim=1)
    w, x, y, z = F.normalize(normal, dim=1).unbind(dim=1)
    rows = [
        1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
        2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
        2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
    ]  # fmt: skip
    return torch.stack(rows, dim=1).view(count, 3, 3)


def rotate_sensors(imu: Tensor, max_deg: float, generator: torch.Generator) -> Tensor:
    """Another mounting of the device: one rotation a window, for both of its sensors."""
    return rotate(imu, rotations(len(imu), max_deg, imu, generator))


def rotate_body(mocap: Tensor, max_deg: float, generator: torch.Generator) -> Tensor:
    """Another heading: poses turned about the vertical z by up to `max_deg` either way."""
    limit = math.radians(max_deg)
    angle_B = uniform((len(mocap),), -limit, limit, mocap, generator)
    cos_B, sin_B, zero_B = angle_B.cos(), angle_B.sin(), torch.zeros_like(angle_B)
    rows = [cos_B, -sin_B, zero_B, sin_B, cos_B, zero_B, zero_B, zero_B, zero_B + 1]
    return rotate(mocap, torch.stack(rows, dim=1).view(-1, 3, 3))


def rotate(vectors: Tensor, rotation_B33: Tensor) -> Tensor:
    """Rotate each three numbers that lie together in (B, ..., 3 n)."""
    return (vectors.reshape(len(vectors), -1, 3) @ rotation_B33.transpose(1, 2)).view(vectors.shape)


def turn_sensors(imu: Tensor, valid: Tensor, max_deg: float, generator: torch.Generator) -> Tensor:
    """Another side of the body: each device turned about the vertical by up to `max_deg`.

    The vertical is the mean acceleration of a window, which stays as it is; a window without any is
    not turned.

    Parameters
    ----------
    imu : Tensor
        (B, T, 6) float32, zero where the sensor or the sample is not valid.
    valid : Tensor
        (B, T) bool.
    max_deg : float
        Largest angle, degrees.
    generator : torch.Generator
        Draws the angles.

    Returns
    -------
    Tensor
        (B, T, 6) float32.
    """
    limit = math.radians(max_deg)
    angle_B = uniform((len(imu),), -limit, limit, imu, generator)
    up_B3 = F.normalize((imu[..., :3] * valid[..., None]).sum(dim=1), dim=1)
    angle_B = angle_B * up_B3.any(dim=1)
    x, y, z = up_B3.unbind(dim=1)
    zero_B = torch.zeros_like(x)
    cross = torch.stack([zero_B, -z, y, z, zero_B, -x, -y, x, zero_B], dim=1).view(-1, 3, 3)
    eye = torch.eye(3, device=imu.device)
    sin, cos = angle_B.sin()[:, None, None], angle_B.cos()[:, None, None]
    return rotate(imu, eye + sin * cross + (1 - cos) * cross @ cross)  # Rodrigues
