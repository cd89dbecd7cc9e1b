#!/bin/sh
# Make a virtual environment and install packages into it; return at once where that is done.
#
#     tools/venv.sh FOLDER "VERSIONS" PIP-ARGUMENT...
#
# VERSIONS are Python versions, best first ("3.13 3.12"); the first that is installed and really
# works is taken. What was installed is remembered by the pip arguments and by pyproject.toml, so
# a change of either installs again. An interrupted run is noticed by the next, which starts anew.
# PYTHON=/path/to/python, where set, is the only Python tried.
set -eu

folder=$1 versions=$2
shift 2
python=$folder/bin/python
unfinished=$folder/.unfinished
stamp=$folder/.installed-$(printf '%s\n' "$@" | cksum | cut -d ' ' -f 1)
key=$({ printf '%s\n' "$PWD" "$@"; cat pyproject.toml; } | cksum)
export PIP_DISABLE_PIP_VERSION_CHECK=1

# Stop here rather than read an interrupted pip's exit status as pip's own failure.
trap 'exit 130' INT TERM HUP

say() { printf '%s\n' "$*" >&2; }

usable() { [ ! -e "$unfinished" ] && [ -x "$python" ] && "$python" -c 'import pip' 2>/dev/null; }

finished() { [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$key" ]; }

# Version managers put commands on the PATH that fail when run, and distributions split `venv`
# from Python: so a candidate counts only when it runs, and has what an environment needs.
works() {
    [ -x "$1" ] && "$1" - "$2" >/dev/null 2>&1 <<'EOF'
import sys
import ctypes, ensurepip, ssl, venv, zlib
version = "%d.%d" % sys.version_info[:2]
sys.exit(sys.version_info < (3, 11) or sys.argv[1] not in ("any", version))
EOF
}

candidates() {
    if [ -n "${PYTHON:-}" ]; then
        command -v "$PYTHON" | sed 's/$/ any/'
        return
    fi
    for version in $versions; do
        printf '%s\n' "$PATH" | tr ':' '\n' | sed "s|\$|/python$version $version|"
        for root in "${PYENV_ROOT:-$HOME/.pyenv}/versions/$version".* \
            "$HOME/.local/share/uv/python/cpython-$version".*; do
            echo "$root/bin/python $version"
        done
    done
    printf '%s\n' "$PATH" | tr ':' '\n' | sed 's|$|/python3 any|'
}

install() { # PIP-ARGUMENT...
    quiet=--quiet
    [ -t 2 ] && quiet=
    # shellcheck disable=SC2086
    "$python" -m pip install $quiet "$@" >&2
}

create() { # PYTHON
    if [ -e "$folder" ] && [ ! -e "$folder/pyvenv.cfg" ] && [ ! -e "$unfinished" ]; then
        say "$folder is in the way: it is not a virtual environment. Move it, and run this again."
        exit 1
    fi
    rm -rf "$folder"
    mkdir -p "$folder"
    : >"$unfinished"
    "$1" -m venv "$folder" >&2
}

usable && finished && exit 0

# Two runs at once must not both install. (The lock is on a file that is there anyway.)
exec 9<pyproject.toml
if command -v flock >/dev/null 2>&1; then flock 9; fi
usable && finished && exit 0

if usable; then
    say "Installing into $folder: $*"
    : >"$unfinished" # left behind by an interruption only: where pip fails, it has put back
    status=0
    install "$@" || status=$?
    [ "$status" -ge 128 ] || rm -f "$unfinished"
    [ "$status" -eq 0 ] || exit "$status"
    echo "$key" >"$stamp"
    exit 0
fi

found=
list=$(candidates)
IFS='
'
for line in $list; do
    candidate=${line% *}
    works "$candidate" "${line##* }" || continue
    # The same Python is often on the PATH under several names.
    identity=$("$candidate" -c 'import sys; print(sys.base_prefix, sys.version.split()[0])')
    case "$found" in *"|$identity|"*) continue ;; esac
    found="$found|$identity|"
    say "Creating $folder with Python ${identity##* } ($candidate)"
    create "$candidate" || { say "That Python cannot make environments."; continue; }
    say "Installing: $(printf "%s " "$@")(a few minutes the first time)"
    if (unset IFS; install "$@"); then
        echo "$key" >"$stamp"
        rm -f "$unfinished"
        exit 0
    else
        status=$?
        [ "$status" -lt 128 ] || exit "$status"
        say "Python ${identity##* } could not install that."
    fi
done

if [ -z "$found" ]; then
    say "No Python 3.11 or newer that can make environments was found (looked for: $versions)."
    say "Install one, with its venv module, or name one: PYTHON=/path/to/python make ..."
else
    say "The packages could not be installed; pip's messages are above. Then run this again."
fi
exit 1
