#!/usr/bin/env bash
# ijson 3.6.0, Python 3.11.
#
# Guess: a stream parser reads the files that Python's own `json.loads` reads, and standard JSON in
# any case.
# Seen: its default backend, yajl2_c, refuses a byte-order mark, UTF-16, NaN, -Infinity, and an
# integer of 20 digits, which is standard JSON; with `use_float` also 1e999. Its error is
# IncompleteJSONError each time, whether the file is complete or not. Its own Python backend takes
# the integer only.
# Here: aura streams a file and, where that fails, reads it whole by the standard library
# (aura/datasets/ego_exo4d/index.py), which also says the line and column of what is no JSON.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3.11 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check ijson==3.6.0 2>/dev/null
cat > "$work/read.py" <<'PY'
import io
import json

import ijson

CASES = {
    "plain": b'[{"a": 1}]',
    "byte-order mark": b'\xef\xbb\xbf[{"a": 1}]',
    "UTF-16": '[{"a": 1}]'.encode("utf-16"),
    "NaN": b'[{"a": NaN}]',
    "-Infinity": b'[{"a": -Infinity}]',
    "20 digits": b'[{"a": 12345678901234567890}]',
    "1e999": b'[{"a": 1e999}]',
}


def outcome(read, data):
    try:
        read(data)
        return "read"
    except Exception as error:
        return type(error).__name__


def reader(backend):
    return lambda data: list(backend.items(io.BytesIO(data), "item", use_float=True))


print(f"default backend {ijson.backend}")
readers = [json.loads, *(reader(ijson.get_backend(name)) for name in ("yajl2_c", "python"))]
for name, data in CASES.items():
    print(f"{name}: json, yajl2_c, python:", *(outcome(read, data) for read in readers))
PY
"$work/venv/bin/python" "$work/read.py" | tee "$work/seen.txt"
grep -qx 'default backend yajl2_c' "$work/seen.txt"
grep -qx 'plain: json, yajl2_c, python: read read read' "$work/seen.txt"
test "$(grep -c ': read IncompleteJSONError ' "$work/seen.txt")" = 6
grep -qx '20 digits: json, yajl2_c, python: read IncompleteJSONError read' "$work/seen.txt"
