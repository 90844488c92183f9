"""IMU streams of Project Aria recordings, read straight from VRS files.

container.py   header, tags, index and records of the file
walk.py        records of a file whose index is lost
data_layout.py where a field lies in a record
imu.py         samples and calibration of one IMU, in its own or the device's axes
official.py    projectaria-tools, for records that the rest does not read

Source: the VRS file format, https://facebookresearch.github.io/vrs/docs/FileFormat.
"""

from aura.datasets.vrs.imu import ImuCalibration, ImuStream, read_imu, to_device_frame

__all__ = ["ImuCalibration", "ImuStream", "read_imu", "to_device_frame"]
