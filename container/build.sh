#!/bin/bash
# Build /opt/dltk for the image: build.sh libraries VARIANT, then build.sh runtime
set -euo pipefail
case "${2:-}" in
    '' | runtime) lock=locks/cpu.txt extras='' ;;
    cpu) lock=locks/cpu.txt extras='[all]' ;;
    gpu) lock=locks/gpu.txt extras='[all-gpu]' ;;
    *) echo "No variant '$2': set VARIANT to runtime, cpu or gpu." >&2 && exit 1 ;;
esac
wheel() { # FOLDER: build a wheel of the project there
    /opt/builder/bin/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir "$1" .
}

if [ "$1" = libraries ]; then
    # The build tools are installed outside the result.
    python3 -m venv /opt/builder
    /opt/builder/bin/pip install --quiet --constraint "$lock" hatchling
    python3 -m venv /opt/dltk
    pip uninstall --quiet --yes setuptools # venv installs an old one; the lock has a newer one for the variants that need it
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
