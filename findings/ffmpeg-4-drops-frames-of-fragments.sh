#!/usr/bin/env bash
# ffmpeg 4.2.2 (imageio-ffmpeg 0.5.1) and ffmpeg 7.0.2 (imageio-ffmpeg 0.6.0), static builds, Linux.
#
# Guess: a fragmented MP4 with a fragment a frame decodes to all of its frames in any ffmpeg of the
# last ten years, or the program says that something is wrong.
# Seen: of 120 frames 4.2.2 hands over 61 as they come (-vsync 0), and complains of time stamps, or 122
# at an even rate, its default, and says nothing; it exits 0 both times. 7.0.2 gives 120 either way.
# Here: aura counts the frames that were decoded and compares them with the take, and takes a program
# from before 5.1 only where there is no other (aura/teacher/ffmpeg.py).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
program() { # of one version of the wheel
  python3.11 -m venv "$1"
  "$1/bin/pip" install -q --disable-pip-version-check "imageio-ffmpeg==$2" setuptools 2>/dev/null
  "$1/bin/python" -c 'import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())'
}
old=$(program old 0.5.1)
new=$(program new 0.6.0)
"$new" -v error -f lavfi -i testsrc=size=64x48:rate=30:duration=4 -threads 1 -c:v libx264 \
  -pix_fmt yuv420p -movflags +dash+frag_every_frame film.mp4
count() { # bytes of gray frames of 64 x 48
  "$@" -f rawvideo -pix_fmt gray frames.raw -y 2> errors.txt
  echo "$(($(stat -c %s frames.raw) / 3072)) of 120 frames, $(wc -l < errors.txt) errors said"
}
for name in old new; do
  version=$("${!name}" -version | head -1 | cut -d' ' -f3)
  echo "$version -vsync 0: $(count "${!name}" -v error -i film.mp4 -vsync 0)"
  echo "$version: $(count "${!name}" -v error -i film.mp4)"
done | tee seen.txt
grep -q '^4.2.2.* -vsync 0: 61 of 120 frames, ' seen.txt
grep -q '^4.2.2[^ ]*: 122 of 120 frames, 0 errors said' seen.txt
test "$(grep -c '^7.0.2.*: 120 of 120 frames' seen.txt)" = 2
