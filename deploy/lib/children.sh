# shellcheck shell=bash
# Programs that run for as long as the script does: started with a log each, stopped by process id.

children=()
declare -A child_names=()

# start NAME LOG COMMAND…: runs it in the background; its id is in $child. In a session of its own: Ctrl-C reaches this
# script only, which stops all in order.
start() {
    local name=$1 log=$2
    shift 2
    # Here, not in the child: what waits for a line must not find the last start's.
    : >"$log"
    setsid "$@" >>"$log" 2>&1 9>&- &
    child=$!
    children+=("$child")
    child_names[$child]=$name
}

# await CHILD SECONDS LOG COMMAND…: waits until the command succeeds; the child must live on meanwhile.
await() {
    local child=$1 seconds=$2 log=$3
    shift 3
    alive_and_ready() {
        kill -0 "$child" 2>/dev/null || return 0
        "$@"
    }
    if ! wait_until "$seconds" "${child_names[$child]}" alive_and_ready "$@" || ! kill -0 "$child" 2>/dev/null; then
        printf '%s\n' "--- $log" >&2
        tail -n 20 "$log" >&2
        fail "${child_names[$child]} did not start; its last words are above"
    fi
}

# stop CHILD: SIGTERM, and SIGKILL when it has not ended within ten seconds. 1 when it had to be killed.
stop() {
    local child=$1 other left=()
    for other in "${children[@]}"; do
        [[ $other == "$child" ]] || left+=("$other")
    done
    children=("${left[@]}")
    kill -TERM "$child" 2>/dev/null || return 0
    local deadline=$((SECONDS + 11))
    while kill -0 "$child" 2>/dev/null; do
        if ((SECONDS >= deadline)); then
            kill -KILL "$child" 2>/dev/null
            wait "$child" 2>/dev/null || true
            return 1
        fi
        sleep 0.1
    done
    wait "$child" 2>/dev/null || true
}

# The last started first.
stop_all() {
    local index ids=("${children[@]}")
    for ((index = ${#ids[@]} - 1; index >= 0; index--)); do
        stop "${ids[index]}" || printf '%s had to be killed\n' "${child_names[${ids[index]}]}" >&2
    done
}
