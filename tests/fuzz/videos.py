"""Videos: what their headers say, the packets that frames need, and the frames."""

import random
from pathlib import Path

from aura.errors import CorruptFile
from aura.teacher.video import check_frames, decode_frames
from aura.teacher.video_gop import copy_needed_packets
from tests.fuzz.mutate import mutate_bytes
from tests.fuzz.target import Target
from tests.teacher import films

FRAMES = 12
SCRIPTS = (
    b"ffconcat version 1.0\nfile film.mp4\n",
    b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfilm.ts\n#EXT-X-ENDLIST\n",
)
BOXES = (b"stsz", b"stco", b"stsc", b"stts", b"ctts", b"elst", b"mvhd", b"tkhd", b"mdhd", b"avcC")
BOXES += (b"udta", b"ilst", b"trun", b"tfhd", b"moof", b"hdlr", b"stsd", b"stss", b"dref")


def sites_of(raw: bytes) -> list[tuple[int, str]]:
    """Offsets of the numbers that follow the names of boxes, and of their sizes."""
    found = [at for box in BOXES for at in (raw.find(box),) if at >= 4]
    return [(at + step, "I") for at in found for step in range(-4, 28, 4) if step]


def mp4_target(folder: Path) -> Target:
    film = films.write(folder / "film.mp4", FRAMES)
    flags = ("-movflags", "frag_keyframe+empty_moov")
    paths = [film, films.copy(film, "fragments.mp4", *flags)]
    paths += [films.copy(film, name) for name in ("film.mkv", "film.avi", "film.ts")]
    bases = [path.read_bytes() for path in paths]
    sites = {raw: sites_of(raw) for raw in bases}
    path, copy = folder / "input.mp4", folder / "copy.mp4"

    def mutate(rng: random.Random, raw: bytes) -> bytes:
        return mutate_bytes(rng, raw, rng.choice(bases), sites[raw])

    def make(rng: random.Random) -> bytes:
        if rng.random() < 0.3:
            return rng.choice(SCRIPTS)
        raw = rng.choice(bases)
        return raw[: rng.randrange(len(raw))]

    def read(rng: random.Random, data: bytes) -> None:
        path.write_bytes(data)
        reason, usable = check_frames(path, FRAMES if rng.random() < 0.5 else 0)
        assert usable or reason
        copied = copy_needed_packets(path, [1, 5, 9], copy)
        assert copied is None or len(copied[0]) <= 3
        decoder = rng.choice(("ffmpeg", "gop"))
        try:
            for frames in decode_frames(path, [1, 5, 9], 2, decoder):  # type: ignore[arg-type]
                assert frames.ndim == 4
        except CorruptFile:
            if not usable:
                raise

    return Target(bases, mutate, make, read, CorruptFile, 10.0, 512 << 20)
