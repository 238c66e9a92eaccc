#!/bin/sh
# Makes or reuses .venv:  sh scripts/venv.sh demo|dev|bench|postgres|spark
#
# A stamp in .venv holds the hash of the lock that was installed, so a second run costs a moment and
# a changed lock is installed over the old one. dev holds everything that demo does; the others come on top.
set -eu

set_name=$1
cd "$(dirname "$0")/.."
lock=requirements/$set_name.txt

# A name on PATH may be a launcher of an interpreter that is not there, so each candidate has to run.
python=
for candidate in "${PYTHON:-}" python3.13 python3.12 python3.11 python3 python; do
    if [ -n "$candidate" ] && "$candidate" -c 'import sys, venv; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
        >/dev/null 2>&1; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    echo "No Python 3.11, 3.12 or 3.13 with the venv module was found on PATH: install one, or name it: make PYTHON=/path/to/python3.12 ..." >&2
    exit 1
fi

hash_of() {
    "$python" -c 'import hashlib, sys; print(hashlib.sha256(b"".join(open(p, "rb").read() for p in sys.argv[1:])).hexdigest())' "$@"
}
stamp=.venv/installed-$set_name.sha256
wanted=$(hash_of "$lock" pyproject.toml)

if .venv/bin/python -c '' >/dev/null 2>&1; then
    if [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
        echo "Reusing .venv: $lock has not changed."
        exit 0
    fi
    # What is installed for dev serves the demo too.
    if [ "$set_name" = demo ] && [ "$(cat .venv/installed-dev.sha256 2>/dev/null)" = "$(hash_of requirements/dev.txt pyproject.toml)" ]; then
        echo "Reusing .venv: requirements/dev.txt has not changed, and it holds all that $lock does."
        exit 0
    fi
else
    rm -rf .venv
    echo "Making .venv with $("$python" --version) ..."
    "$python" -m venv .venv
fi

echo "Installing $lock into .venv (the first time takes a few minutes) ..."
PIP_DISABLE_PIP_VERSION_CHECK=1
export PIP_DISABLE_PIP_VERSION_CHECK
.venv/bin/python -m pip install --quiet --require-hashes -r "$lock"
.venv/bin/python -m pip install --quiet --no-deps --no-build-isolation -e .
echo "$wanted" > "$stamp"
