#!/usr/bin/env bash
# dvc 3.67.1, Python 3.11.
#
# Guess: a link whose target is gone, inside a folder that is a dep, counts as a file that was deleted:
# the stage has changed, and runs again.
# Seen: `dvc status` ends in "unexpected error" with Errno 2 and `dvc repro` fails, both with the name of
# the link, although the stage does not read it.
# Here: `aura teach` keeps links to the weights that it was given in data/weights, a dep, so that DVC sees
# one that was replaced; the README says what to do where one is gone.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3.11 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check dvc==3.67.1 2>/dev/null
export PATH="$work/venv/bin:$PATH" DVC_NO_ANALYTICS=1 GIT_CONFIG_GLOBAL=/dev/null
mkdir "$work/project"
cd "$work/project"
git init -q
dvc init -q
mkdir links
echo one > "$work/file"
ln -s "$work/file" links/file
printf 'stages:\n  only:\n    cmd: date > out\n    deps: [links]\n    outs: [out]\n' > dvc.yaml
dvc repro -q
echo two > "$work/file"
dvc status | grep -q 'modified: *links'
rm "$work/file"
for command in status repro; do
  code=0
  dvc $command > $command.txt 2>&1 || code=$?
  echo "dvc $command: exit $code: $(grep -o 'ERROR.*' $command.txt | head -1 | sed -E "s#'[^']*/links/file'#'links/file'#")"
done | tee seen.txt
grep -q "^dvc status: exit 255: .*Errno 2.*'links/file'" seen.txt
grep -q "^dvc repro: exit 255: .*links/file" seen.txt
