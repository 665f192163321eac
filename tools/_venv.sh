# Sourced by the tools. Makes .venv hold this project and the versions it was tested
# with, once: the next call finds the mark that the first one left.
#
#     use_venv EXTRAS      for example: use_venv test,dev
#
# The mark, .venv/.holds, has a fingerprint of what decides the content, and the
# extras installed. It is away while pip works, so an interrupted installation starts
# over. .venv belongs to the tools: another Python or another lock makes it anew.

use_venv() {
    local extras=$1 python want have
    python=$(find_python)
    want=$(fingerprint "$python")
    have=$(cat .venv/.holds 2> /dev/null || true)
    if [[ "$have " == "$want "* && "$have " == *" $extras "* ]]; then
        return
    fi
    rm -f .venv/.holds
    if [[ "$have " != "$want "* ]]; then
        make_venv "$python"
        have=$want
    fi
    install_extras "$extras"
    echo "$have $extras" > .venv/.holds
}

# Prints the first supported Python: $PYTHON if it is set, else python3, else a newer
# or older one by its number.
find_python() {
    local python
    for python in ${PYTHON:-python3 python3.13 python3.12 python3.11 python3.10}; do
        if supported "$python"; then
            echo "$python"
            return
        fi
    done
    stop "tf_lottery runs on Python 3.10 to 3.13, with the venv module," \
        "and ${PYTHON:-python3} is not one of them." \
        "Choose one with PYTHON=python3.11 $0"
}

supported() {
    "$1" -c '
import ensurepip, sys, venv
sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' 2> /dev/null
}

fingerprint() {
    cat requirements.lock setup.cfg pyproject.toml | "$1" -c '
import hashlib, os, sys
content = sys.stdin.buffer.read() + f"{sys.version} {os.getcwd()}".encode()
print(hashlib.sha256(content).hexdigest())'
}

make_venv() {
    echo "Making .venv with $("$1" --version). This takes a minute or two, once."
    "$1" -m venv --clear .venv
}

# What builds a package comes from the lock as well: hence no isolation.
install_extras() {
    local pip=(.venv/bin/python -m pip --disable-pip-version-check install -qq)
    echo "Installing tf_lottery[$1] with the versions of requirements.lock."
    "${pip[@]}" --constraint requirements.lock setuptools wheel
    "${pip[@]}" --constraint requirements.lock --no-build-isolation --editable ".[$1]"
}

stop() {
    echo "$*" >&2
    exit 1
}
