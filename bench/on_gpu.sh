#!/usr/bin/env bash
# What a GPU adds: checks, rates and a training on one card, within minutes (docs/scaling.md).
#   bench/on_gpu.sh pack PROJECT FILE     the images of a prepared project, for a machine that has none
#   bench/on_gpu.sh [--sample FILE] [--output DIR] [--minutes 8] [--small]
# Needs no installation of facevae and no dvc. PYTHON names another interpreter than python3.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}" exec "${PYTHON:-python3}" -m bench.on_gpu "$@"
