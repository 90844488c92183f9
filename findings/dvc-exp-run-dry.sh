#!/usr/bin/env bash
# dvc 3.67.1, Python 3.11.
#
# Guess: `dvc exp run --dry -S KEY=VALUE` says what an experiment would run, as `dvc repro --dry` does.
# Seen: a dry experiment works in a temporary copy of the repository, into which no output is checked
# out, and so ends in "failed to reproduce": No such file or directory, at the first stage that reads
# another's output; with --allow-missing at the first such stage that has changed. The same experiment
# without --dry runs.
# Here: the README names `dvc repro --dry` for a look ahead, and `dvc exp run` without --dry.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3.11 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check dvc==3.67.1
export PATH="$work/venv/bin:$PATH" DVC_NO_ANALYTICS=1 GIT_CONFIG_GLOBAL=/dev/null
mkdir "$work/project"
cd "$work/project"
git init -q
git config user.name a
git config user.email a@localhost
dvc init -q
cat > dvc.yaml <<'YAML'
stages:
  first:
    cmd: mkdir -p data && echo ${a} > data/first
    outs: [data/first]
  second:
    cmd: cat data/first > data/second && echo ${b} >> data/second
    deps: [data/first]
    outs: [data/second]
YAML
printf 'a: 1\nb: 1\n' > params.yaml
dvc repro -q
git add -A
git commit -qm start
said() { "$@" 2>&1 | tr '\n' ' ' | sed -E "s#'[^']*/(data/[a-z]+)'#'\1'#g"; }
said dvc exp run --dry -S b=2 > dry.txt || true
said dvc exp run --dry --allow-missing -S b=2 > allowed.txt || true
said dvc repro --dry > repro.txt
dvc exp run -q -n real -S b=2
cat dry.txt allowed.txt
echo
for file in dry.txt allowed.txt; do
  grep -q "failed to reproduce 'second'.*No such file or directory: 'data/first'" $file
done
grep -q 'up to date' repro.txt
test "$(cat data/second)" = "1
2"
