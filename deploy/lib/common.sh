# shellcheck shell=bash
# Words and errors, sourced by the commands of deploy/.

# The repository's root, for those who source this.
# shellcheck disable=SC2034
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

say() {
    printf '%s\n' "$*"
}

# What happened and what to do; exit 1.
fail() {
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
    exit 1
}

# wait_until SECONDS WHAT COMMAND…: runs the command until it succeeds, ten times a second; 1 when it never did.
wait_until() {
    local deadline=$((SECONDS + $1)) what=$2
    shift 2
    until "$@"; do
        if ((SECONDS >= deadline)); then
            printf '%s: gave up waiting for %s\n' "$(basename "$0")" "$what" >&2
            return 1
        fi
        sleep 0.1
    done
}
