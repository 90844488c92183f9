#!/usr/bin/env bash
# dvclive 3.49.0, dvc 3.67.1, Python 3.11.
#
# Guess: `Live(dir, dvcyaml=False, save_dvc_exp=False, report=None)` writes its metrics below `dir` and
# touches nothing else, so that it works in any folder.
# Seen: in a git repository that is no DVC repository, it runs `dvc init`: `.dvc/` and `.dvcignore`
# appear and are staged for the next commit. In a git repository without a commit it ends in
# `SCMError: Empty git repo`, which is scmrepo's class and not the one of `dvc.scm`; the repository has
# been made all the same. Outside git it does what was guessed.
# Here: aura writes its curves itself, in dvclive's layout (pipeline/study/curves.py).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3.11 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check dvclive==3.49.0 dvc==3.67.1
export DVC_NO_ANALYTICS=1 GIT_CONFIG_GLOBAL=/dev/null GIT_CEILING_DIRECTORIES="$work"
cat > "$work/log.py" <<'PY'
import sys

from dvclive import Live

try:
    with Live("curves", dvcyaml=False, save_dvc_exp=False, report=None) as live:
        live.log_metric("loss", 1.0)
        live.next_step()
    said = "fine"
except Exception as error:
    said = f"{type(error).__module__}.{type(error).__name__}: {error}"
print(said, file=open("said.txt", "w"))
PY
for name in committed empty outside; do
  mkdir "$work/$name"
  cd "$work/$name"
  if [ $name != outside ]; then git init -q; fi
  if [ $name = committed ]; then
    git -c user.name=a -c user.email=a@localhost commit -qm start --allow-empty
  fi
  "$work/venv/bin/python" "$work/log.py" > log.txt 2>&1 || true
done
cd "$work"
for name in committed empty outside; do
  echo "$name: $(cat $name/said.txt); .dvc: $([ -d $name/.dvc ] && echo made || echo none);" \
    "staged: $([ $name = outside ] || git -C $name diff --cached --name-only | tr '\n' ' ')"
done | tee seen.txt
grep -qx 'committed: fine; .dvc: made; staged: .dvc/.gitignore .dvc/config .dvcignore ' seen.txt
grep -q '^empty: scmrepo.exceptions.SCMError: Empty git repo; .dvc: made' seen.txt
grep -qx 'outside: fine; .dvc: none; staged: ' seen.txt
