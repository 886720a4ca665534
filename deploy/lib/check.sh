# shellcheck shell=bash
# The variables demo, scratch, sallyport and gateway, and the ports broker, device and api, are the command's.
# shellcheck disable=SC2154
# What deploy/quickstart --check proves of the running demo. Each function says what it saw, or fails.

passed() {
    say "ok    $*"
}

# The subscriber receives values of the Modbus device, good ones, and they change.
check_messages() {
    local messages count counters
    messages=$(XDG_CONFIG_HOME="$demo/clients" timeout 60 mosquitto_sub -t iotgateway -C 4 -W 45) ||
        fail "fewer than 4 messages arrived on the topic iotgateway within 45 s"
    count=$(jq -s 'length' <<<"$messages") || fail "a message is no JSON: $messages"
    counters=$(jq -s -c '[.[].values[] | select(.id == "Plant.PLC1.Counter" and .q) | .v]' <<<"$messages")
    jq -e 'length >= 2 and (unique | length) >= 2' <<<"$counters" >/dev/null ||
        fail "no good and changing values of Plant.PLC1.Counter in: $messages"
    jq -s -e '[.[].values[] | select(.id | startswith("Plant.")) | .q] | all' <<<"$messages" >/dev/null ||
        fail "values of the Modbus device are of bad quality: $messages"
    passed "MQTT over TLS: $count messages; Plant.PLC1.Counter of the Modbus device: $counters"
    say "      $(head -n 1 <<<"$messages" | cut -c 1-240)"
}

rest() {
    local path=$1
    shift
    curl -K "$demo/clients/curl" --max-time 20 "$@" "https://127.0.0.1:$api/iotgateway/$path"
}

# Browse lists both devices; read gives good values, and the Modbus device's changes.
check_rest() {
    local answer first
    answer=$(rest browse) || fail "browse did not answer"
    jq -e '.succeeded and ([.browseResults[].id] | contains(["Plant.PLC1.Counter", "Simulation.Press1.Temperature"]))' \
        <<<"$answer" >/dev/null || fail "browse answered: $answer"
    passed "REST browse: $(jq -r '.browseResults | length' <<<"$answer") tags"
    answer=$(rest "read?ids=Plant.PLC1.Counter&ids=Plant.PLC1.Level&ids=Simulation.Press1.Temperature") ||
        fail "read did not answer"
    jq -e '.readResults | length == 3 and all(.[]; .s and (.v | type == "number"))' <<<"$answer" >/dev/null || fail "read answered: $answer"
    passed "REST read: $answer"
    first=$(jq -c '.readResults[0].v' <<<"$answer")
    counter_differs() {
        answer=$(rest read -H 'Content-Type: application/json' -d '["Plant.PLC1.Counter"]') &&
            jq -e --argjson first "$first" '.readResults[0] | .s and .v != $first' <<<"$answer" >/dev/null
    }
    wait_until 20 "Plant.PLC1.Counter to change" counter_differs || fail "it stays at $first; the last answer: $answer"
    passed "REST read by POST: Plant.PLC1.Counter went from $first to $(jq -c '.readResults[0].v' <<<"$answer")"
}

status_of() {
    curl --silent --cacert "$demo/ca.pem" --max-time 20 -o /dev/null -w '%{http_code}' "$@" \
        "https://127.0.0.1:$api/iotgateway/browse" || true
}

# Nobody gets in without credentials, or with wrong ones.
check_refusals() {
    local status
    status=$(status_of)
    [[ $status == 401 ]] || fail "browse without credentials was answered with $status instead of 401"
    status=$(status_of -K - <<<'user = "viewer:not this password"')
    [[ $status == 401 ]] || fail "browse with a wrong password was answered with $status instead of 401"
    status=$(curl --silent --max-time 20 -o /dev/null -w '%{http_code}' "http://127.0.0.1:$api/" || true)
    [[ $status == 000 ]] || fail "browse without TLS was answered with $status"
    passed "REST refuses: no credentials 401, a wrong password 401, no TLS no answer"
}

# What the accounts may not write is not delivered: an observer who may read every topic sees the gateway's messages
# before and after, and never the forged ones.
check_broker_access() {
    local mark seen=$scratch/observed before
    mark="forged-$(openssl rand -hex 6)"
    client_options "$scratch/gateway" gateway
    client_options "$scratch/reader" reader
    client_options "$scratch/observer" observer
    export XDG_CONFIG_HOME="$scratch/observer"
    start observer "$seen" stdbuf -oL mosquitto_sub -t '#' -F '%t %p'
    unset XDG_CONFIG_HOME
    local observer=$child
    messages_seen() {
        (($(grep -c '^iotgateway {' "$seen") >= $1))
    }
    await "$observer" 30 "$seen" messages_seen 1
    XDG_CONFIG_HOME="$scratch/gateway" forge elsewhere "$mark"
    XDG_CONFIG_HOME="$scratch/gateway" forge iotgateway/write "$mark"
    XDG_CONFIG_HOME="$scratch/reader" forge iotgateway "$mark"
    XDG_CONFIG_HOME="$scratch/reader" forge iotgateway/write "$mark"
    # The broker's own word shows that all four arrived there.
    [[ $(grep -c 'Not authorized' "$scratch/forged") == 4 ]] ||
        fail "the broker did not refuse four forged messages; mosquitto_pub said: $(cat "$scratch/forged")"
    before=$(grep -c '^iotgateway {' "$seen")
    await "$observer" 30 "$seen" messages_seen $((before + 2))
    stop "$observer" || true
    if grep -q "$mark" "$seen"; then
        fail "the broker delivered what it should have refused: $(grep "$mark" "$seen")"
    fi
    passed "broker: the gateway's account writes nowhere but where it should, the reader's nowhere" \
        "($(grep -c '^iotgateway {' "$seen") genuine messages seen, 4 forged ones refused)"
}

# forge TOPIC TEXT: publishes as the account of XDG_CONFIG_HOME. The broker's "not authorized" is the point.
forge() {
    timeout 20 mosquitto_pub -t "$1" -m "$2" >>"$scratch/forged" 2>&1 || true
}

# The gateway ends by itself when asked, well within ten seconds.
check_stop() {
    local begin=$SECONDS
    stop "$gateway" || fail "the gateway did not stop within ten seconds of SIGTERM"
    passed "the gateway stopped within $((SECONDS - begin + 1)) s of SIGTERM"
}
