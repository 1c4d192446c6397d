#!/bin/bash
# Build /opt/dltk for the image: build.sh libraries VARIANT, then build.sh runtime
set -euo pipefail
case "${2:-}" in
    '' | runtime) lock=cpu last=notebooks ;;
    cpu) lock=cpu last=development ;;
    gpu) lock=gpu last=development ;;
    *) echo "No variant '$2': set VARIANT to runtime, cpu or gpu." >&2 && exit 1 ;;
esac
wheel() { # FOLDER: build a wheel of the project there
    /opt/builder/bin/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir "$1" .
}

if [ "$1" = libraries ]; then
    # The build tools are installed outside the result. No file is installed whose hash is in no lock.
    python3 -m venv /opt/builder
    /opt/builder/bin/pip install --quiet --require-hashes -r locks/hashed/pip.txt
    /opt/builder/bin/pip install --quiet --require-hashes -r locks/hashed/build.txt
    python3 -m venv /opt/dltk
    pip uninstall --quiet --yes setuptools # venv installs an old one; the lock has a newer one for the variants that need it
    pip install --quiet --require-hashes -r locks/hashed/pip.txt
    # The groups of the lock before the one that this variant lacks.
    sed "/^# $last\$/,\$d" "locks/hashed/$lock.txt" >wanted.txt
    if ! pip install --require-hashes -r wanted.txt; then
        [ "$lock:$last" = cpu:development ] || exit 1
        pip install --require-hashes -r wanted.txt -r locks/hashed/cpu-pypi.txt # with PyPI's own build of PyTorch
    fi
    # Without hashes: the limit for libraries of the volume.
    cp "locks/$lock.txt" /opt/dltk/lock.txt
else
    wheel wheels
    pip install --quiet --no-deps --root root wheels/*.whl
    pip install --quiet --no-deps wheels/*.whl
    pip check
fi
