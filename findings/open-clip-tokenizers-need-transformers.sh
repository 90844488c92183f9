#!/usr/bin/env bash
# open_clip 3.3.0, torch 2.14.1, Python 3.11. Installs about 1 GB in a temporary folder.
#
# Guess: `pip install open_clip_torch` brings what the models in `list_models()` need, or an extra of
# the package for those that need more.
# Seen: 49 of the 144 have a tokenizer of Hugging Face, SigLIP and CLIPA among them, and
# `get_tokenizer` of one ends in ModuleNotFoundError: transformers is in the extra "training" only,
# for another purpose.
# Here: aura says in a sentence which package is missing (aura/teacher/tokens.py), and the README that
# such models need `pip install transformers`.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3.11 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check \
  open_clip_torch==3.3.0 torch==2.14.1 torchvision==0.29.1 2>/dev/null
cat > "$work/tokenizers.py" <<'PY'
from importlib.metadata import requires

import open_clip

print("requires:", [need for need in requires("open_clip_torch") if "transformers" in need])
configs = {name: open_clip.get_model_config(name)["text_cfg"] for name in open_clip.list_models()}
needing = [name for name, text in configs.items() if text.get("hf_tokenizer_name")]
print(f"{len(needing)} of {len(configs)} models have a tokenizer of Hugging Face")
for name in ("ViT-B-32", "ViT-B-16-SigLIP", "ViT-H-14-CLIPA"):
    try:
        open_clip.get_tokenizer(name)
        print(f"{name}: fine")
    except Exception as error:
        print(f"{name}: {type(error).__name__}")
PY
"$work/venv/bin/python" "$work/tokenizers.py" | tee "$work/seen.txt"
grep -qF "requires: ['transformers[sentencepiece]; extra == \"training\"']" "$work/seen.txt"
grep -qx '49 of 144 models have a tokenizer of Hugging Face' "$work/seen.txt"
grep -qx 'ViT-B-32: fine' "$work/seen.txt"
grep -qx 'ViT-B-16-SigLIP: ModuleNotFoundError' "$work/seen.txt"
grep -qx 'ViT-H-14-CLIPA: ModuleNotFoundError' "$work/seen.txt"
