#!/usr/bin/env bash
# Runs in the new environment, from the repository's root.
set -euo pipefail
pip install --require-hashes --no-deps -r requirements.lock
pip install --no-deps --no-build-isolation -e .
