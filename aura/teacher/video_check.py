"""Whether a video is its take's: by the frames that come out of it, while it is decoded."""

from collections.abc import Generator

import numpy as np

from aura.errors import CorruptFile

FRAME_TOLERANCE = 2


def compare_frames(shown: int, expected: int) -> tuple[str, bool]:
    """Compare the number of frames that a video shows with its take's.

    Frames are found by number, so a video with another number of frames than its take has is of
    another clock; one or two off are the encoder's.

    Parameters
    ----------
    shown : int
        Frames that come out of the video.
    expected : int
        Frames of the take, 0 if that is not known.

    Returns
    -------
    reason : str
        Why the video is not as it should be, "" if it is.
    usable : bool
        Whether it can be used all the same.
    """
    if not expected or shown == expected:
        return "", True
    if abs(shown - expected) <= FRAME_TOLERANCE:
        return "video is a frame or two off the take", True
    return "video has another number of frames than the take", False


class VideoCheck:
    """What is wrong with a video of a take, found while it is opened and decoded.

    Parameters
    ----------
    video : str
        Its name, for an error.
    expected : int
        Frames of the take, 0 if that is not known.

    Attributes
    ----------
    reason : str
        What is or, while it goes on, would be wrong: a fixed phrase, for counting.
    """

    def __init__(self, video: str, expected: int) -> None:
        self.video, self.expected = video, expected
        self.reason = "video cannot be opened"

    def watch(self, decoded: Generator[np.ndarray, None, int]) -> Generator[np.ndarray, None, None]:
        """Yield the frames of `decode_frames`.

        `CorruptFile` at their end if the video shows more or fewer than the take has.
        """
        self.reason = "video cannot be decoded"
        shown = yield from decoded
        self.reason, usable = compare_frames(shown, self.expected)
        if not usable:
            raise CorruptFile(
                f"{self.video} shows {shown} frames, and its take has {self.expected}."
            )
