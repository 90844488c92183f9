#!/usr/bin/env bash
# open_clip 3.3.0, torch 2.14.1, Python 3.11. Installs about 1 GB in a temporary folder.
# Needs 4 GB of memory and no network: the download is replaced by a file of random weights.
#
# Guess: `create_model("ViT-B-32", pretrained="openai")` computes as OpenAI's weights were trained, with
# QuickGELU, which open_clip's own list says of that tag.
# Seen: it computes with GELU, and warns. The same weights by file: GELU, without a warning.
# Here: aura takes the activation of the tag, looks into a file for what tells it, and says which it
# took (aura/teacher/clues.py); it is part of the teacher's identity.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3.11 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check \
  open_clip_torch==3.3.0 torch==2.14.1 torchvision==0.29.1 2>/dev/null
cat > "$work/load.py" <<'PY'
import logging
import sys
import warnings

import open_clip
import torch
from open_clip import factory
from open_clip.model import QuickGELU

file = sys.argv[1]
logging.disable(logging.CRITICAL)
network = open_clip.create_model("ViT-B-32-quickgelu")
torch.save({name: tensor.half() for name, tensor in network.state_dict().items()}, file)
del network
logging.disable(logging.NOTSET)


class Count(logging.Handler):
    count = 0

    def emit(self, record):
        Count.count += record.levelno >= logging.WARNING


logging.getLogger().addHandler(Count())
factory.download_pretrained = lambda *args, **kwargs: file
print("the tag says quick_gelu:", open_clip.get_pretrained_cfg("ViT-B-32", "openai")["quick_gelu"])
for how, pretrained in (("tag", "openai"), ("file", file)):
    Count.count = 0
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        network = open_clip.create_model("ViT-B-32", pretrained=pretrained)
    quick = any(isinstance(module, QuickGELU) for module in network.modules())
    said = sum("QuickGELU" in str(warning.message) for warning in caught) + Count.count
    print(f"by {how}: {'QuickGELU' if quick else 'GELU'}, warned of: {bool(said)}")
PY
"$work/venv/bin/python" "$work/load.py" "$work/ViT-B-32.pt" | tee "$work/seen.txt"
grep -qx 'the tag says quick_gelu: True' "$work/seen.txt"
grep -qx 'by tag: GELU, warned of: True' "$work/seen.txt"
grep -qx 'by file: GELU, warned of: False' "$work/seen.txt"
