# shellcheck shell=bash
# The variables demo, scratch, sallyport and gateway, and the ports broker, device and api, are the command's.
# shellcheck disable=SC2154
# The demo directory: certificates, secrets, the gateway's and the broker's configuration. What is there is kept.

# port_is_free PORT: whether a server could listen there on loopback.
port_is_free() {
    python3 - "$1" <<'END' 2>/dev/null
import socket, sys
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("127.0.0.1", int(sys.argv[1])))
listener.listen()
END
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# choose_port WHAT WANTED: the wanted port, or a free one; in $port.
choose_port() {
    port=$2
    if ! port_is_free "$port"; then
        port=$(free_port)
        say "Port $2 is in use: the $1 takes $port instead"
    fi
}

# The ports of the last start are taken again where they are free.
choose_ports() {
    local broker_port=8883 device_port=1502 api_port=39320 before
    # shellcheck source=/dev/null
    if [[ -f $demo/ports ]]; then . "$demo/ports"; fi
    before="$broker_port $device_port $api_port"
    choose_port broker "$broker_port" && broker=$port
    choose_port "Modbus device" "$device_port" && device=$port
    choose_port "REST server" "$api_port" && api=$port
    printf 'broker_port=%s\ndevice_port=%s\napi_port=%s\n' "$broker" "$device" "$api" >"$demo/ports"
    if [[ "$broker $device $api" != "$before" && -f $demo/gateway.yaml ]]; then
        mv "$demo/gateway.yaml" "$demo/gateway.yaml.before"
        say "The ports have changed: $demo/gateway.yaml is written anew, the one before is gateway.yaml.before"
    fi
}

# make_secret NAME: a random password in secrets/NAME, unless there is one. 0 when it was made now.
make_secret() {
    if [[ -s $demo/secrets/$1 ]]; then return 1; fi
    openssl rand -hex 20 >"$demo/secrets/$1"
}

secret() {
    cat "$demo/secrets/$1"
}

make_directory() {
    mkdir -p "$demo"/{tls,secrets,log,clients}
    chmod 700 "$demo"
    local name
    for name in gateway reader observer; do make_secret "$name" || true; done
    make_authority "$demo"
    issue "$demo" broker
    issue "$demo" api
}

# The gateway's configuration is the reader's to change: it is written once.
write_gateway_configuration() {
    if [[ -f $demo/gateway.yaml ]]; then return 0; fi
    cat >"$demo/gateway.yaml" <<END
# Made by deploy/quickstart and yours to change: then send the gateway SIGHUP, or start again.
# config/gateway.yaml explains every key.
version: 1

gateway:
  name: demo
  data-directory: data

channels:
  - name: Simulation
    driver: simulator
    devices:
      - name: Press1
        tags:
          - { name: Temperature, address: "SINE (1000, 15.0, 90.0, 0.05, 0)", unit: "°C" }
          - { name: Count, address: "RAMP (200, 0, 1000000, 1)", type: Long }
          - { name: State, address: "USER (5000, idle, running, stopped)", type: String }
          - { name: Setpoint, address: K0001, type: Double, access: read-write, range: [0, 100] }
  - name: Plant
    driver: modbus-tcp
    devices:
      - name: PLC1
        host: 127.0.0.1
        port: $device
        unit: 1
        poll: 500ms
        tags:
          - { name: Level, address: "40001", type: Short, unit: "%", scale: { raw: [0, 27648], scaled: [0, 100], type: Double } }
          - { name: Counter, address: "40002", type: Word }
          - { name: Alarms, address: "40010.3", type: Boolean }
          - { name: Totals, address: "40100 [8]", type: DWord }
          - { name: Valve, address: "00001", type: Boolean, access: read-write }
          - { name: Running, address: "00009", type: Boolean }

security:
  groups:
    - name: viewers
      allow: [{ tags: "**", actions: [browse, read] }]
    - name: operators
      allow:
        - { tags: "Plant.**", actions: [browse, read] }
        - { tags: "Plant.PLC1.Valve", actions: [write] }

tls:
  identities:
    - { name: demo, certificate: tls/api.pem, key: tls/api.key }

agents:
  - name: broker
    type: mqtt
    url: ssl://localhost:$broker
    username: gateway
    password: { file: secrets/gateway }
    tls: { ca-file: ca.pem }
    publish: { topic: iotgateway, qos: 1, rate: 1s }
    birth: { topic: iotgateway/status, message: online, qos: 1, retain: true }
    last-will: { topic: iotgateway/status, message: offline, qos: 1, retain: true }
    writes: { enabled: false, topic: iotgateway/write, response-topic: iotgateway/write/response }
    items:
      - { tags: "Plant.**", scan-rate: 500ms }
      - { tags: "Simulation.**", scan-rate: 1s }

  - name: api
    type: rest-server
    bind: 127.0.0.1
    port: $api
    https: true
    tls: { identity: demo }
    items: [{ tags: "**" }]
END
}

# The broker takes TLS only, knows who is who, and lets each do what recommendation R9 allows.
write_broker_configuration() {
    cat >"$demo/mosquitto.conf" <<END
# Made by deploy/quickstart at every start.
listener $broker 127.0.0.1
certfile $demo/tls/broker.pem
keyfile $demo/tls/broker.key
tls_version tlsv1.2
allow_anonymous false
password_file $demo/mosquitto.passwords
acl_file $demo/mosquitto.acl
persistence false
log_dest stderr
user $(id -un)
END
    local name
    for name in gateway reader observer; do
        printf '%s:%s\n' "$name" "$(secret "$name")"
    done >"$demo/mosquitto.passwords"
    mosquitto_passwd -U "$demo/mosquitto.passwords" || fail "mosquitto_passwd could not make the broker's passwords"
    "$sallyport" broker-acl --format mosquitto --config "$demo/gateway.yaml" --reader reader >"$demo/mosquitto.acl" ||
        fail "the broker's access rules could not be made from $demo/gateway.yaml; see above"
}

# client_options DIRECTORY ACCOUNT: what mosquitto_sub and mosquitto_pub read when XDG_CONFIG_HOME is DIRECTORY, so that
# no password stands on a command line.
client_options() {
    mkdir -p "$1"
    printf '%s\n' "-h localhost" "-p $broker" "--cafile $demo/ca.pem" "-u $2" "-P $(secret "$2")" >"$1/mosquitto_sub"
    printf '%s\n' "-V mqttv5" "-q 1" >>"$1/mosquitto_sub"
    cp "$1/mosquitto_sub" "$1/mosquitto_pub"
}

write_client_options() {
    client_options "$demo/clients" reader
    cat >"$demo/clients/curl" <<END
silent
show-error
write-out = "\\n"
cacert = "$demo/ca.pem"
user = "viewer:$(secret viewer)"
END
}

# make_user NAME ARGUMENTS…: a user of the REST server with the password in secrets/NAME; once.
make_user() {
    local name=$1 verb=password
    shift
    if "$sallyport" user list --format json --config "$demo/gateway.yaml" |
        jq -e --arg name "$name" 'any(.[]; .name == $name)' >/dev/null; then
        make_secret "$name" || return 0
        set --
    else
        make_secret "$name" || true
        verb=add
    fi
    "$sallyport" user "$verb" "$name" "$@" --config "$demo/gateway.yaml" <"$demo/secrets/$name" >/dev/null ||
        fail "the user $name could not be made; see above"
}
