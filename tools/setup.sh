#!/bin/sh
# Makes a virtual environment from a lock:  tools/setup.sh FOLDER LOCK
# Safe to stop and to start again at any moment: what pip has finished stays.
set -eu
folder=$1
lock=$2

enough='import sys; sys.exit(sys.version_info < (3, 11))'

find_python() {
    for python in ${PYTHON:-python3.11 python3 python3.12 python3.13}; do
        if "$python" -c "$enough" 2>/dev/null; then
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

cpu_build() { # the name of PyTorch's file for the CPU that locks/hashed/more.txt has, as a pattern
    sed -n 's/^torch==.* \(.*\)\.whl$/\1/p' locks/hashed/more.txt | sed 's/+/.*/'
}

install --quiet -r locks/hashed/pip.txt
if [ -f "$more" ] && ! "$folder/bin/python" -m pip install --dry-run --no-deps --ignore-installed --quiet \
    --disable-pip-version-check --report - "$(grep '^torch==' "$lock")" | grep -q "$(cpu_build)"; then
    echo "No index here has PyTorch's build for the CPU and this Python: PyPI's own comes with CUDA's libraries, several GB."
    awk '/^torch==/ { skip = 1; next } /^[^ ]/ { skip = 0 } !skip' "$hashed" >"$folder/without-torch.txt"
    wanted="-r $more"
    hashed=$folder/without-torch.txt
fi
echo "Installing $(grep -c == "$lock") packages from $hashed; the first time this takes some minutes …"
# shellcheck disable=SC2086  # none, or an option and a path of ours
install -r "$hashed" ${wanted:-}
if [ -n "${3:-}" ]; then
    # By itself, after the lock: together with it pip would look for the project's own dependencies again.
    "$folder/bin/python" -m pip install --disable-pip-version-check --no-deps --no-build-isolation -e "$3"
fi
echo "$folder is ready."
