#!/bin/sh
# Sees to it that Debian packages are there:  tools/debian.sh PACKAGE…
# Root installs them; anyone else is told their names.
set -eu

absent() { # the packages that are missing
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || printf ' %s' "$package"
    done
}

missing=$(absent "$@")
[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    exec 9</var/lib/dpkg
    flock 9 # tests that run beside each other may want the same package
    missing=$(absent "$@")
    [ -n "$missing" ] || exit 0
    apt-get update
    # shellcheck disable=SC2086  # one word per package
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing
else
    echo "These packages are missing:$missing" >&2
    echo "Install them (on Debian and Ubuntu: apt-get install$missing) and start again." >&2
    exit 1
fi
