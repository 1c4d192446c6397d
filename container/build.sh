#!/bin/bash
# Build /opt/dltk for the image: build.sh libraries VARIANT, then build.sh runtime
set -euo pipefail
case "${2:-}" in
    '' | runtime) lock=cpu last=notebooks ;;
    cpu) lock=cpu last=development ;;
    gpu | compat) lock=$2 last=development ;;
    *) echo "No variant '$2': set VARIANT to runtime, cpu, gpu or compat." >&2 && exit 1 ;;
esac
wheel() { # FOLDER: build a wheel of the project there
    /opt/builder/bin/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir "$1" .
}
cpu_build() { # the name of PyTorch's file for the CPU that locks/hashed/more.txt has, as a pattern
    sed -n 's/^torch==.* \(.*\)\.whl$/\1/p' locks/hashed/more.txt | sed 's/+/.*/'
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
    more=''
    if grep -q '^torch==' wanted.txt && [ -f "locks/hashed/$lock-pypi.txt" ] && ! pip install --dry-run --no-deps \
        --ignore-installed --quiet --report - "$(grep '^torch==' "locks/$lock.txt")" | grep -q "$(cpu_build)"; then
        # No index has PyTorch's build for the CPU: PyPI's own, with CUDA's libraries.
        awk '/^torch==/ { skip = 1; next } /^[^ ]/ { skip = 0 } !skip' wanted.txt >without-torch.txt
        mv without-torch.txt wanted.txt
        more="-r locks/hashed/$lock-pypi.txt"
    fi
    # shellcheck disable=SC2086  # none, or an option and a path
    pip install --require-hashes -r wanted.txt $more
    # Without hashes: the limit for libraries of the volume.
    cp "locks/$lock.txt" /opt/dltk/lock.txt
else
    # The package is not installed yet; this environment has what its import needs.
    PYTHONPATH=. python -m dltk_runtime.tables.native.build
    test -s dltk_runtime/tables/native/numbers.so # without it the image would be slower, and say nothing
    wheel wheels
    pip install --quiet --no-deps --root root wheels/*.whl
    pip install --quiet --no-deps wheels/*.whl
    pip check
fi
