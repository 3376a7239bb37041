# How a Python environment is made; for `source`.

# Prints the folder of an environment with the packages of a list, and makes it unless it is there. Each list has one of
# its own in the cache folder, complete as soon as it has its final name.
#
#   environment CACHE REQUIREMENTS [FILE...]
#
# With further files a function `finish` is called in the environment's folder before it gets its name; whatever changes
# in these files makes another environment.
environment() {
    local cache=$1 requirements=$2 made
    shift 2
    # A function whose output is taken does not end at its first error unless it is told to again.
    set -euo pipefail
    made=$cache/venv-$( (python3 --version; cat "${BASH_SOURCE[0]}" "$requirements" "$@") | sha256sum | head -c 12)
    if [[ ! -d $made ]]; then (
        partial=$made.$BASHPID
        trap 'rm -rf "$partial"' EXIT
        python3 -m venv "$partial"
        "$partial/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
            -r "$requirements"
        (($# == 0)) || finish "$partial"
        # Scripts in a virtual environment name its folder.
        grep -rlIF "$partial" "$partial/bin" "$partial/pyvenv.cfg" | xargs sed -i "s#$partial#$made#g"
        mv -T "$partial" "$made" 2> /dev/null || [[ -d $made ]]
    ) >&2; fi
    echo "$made"
}

link() { # link in the clone, folder in the cache
    mkdir -p "$2"
    # A folder of the user's own stays.
    [[ -d $1 && ! -L $1 ]] || ln -sfn "$2" "$1"
}
