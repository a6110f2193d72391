#!/bin/sh
# DVC 3.67.1, `dvc plots show` with a chart of two columns of which the file has one.
#
# One would have guessed: an error, or a chart of the column that is there.
# Seen: no chart at all. The chart's place in the page holds an empty specification, `var spec = {}`, of which a browser
# shows nothing; a line on the error output names the column; the exit code is 0. So a column that is renamed in the
# code and not in dvc.yaml takes the whole chart from the page, and no script that goes by exit codes notices.
#
# Needs Python 3.11 or newer and a package registry. Exits with 1 if DVC behaves otherwise.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-compile dvc==3.67.1
PATH="$folder/venv/bin:$PATH" DVC_NO_ANALYTICS=1
export PATH DVC_NO_ANALYTICS

mkdir "$folder/project" && cd "$folder/project"
dvc init --quiet --no-scm
printf 'epoch,train_loss\n1,3.0\n2,2.0\n' > history.csv
cat > dvc.yaml <<'EOF'
plots:
  - loss:
      x: epoch
      y: {history.csv: [train_loss, valid_loss]}
EOF

code=0
dvc plots show > printed 2>&1 || code=$?
echo "dvc $(dvc --version): exit code $code, and it printed:"
sed "s|$folder||" printed
echo "in the page: $(grep -c 'var spec = {};' dvc_plots/index.html || true) empty chart, $(grep -c 'train_loss' dvc_plots/index.html || true) with the column that is there"
[ "$code" -eq 0 ] && grep -q 'var spec = {};' dvc_plots/index.html && ! grep -q train_loss dvc_plots/index.html
