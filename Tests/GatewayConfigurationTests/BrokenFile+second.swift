import MQTTAgent

extension BrokenFile {
    static let secondHalf: [BrokenFile] = [
        BrokenFile(
            name: "audit",
            text: """
                version: 1
                gateway: { name: g }
                audit: { max-bytes: 256MB, max-age: 1y, reserve: 1 }

                """,
            problems: [
                "3:1: warning: this version of Sallyport writes no audit log yet; \"audit\" has no effect",
                "3:21: error: \"max-bytes\" takes a size, as 64KiB, 1MiB or 1GiB, found 256MB; the units are "
                    + "KiB, MiB and GiB (1024)",
                "3:37: error: \"max-age\" takes a duration, as 500ms, 10s, 5m, 2h or 7d, found 1y",
                "3:50: error: \"reserve\" takes 64KiB to 1TiB, found 1",
            ]),
        BrokenFile(
            name: "accepted risks",
            text: """
                version: 1
                gateway: { name: g }
                accept-risk:
                  - { rule: SP-101 }
                  - { rule: SP-101, agent: x, reason: "", until: 2027-02-30 }
                  - { rule: SP-102, reason: r, until: tomorrow }

                """,
            problems: [
                "4:5: error: \"reason\" is missing; it takes the reason, for whoever reads this later",
                "5:28: error: no agent is named x",
                "5:39: error: \"reason\" is empty; say why this risk is taken",
                "5:50: error: \"until\" takes a day, as 2027-01-31, found 2027-02-30",
                "6:39: error: \"until\" takes a day, as 2027-01-31, found tomorrow",
            ]),
        BrokenFile(
            name: "password length",
            text: """
                version: 1
                gateway: { name: g }
                security: { password: { minimum-length: 8 } }

                """,
            problems: [
                "3:41: error: \"minimum-length\" takes a whole number from 14 to 512, found 8"
            ]),
        BrokenFile(
            name: "groups",
            text: """
                version: 1
                gateway: { name: g }
                channels:
                  - name: S
                    driver: simulator
                    devices:
                      - name: D
                        tags:
                          - { name: A, address: K1 }
                security:
                  groups:
                    - { name: Administrators }
                    - { name: viewers, allow: [{ tags: "S.D.A" }] }
                    - { name: VIEWERS, gateway: [status, metric] }
                    - { allow: [{ tags: "S.**", actions: [reed] }] }

                """,
            problems: [
                "12:15: error: the group Administrators always exists and may do everything; it cannot be "
                    + "configured",
                "13:32: error: \"actions\" is missing; it takes a list of browse, read, write",
                "14:15: error: group \"VIEWERS\" stands twice (names that differ only in case are the same), "
                    + "first on line 13; rename one",
                "14:24: warning: nothing in this version of Sallyport asks for \"gateway\" permissions; they have no effect",
                "14:42: error: \"gateway\" takes a list of status, metrics, audit-log, found metric; did you "
                    + "mean \"metrics\"?",
                "15:7: error: \"name\" is missing; it takes the name of the group",
                "15:43: error: \"actions\" takes a list of browse, read, write, found reed; did you mean "
                    + "\"read\"?",
            ]),
        BrokenFile(
            name: "what is taken and has no effect",
            text: """
                version: 1
                gateway: { name: g }
                channels:
                  - { name: S, driver: simulator, devices: [{ name: D, tags: [{ name: A, address: K1 }] }] }
                security:
                  groups:
                    - { name: watch, gateway: [status] }
                    - { name: Anonymous, allow: [{ tags: S.D.A, actions: [browse] }] }
                agents:
                  - name: api
                    type: rest-server
                    https: false
                    tls: { client-certificates: { mode: none, ca-file: ca.pem, map: cn } }
                    items: [{ tags: S.D.A, scan-rate: 1s, deadband: 1, send-every-scan: true }]

                """,
            problems: [
                "7:22: warning: nothing in this version of Sallyport asks for \"gateway\" permissions; they have no effect",
                "8:15: warning: this version of Sallyport lets nobody in without a login; the group anonymous has no "
                    + "effect",
                "13:5: warning: \"tls\" has no effect with https: false",
                "13:47: warning: \"ca-file\" has no effect while client-certificates: mode: is none",
                "13:64: warning: \"map\" has no effect while client-certificates: mode: is none",
                "14:28: warning: \"scan-rate\" has no effect on a rest-server agent, which answers with the value of "
                    + "the moment",
                "14:43: warning: \"deadband\" has no effect on a rest-server agent, which answers with the value of "
                    + "the moment",
                "14:56: warning: \"send-every-scan\" has no effect on a rest-server agent, which answers with the "
                    + "value of the moment",
            ]),
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
            name: "permissions that match nothing",
            text: """
                version: 1
                gateway: { name: g }
                channels:
                  - name: S
                    driver: simulator
                    devices:
                      - name: D
                        tags:
                          - { name: A, address: K1 }
                security:
                  groups:
                    - name: g
                      allow: [{ tags: S.D.B, actions: [read] }, { tags: "X.**", actions: [read] }]
                      deny: [{ tags: S.D.B, actions: [write] }, { tags: "Y.*.Z", actions: [write] }, { tags: "a.**b", actions: [] }]

                """,
            problems: [
                "13:23: warning: \"S.D.B\" matches no tag; did you mean \"S.D.A\"?",
                "13:57: warning: \"X.**\" matches no tag",
                "14:22: error: this deny names \"S.D.B\", and there is no such tag; did you mean \"S.D.A\"?",
                "14:57: warning: \"Y.*.Z\" matches no tag",
                "14:94: error: ** must stand alone between dots, as in Plant.**, not inside \"**b\"",
                "14:103: error: \"actions\" is empty; it takes a list of browse, read, write",
            ]),
        BrokenFile(
            name: "identities",
            text: """
                version: 1
                gateway: { name: g }
                tls:
                  minimum-version: 1.1
                  identities:
                    - { name: default, certificate: c.pem, key: k.pem }
                    - { name: a }
                    - { name: A, certificate: c.pem, key: k.pem, key-password: hush }

                """,
            problems: [
                "4:20: error: \"minimum-version\" takes one of 1.2, 1.3, found 1.1; did you mean \"1.2\"?",
                "6:15: error: the identity \"default\" always exists (self-signed); choose another name",
                "6:37: warning: the certificate c.pem is not there (no enabled agent uses it)",
                "6:49: warning: the key k.pem is not there (no enabled agent uses it)",
                "7:7: error: \"certificate\" is missing; it takes the path of a PEM file",
                "7:7: error: \"key\" is missing; it takes the path of a PEM file",
                "8:15: error: identity \"A\" stands twice (names that differ only in case are the same), first "
                    + "on line 7; rename one",
                "8:31: warning: the certificate c.pem is not there (no enabled agent uses it)",
                "8:43: warning: the key k.pem is not there (no enabled agent uses it)",
                "8:64: error: \"key-password\" never stands in this file itself: put it elsewhere and write "
                    + "key-password: { file: secrets/NAME }, { environment: NAME } or { credential: NAME }",
            ]),
        BrokenFile(
            name: "agent types",
            text: """
                version: 1
                gateway: { name: g }
                agents:
                  - { name: a }
                  - { name: b, type: mqtts }
                  - { name: c, type: rest }
                  - x

                """,
            problems: [
                "4:5: error: \"type\" is missing; it takes one of mqtt, rest-client, rest-server",
                "5:22: error: \"type\" takes one of mqtt, rest-client, rest-server, found mqtts; did you mean "
                    + "\"mqtt\"?",
                "6:22: error: \"type\" takes one of mqtt, rest-client, rest-server, found rest",
                "7:5: error: expected an agent as a mapping (key: value), found x",
            ]),
        BrokenFile(
            name: "agent twice",
            text: """
                version: 1
                gateway: { name: g }
                agents:
                  - { name: a, type: mqtt, enabled: false, url: ssl://b }
                  - { name: A, type: mqtt, enabled: false, url: ssl://b }

                """,
            problems: [
                "5:13: error: agent \"A\" stands twice (names that differ only in case are the same), first on "
                    + "line 4; rename one"
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
                  - { name: d, type: mqtt, enabled: false, url: ssl://b, publish: { topic: "plant/|TAGNAME|" } }
                  - { name: e, type: mqtt, enabled: false, url: ssl://b, publish: { topic: "plant/|TAGNAM|" } }

                """,
            problems: [
                "4:76: error: \"topic\" may not hold the wildcards + and #, found \"x/+\"",
                "5:76: error: \"topic\" may not begin with $, which is the broker's own",
                "6:76: error: \"topic\" is empty; it takes a topic, as iotgateway",
                "7:76: error: a topic with variables is not in this version of Sallyport; write a fixed "
                    + "topic, as iotgateway",
                "8:76: error: |TAGNAM| is no topic variable; there are TAGNAME, CHANNEL, DEVICE, TAG",
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
                      template: { advanced: x }

                """,
            problems: [
                "9:12: error: \"qos\" takes a whole number from 0 to 2, found 3",
                "10:15: error: \"retain\" takes true or false, found on; write true",
                "11:13: error: \"type\" takes one of interval, on-change, found onchange; did you mean "
                    + "\"on-change\"?",
                "12:13: error: \"rate\" takes 10ms to 99999990ms, found 5ms",
                "13:15: error: \"format\" takes one of narrow, wide, found wied; did you mean \"wide\"?",
                "14:19: error: \"max-events\" takes a whole number from 1 to 1000000, found 0",
                "15:7: error: a template of one's own is not in this version of Sallyport; write template: "
                    + "standard",
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
                    outbox: { max-bytes: 1GiB, max-age: 7d, when-full: drop-newest, durability: full }

                """,
            problems: [
                "8:15: warning: this version keeps the outbox in memory and caps it at 64MiB; the rest of "
                    + "\"max-bytes\" has no effect",
                "8:32: warning: this version caps the outbox by bytes only; \"max-age\" has no effect yet",
                "8:56: error: \"when-full\" takes drop-oldest, found drop-newest",
                "8:69: warning: this version keeps the outbox in memory: what waits is lost when the process "
                    + "is killed; durability: memory says so",
            ]),
        BrokenFile(
            name: "items",
            text: """
                version: 1
                gateway: { name: g }
                channels:
                  - name: S
                    driver: simulator
                    devices:
                      - name: D
                        tags:
                          - { name: A, address: K1 }
                          - { name: T, address: S1 }
                          - { name: R, address: K2, range: [0, 10] }
                          - { name: Off, address: K3, enabled: false }
                agents:
                  - name: m
                    type: mqtt
                    url: ssl://b
                    items:
                      - { tags: S.D.B }
                      - { tags: S.D.T, deadband: 1 }
                      - { tags: S.D.A, deadband: 1% }
                      - { tags: S.D.R, deadband: 1%, send-every-scan: true }
                      - { tags: "X.**", scan-rate: 5ms, deadband: -1 }
                      - { tags: S.D.Off }
                      - { tag: x }
                      - { tags: "**", deadband: 101% }

                """,
            problems: [
                "18:17: error: there is no tag \"S.D.B\"; did you mean \"S.D.A\"?",
                "19:24: error: a deadband is for scalar numbers, and \"S.D.T\" is none; remove it",
                "20:24: error: a deadband in percent needs the tag's range, and \"S.D.A\" has neither range: "
                    + "nor scale:; give it one or write an absolute number",
                "21:38: error: \"send-every-scan\" needs a \"scan-rate\"",
                "22:17: warning: \"X.**\" matches no tag",
                "22:36: error: \"scan-rate\" takes 10ms to 99999990ms, found 5ms",
                "22:51: error: \"deadband\" takes a number of at least 0 or a percentage, as 0.5%, found -1",
                "23:17: warning: the tag \"S.D.Off\" is disabled, at 12:21",
                "24:9: error: \"tags\" is missing; it takes a tag's full name or a pattern in quotes, as "
                    + "\"Plant.**\"",
                "24:11: error: unknown key \"tag\"; did you mean \"tags\"?",
                "25:33: error: \"deadband\" takes a number of at least 0 or a percentage, as 0.5%, found 101%",
            ]),
        BrokenFile(
            name: "no items",
            text: """
                version: 1
                gateway: { name: g }
                agents: [{ name: m, type: mqtt, url: ssl://b }]

                """,
            problems: [
                "3:10: warning: the agent has no items: no tag exists through it; write items: [{ tags: \"**\" "
                    + "}] for all"
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
        BrokenFile(
            name: "REST server values",
            text: """
                version: 1
                gateway: { name: g }
                agents:
                  - name: r
                    type: rest-server
                    items: [{ tags: "_System._Date" }]
                    bind: localhost
                    port: 0
                    https: no
                    array-values: text
                    cors-allowed-origins: ["*", scada, https://ok.example]
                    limits: { connections: 0, body: 1MB }

                """,
            problems: [
                "7:11: error: \"bind\" takes an address or an interface name; write 127.0.0.1 for localhost",
                "8:11: error: \"port\" takes a whole number from 1 to 65535, found 0",
                "9:12: error: \"https\" takes true or false, found no; write false",
                "10:19: error: \"array-values\" takes one of array, string, found text",
                "11:28: error: * would let every web page ask; list the origins, as https://scada.example",
                "11:33: error: \"cors-allowed-origins\" takes a list of origins, as https://scada.example, "
                    + "found scada",
                "12:28: error: \"connections\" takes a whole number from 1 to 65535, found 0",
                "12:37: error: \"body\" takes a size, as 64KiB, 1MiB or 1GiB, found 1MB; the units are KiB, "
                    + "MiB and GiB (1024)",
            ]),
        BrokenFile(
            name: "REST server, later parts",
            text: """
                version: 1
                gateway: { name: g }
                agents:
                  - name: r
                    type: rest-server
                    items: [{ tags: "_System._Date" }]
                    anonymous: true
                    write-endpoint: true
                    allow-from: [10.0.0.0/8, x]
                    trusted-proxies: [10.0.0.1]
                    tls: { identity: x, client-certificates: { mode: required, ca-file: a, map: subject } }

                """,
            problems: [
                "7:5: error: anonymous access is not in this version of Sallyport; set it to false",
                "8:5: error: the write endpoint is not in this version of Sallyport; set it to false",
                "9:5: error: \"allow-from\" is not in this version of Sallyport; remove it and limit access in "
                    + "the firewall",
                "9:30: error: \"allow-from\" takes a list of networks, as 10.0.0.0/8, found x",
                "10:5: error: \"trusted-proxies\" is not in this version of Sallyport; remove it and limit "
                    + "access in the firewall",
                "11:22: error: no identity is named x; tls: identities: lists none",
                "11:48: error: login by client certificate is not in this version of Sallyport; write mode: "
                    + "none",
            ]),
        BrokenFile(
            name: "REST server binds",
            text: """
                version: 1
                gateway: { name: g }
                agents:
                  - { name: a, type: rest-server, enabled: false, bind: "10.0.0.256" }
                  - { name: b, type: rest-server, enabled: false, bind: "gateway.plant.example" }
                  - { name: c, type: rest-server, enabled: false, bind: "eth0" }
                  - { name: d, type: rest-server, enabled: false, bind: "::1" }
                  - { name: e, type: rest-server, enabled: false, bind: "" }

                """,
            problems: [
                "4:57: error: \"bind\" takes an address, as 127.0.0.1, or an interface name, as eth0; found "
                    + "\"10.0.0.256\"",
                "5:57: error: \"bind\" takes an address, as 127.0.0.1, or an interface name, as eth0; found "
                    + "\"gateway.plant.example\"",
                "8:57: error: \"bind\" takes an address, as 127.0.0.1, or an interface name, as eth0; found \"\"",
            ]),
        BrokenFile(
            name: "two on one port",
            text: """
                version: 1
                gateway: { name: g }
                agents:
                  - { name: a, type: rest-server, items: [{ tags: _System._Date }] }
                  - { name: b, type: rest-server, bind: 0.0.0.0, items: [{ tags: _System._Date }] }
                  - { name: c, type: rest-server, bind: 127.0.0.1, enabled: false }

                """,
            problems: [
                "5:35: error: agents \"a\" and \"b\" both listen on port 39320 of the same address; give one "
                    + "another port"
            ]),
        BrokenFile(
            name: "one client-id twice",
            text: """
                version: 1
                gateway: { name: g }
                agents:
                  - { name: a, type: mqtt, url: ssl://b, client-id: x, items: [{ tags: _System._Date }] }
                  - { name: b, type: mqtt, url: ssl://b, client-id: x, items: [{ tags: _System._Date }] }

                """,
            problems: [
                "5:5: error: agents \"a\" and \"b\" have the same client-id at the same broker, which would "
                    + "throw each out in turn; change one or leave it empty"
            ]),
        BrokenFile(
            name: "REST client",
            text: """
                version: 1
                gateway: { name: g }
                agents:
                  - { name: a, type: rest-client, url: ftp://x, method: GET, timeout: 0s, headers: [], items: [{ tags: _System._Date }] }

                """,
            problems: [
                "4:16: error: the agent type rest-client is not in this version of Sallyport; remove the "
                    + "agent or set enabled: false",
                "4:40: error: \"url\" takes a URL that begins with https://, found ftp://x",
                "4:57: error: \"method\" takes one of POST, PUT, found GET",
                "4:71: error: \"timeout\" takes 1s to 1m, found 0s",
                "4:84: error: \"headers\" takes a mapping, as { X-Site: press-shop }, found a list",
            ]),
        BrokenFile(
            name: "merge of something else",
            text: """
                version: 1
                gateway: { name: g }
                agents: [{ <<: 5, name: a, type: mqtt, enabled: false, url: ssl://b }]

                """,
            problems: [
                "3:16: error: << takes a mapping, as <<: *publish"
            ]),
        BrokenFile(
            name: "deep",
            text: """
                version: 1
                gateway: { name: g }
                channels: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]

                """,
            problems: [
                "3:75: error: nested deeper than 64 levels"
            ]),
    ]
}
