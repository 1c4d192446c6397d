#!/bin/sh
# Makes a virtual environment from a lock:  tools/setup.sh FOLDER LOCK
# Safe to stop and to start again at any moment: what pip has finished stays.
set -eu
folder=$1
lock=$2

wanted='import sys; sys.exit(sys.version_info < (3, 11))'

find_python() {
    for python in ${PYTHON:-python3.11 python3 python3.12 python3.13}; do
        if "$python" -c "$wanted" 2>/dev/null; then
            echo "$python"
            return
        fi
    done
    echo "No Python 3.11 or newer: looked for ${PYTHON:-python3.11, python3, python3.12 and python3.13}." >&2
    echo "Install Python 3.11, or name yours: make setup PYTHON=/path/to/python3" >&2
    exit 1
}

make_folder() {
    python=$1
    echo "Making $folder with $("$python" --version) ($python) …"
    # Debian ships the module that makes environments in a package of its own.
    "$python" -c 'import ensurepip' 2>/dev/null || sh tools/debian.sh python3-venv
    "$python" -m venv --clear "$folder"
}

if ! "$folder/bin/python" -m pip --version >/dev/null 2>&1; then
    python=$(find_python)
    make_folder "$python"
fi

hashed=locks/hashed/$(basename "$lock")
more=${hashed%.txt}-pypi.txt

install() { # nothing but files whose hash is in the locks
    "$folder/bin/python" -m pip install --disable-pip-version-check --require-hashes "$@"
}

install --quiet -r locks/hashed/pip.txt
echo "Installing $(grep -c == "$lock") packages from $hashed; the first time this takes some minutes …"
if ! install -r "$hashed"; then
    [ -f "$more" ] || exit 1
    echo "Once more, with $more: libraries that PyPI's own build of PyTorch needs. Several GB …" >&2
    install -r "$hashed" -r "$more"
fi
if [ -n "${3:-}" ]; then
    # By itself, after the lock: together with it pip would look for the project's own dependencies again.
    "$folder/bin/python" -m pip install --disable-pip-version-check --no-deps --no-build-isolation -e "$3"
fi
echo "$folder is ready."
