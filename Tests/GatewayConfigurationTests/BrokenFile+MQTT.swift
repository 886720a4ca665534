import MQTTAgent

/// MQTT agents.
extension BrokenFile {
    private static let templates =
        "standard, { standard: \"…\", values: \"…\" } or { advanced: \"…\" }"

    static let mqtt: [BrokenFile] = [
        BrokenFile(
            name: "topics look at bytes",
            text: """
                version: 1
                gateway: { name: g }
                agents:
                  - name: b
                    type: mqtt
                    enabled: false
                    url: "ssl://u:p@\u{301}b"
                    publish: { topic: "a/+\u{301}" }

                """,
            problems: [
                "7:10: error: \(BrokerURLError.credentialsInside)",
                "8:23: error: \"topic\" may not hold the wildcards + and #, found \"a/+\u{301}\"",
            ]),
        BrokenFile(
            name: "broker URLs",
            text: """
                version: 1
                gateway: { name: g }
                agents:
                  - { name: a, type: mqtt, enabled: false, url: "broker" }
                  - { name: b, type: mqtt, enabled: false, url: "wss://b" }
                  - { name: c, type: mqtt, enabled: false, url: "http://b" }
                  - { name: d, type: mqtt, enabled: false, url: "ssl://u:p@b" }
                  - { name: e, type: mqtt, enabled: false, url: "ssl://b:0" }
                  - { name: f, type: mqtt, enabled: false, url: "ssl://" }
                  - { name: g, type: mqtt, enabled: false, url: "ssl://b/x" }
                  - { name: h, type: mqtt, enabled: false }

                """,
            problems: [
                "4:49: error: a broker's URL begins with ssl:// (or tcp:// on loopback), as "
                    + "ssl://broker.example:8883",
                "5:49: error: wss:// is not possible: the MQTT library has no WebSocket transport; use ssl://",
                "6:49: error: http:// is not known; use ssl:// (or tcp:// on loopback)",
                "7:49: error: user and password do not belong into the URL; use username: and password:",
                "8:49: error: \"0\" is not a port; 1 to 65535 are",
                "9:49: error: the broker's URL names no host",
                "10:49: error: nothing may follow the broker's host and port",
                "11:5: error: \"url\" is missing; it takes the broker's URL, as ssl://broker.example:8883",
            ]),
        BrokenFile(
            name: "passwords",
            text: """
                version: 1
                gateway: { name: g }
                agents:
                  - { name: a, type: mqtt, url: ssl://b, username: u, items: [{ tags: _System._Date }], password: hunter2 }
                  - { name: b, type: mqtt, url: ssl://b, username: u, items: [{ tags: _System._Date }], password: {} }
                  - { name: c, type: mqtt, url: ssl://b, username: u, items: [{ tags: _System._Date }], password: { file: nowhere } }
                  - { name: d, type: mqtt, url: ssl://b, username: u, items: [{ tags: _System._Date }], password: { environment: NOT_SET } }
                  - { name: e, type: mqtt, url: ssl://b, username: u, items: [{ tags: _System._Date }], password: { credential: x } }
                  - { name: f, type: mqtt, url: ssl://b, username: u, items: [{ tags: _System._Date }], password: { file: a, environment: b } }
                  - { name: g, type: mqtt, url: ssl://b, username: u, items: [{ tags: _System._Date }], password: { fil: x } }
                  - { name: h, type: mqtt, url: ssl://b, username: u, items: [{ tags: _System._Date }], password: { hunter2 } }

                """,
            problems: [
                "4:99: error: \"password\" never stands in this file itself: put it elsewhere and write "
                    + "password: { file: secrets/NAME }, { environment: NAME } or { credential: NAME }",
                "5:99: error: \"password\" takes one of { file: secrets/NAME }, { environment: NAME } or { "
                    + "credential: NAME }",
                "6:107: error: \"password\": the file nowhere is not there",
                "7:114: error: \"password\": the environment variable NOT_SET is not set",
                "8:113: error: \"password\": CREDENTIALS_DIRECTORY is not set; the unit needs "
                    + "LoadCredential=x:PATH",
                "9:99: error: \"password\" takes one of { file: secrets/NAME }, { environment: NAME } or { "
                    + "credential: NAME }",
                "10:101: error: \"password\" takes one of { file: secrets/NAME }, { environment: NAME } or { "
                    + "credential: NAME }; did you mean \"file\"?",
                "11:101: error: \"password\" takes one of { file: secrets/NAME }, { environment: NAME } or { "
                    + "credential: NAME }",
            ]),
        BrokenFile(
            name: "password without username",
            text: """
                version: 1
                gateway: { name: g }
                agents:
                  - name: m
                    type: mqtt
                    url: ssl://b.example
                    items: [{ tags: "_System._Date" }]
                    password: { environment: SECRET }

                """,
            problems: [
                "8:5: error: a password without a username: brokers refuse that; add username:"
            ]),
        BrokenFile(
            name: "MQTT values",
            text: """
                version: 1
                gateway: { name: g }
                agents:
                  - name: m
                    type: mqtt
                    url: ssl://b.example
                    items: [{ tags: "_System._Date" }]
                    client-id: "a\\0b"
                    protocol: 4
                    keepalive: 1s
                    birth: { topic: a/#, message: x }
                    last-will: { message: x, qos: 3 }

                """,
            problems: [
                "8:16: error: \"client-id\" holds a control character; remove it",
                "9:15: error: \"protocol\" takes one of auto, 5, 3.1.1, found 4; did you mean \"5\"?",
                "10:16: error: \"keepalive\" takes 5s to 65535s, found 1s",
                "11:21: error: \"topic\" may not hold the wildcards + and #, found a/#",
                "12:16: error: \"topic\" is missing in \"last-will\"",
                "12:35: error: \"qos\" takes a whole number from 0 to 2, found 3",
            ]),
        BrokenFile(
            name: "keepalive in parts of a second",
            text: """
                version: 1
                gateway: { name: g }
                agents:
                  - name: m
                    type: mqtt
                    url: ssl://b.example
                    items: [{ tags: "_System._Date" }]
                    keepalive: 5500ms

                """,
            problems: [
                "8:5: error: \"keepalive\" takes whole seconds, at least 5s"
            ]),
        BrokenFile(
            name: "topics",
            text: """
                version: 1
                gateway: { name: g }
                agents:
                  - { name: a, type: mqtt, enabled: false, url: ssl://b, publish: { topic: "x/+" } }
                  - { name: b, type: mqtt, enabled: false, url: ssl://b, publish: { topic: "$SYS/x" } }
                  - { name: c, type: mqtt, enabled: false, url: ssl://b, publish: { topic: "" } }
                  - { name: d, type: mqtt, enabled: false, url: ssl://b, publish: { topic: "plant/|TAGNAME|#" } }
                  - { name: e, type: mqtt, enabled: false, url: ssl://b, publish: { topic: "plant/|TAGNAM|" } }
                  - { name: f, type: mqtt, enabled: false, url: ssl://b, publish: { topic: "plant/|TAGNAME" } }
                  - { name: h, type: mqtt, enabled: false, url: ssl://b, publish: { topic: "p-|CHANNEL|/|TAG|" } }

                """,
            problems: [
                "4:76: error: \"topic\" may not hold the wildcards + and #, found \"x/+\"",
                "5:76: error: \"topic\" may not begin with $, which is the broker's own",
                "6:76: error: \"topic\" is empty; it takes a topic, as iotgateway",
                "7:76: error: \"topic\" may not hold the wildcards + and #, found \"plant/|TAGNAME|#\"",
                "8:76: error: |TAGNAM| is no topic variable; there are TAGNAME, CHANNEL, DEVICE, TAG",
                "9:76: warning: \"topic\" holds a bar that nothing closes, which stands for itself; a variable has two, "
                    + "as |TAG|",
                "10:76: error: \"topic\" begins with a variable: the broker would have to let the gateway's account "
                    + "write whatever stands there; put a level before it, as plant/p-|CHANNEL|/|TAG|",
            ]),
        BrokenFile(
            name: "publish",
            text: """
                version: 1
                gateway: { name: g }
                agents:
                  - name: m
                    type: mqtt
                    url: ssl://b.example
                    items: [{ tags: "_System._Date" }]
                    publish:
                      qos: 3
                      retain: on
                      type: onchange
                      rate: 5ms
                      format: wied
                      max-events: 0
                      template: { advanced: x, values: "v: |VALUE|" }

                """,
            problems: [
                "9:12: error: \"qos\" takes a whole number from 0 to 2, found 3",
                "10:15: error: \"retain\" takes true or false, found on; write true",
                "11:13: error: \"type\" takes one of interval, on-change, found onchange; did you mean "
                    + "\"on-change\"?",
                "12:13: error: \"rate\" takes 10ms to 99999990ms, found 5ms",
                "13:15: error: \"format\" takes one of narrow, wide, found wied; did you mean \"wide\"?",
                "14:19: error: \"max-events\" takes a whole number from 1 to 1000000, found 0",
                "15:19: error: a template is either advanced or standard with values, not both",
            ]),
        BrokenFile(
            name: "templates",
            text: """
                version: 1
                gateway: { name: g }
                agents:
                  - { name: a, type: mqtt, enabled: false, url: ssl://b, publish: { template: json } }
                  - { name: b, type: mqtt, enabled: false, url: ssl://b, publish: { template: {} } }
                  - { name: c, type: mqtt, enabled: false, url: ssl://b, publish: { template: { values: "v: |VALEU|" } } }
                  - name: d
                    type: mqtt
                    enabled: false
                    url: ssl://b
                    publish:
                      template:
                        standard: |
                          timestamp: |SERVERTIMESTAMP|
                          site: press-shop
                          values: |VALUES|
                  - name: e
                    type: mqtt
                    enabled: false
                    url: ssl://b
                    publish: { template: { advanced: "|#each VALUES||VALUE|" } }
                  - name: f
                    type: rest-client
                    enabled: false
                    url: https://b
                    publish: { template: { advanced: "[|#each VALUES||VALUE|,|/each|]" } }
                  - name: h
                    type: mqtt
                    enabled: false
                    url: ssl://b
                    publish: { max-events: 1, template: { advanced: "[|#each VALUES||VALUE||/each|]" } }

                """,
            problems: [
                "4:79: error: \"template\" takes \(templates), found json",
                "5:69: error: \"template\" takes \(templates), found nothing",
                "6:81: error: \"values\": line 1: |VALEU| is not known here; there are TAGNAME, TAGVALUE, TAGQUALITY, "
                    + "TAGTIMESTAMP, VALUE, QUALITY, TIMESTAMP, SERVERTIMESTAMP, SERVERDATE",
                "13:9: error: \"standard\": line 2: \"site: press-shop\" is not of the form key: |VARIABLE|; an advanced "
                    + "template takes any text",
                "21:38: error: \"advanced\": line 1: |#each VALUES| is not closed by |/each|",
                "26:38: warning: \"advanced\" gives no JSON with one value: line 1, column 6 (byte 5): ']' where a "
                    + "value should be",
            ]),
        BrokenFile(
            name: "topics that do not tell tags apart",
            text: """
                version: 1
                gateway: { name: g }
                channels:
                  - name: C
                    driver: simulator
                    devices:
                      - { name: D, tags: [{ name: T, address: K0001 }] }
                      - { name: E, tags: [{ name: T, address: K0001 }] }
                agents:
                  - { name: a, type: mqtt, url: ssl://b, publish: { topic: "x/|TAG|" }, items: [{ tags: "**" }] }
                  - { name: b, type: mqtt, url: ssl://b, publish: { topic: "x/|TAG|" }, items: [{ tags: C.D.T }] }
                  - { name: c, type: mqtt, url: ssl://b, publish: { topic: "x/|CHANNEL|" }, items: [{ tags: "**" }] }
                  - { name: d, type: mqtt, url: ssl://b, publish: { topic: "iotgateway/|TAG|" }, writes: {}, items: [{ tags: C.D.T }] }

                """,
            problems: [
                "10:60: error: \"C.D.T\" and \"C.E.T\" would both be published to \"x/T\"; put |CHANNEL| and |DEVICE|, "
                    + "or |TAGNAME|, into the topic",
                "13:90: error: a tag could be published to \"iotgateway/write\" by the topic \"iotgateway/|TAG|\"; "
                    + "change one of the two",
            ]),
        BrokenFile(
            name: "wide with on-change",
            text: """
                version: 1
                gateway: { name: g }
                agents:
                  - name: m
                    type: mqtt
                    url: ssl://b.example
                    items: [{ tags: "_System._Date" }]
                    publish: { format: wide, type: on-change }

                """,
            problems: [
                "8:16: error: format wide sends every item each time, so it needs type: interval, not "
                    + "on-change"
            ]),
        BrokenFile(
            name: "writes",
            text: """
                version: 1
                gateway: { name: g }
                agents:
                  - name: m
                    type: mqtt
                    url: ssl://b.example
                    items: [{ tags: "_System._Date" }]
                    writes: { enabled: true, topic: iotgateway, as: nobody, signed: of, max-age: 1 }

                """,
            problems: [
                "8:15: error: writing over MQTT is not in this version of Sallyport; set it to false",
                "8:30: error: writes and the published messages cannot share the topic \"iotgateway\"; change "
                    + "one",
                "8:53: error: no group is named nobody",
                "8:69: error: \"signed\" takes one of off, optional, required, found of; did you mean \"off\"?",
                "8:82: error: \"max-age\" takes a duration, as 500ms, 10s, 5m, 2h or 7d, found 1; add its unit",
            ]),
        BrokenFile(
            name: "signed off is a word",
            text: """
                version: 1
                gateway: { name: g }
                agents:
                  - name: m
                    type: mqtt
                    url: ssl://b.example
                    items: [{ tags: "_System._Date" }]
                    writes: { signed: off }

                """,
            problems: []),
        BrokenFile(
            name: "outbox",
            text: """
                version: 1
                gateway: { name: g }
                agents:
                  - name: m
                    type: mqtt
                    url: ssl://b.example
                    items: [{ tags: "_System._Date" }]
                    outbox: { max-bytes: 1GiB, max-age: 7, when-full: drop-all, durability: memory }

                """,
            problems: [
                "8:15: warning: with \"durability: memory\" no more than 64MiB are kept",
                "8:41: error: \"max-age\" takes a duration, as 500ms, 10s, 5m, 2h or 7d, found 7; add its unit",
                "8:55: error: \"when-full\" takes one of drop-oldest, drop-newest, found drop-all",
            ]),
        BrokenFile(
            name: "client TLS",
            text: """
                version: 1
                gateway: { name: g }
                agents:
                  - name: m
                    type: mqtt
                    url: ssl://b.example
                    items: [{ tags: "_System._Date" }]
                    tls: { ca-file: nowhere.pem, identity: factory }

                """,
            problems: [
                "8:21: error: the ca-file nowhere.pem is not there",
                "8:44: error: no identity is named factory; tls: identities: lists none",
            ]),
        BrokenFile(
            name: "default identity for a client",
            text: """
                version: 1
                gateway: { name: g }
                agents:
                  - name: m
                    type: mqtt
                    url: ssl://b.example
                    items: [{ tags: "_System._Date" }]
                    tls: { identity: default }

                """,
            problems: [
                "8:22: error: the identity \"default\" is self-signed and for servers; name one of tls: "
                    + "identities:, or leave it out"
            ]),
        BrokenFile(
            name: "TLS on tcp",
            text: """
                version: 1
                gateway: { name: g }
                agents: [{ name: m, type: mqtt, url: "tcp://127.0.0.1", tls: { identity: default }, items: [{ tags: _System._Date }] }]

                """,
            problems: [
                "3:57: warning: \"tls\" has no effect on a tcp:// broker; use ssl://",
                "3:74: error: the identity \"default\" is self-signed and for servers; name one of tls: "
                    + "identities:, or leave it out",
            ]),
    ]
}
