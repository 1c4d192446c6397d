#!/bin/bash
# Fills /opt/dltk while the image is built:  build.sh libraries VARIANT, then  build.sh runtime
set -euo pipefail
case "${2:-}" in
    '' | runtime) lock=locks/cpu.txt extras='' ;;
    cpu) lock=locks/cpu.txt extras='[all]' ;;
    gpu) lock=locks/gpu.txt extras='[all-gpu]' ;;
    *) echo "No variant '$2': VARIANT is runtime, cpu or gpu." >&2 && exit 1 ;;
esac
wheel() { # FOLDER: a wheel of the project there
    /opt/builder/bin/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir "$1" .
}

if [ "$1" = libraries ]; then
    # What builds is kept out of what is built.
    python3 -m venv /opt/builder
    /opt/builder/bin/pip install --quiet --constraint "$lock" hatchling
    python3 -m venv /opt/dltk
    pip uninstall --quiet --yes setuptools # Python's own copy is old; the lock has one for those who need it
    cp "$lock" /opt/dltk/lock.txt
    mkdir dltk_runtime
    touch README.md dltk_runtime/__init__.py
    wheel metadata
    pip install --constraint "$lock" "$(echo metadata/*.whl)$extras"
    pip uninstall --quiet --yes dltk-runtime
else
    wheel wheels
    pip install --quiet --no-deps --root root wheels/*.whl
    pip install --quiet --no-deps wheels/*.whl
    pip check
fi
