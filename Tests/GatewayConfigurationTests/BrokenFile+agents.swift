/// What all agents have: names, types, items, and what two of them cannot share.
extension BrokenFile {
    static let agents: [BrokenFile] = [
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
                gateway: { name: line-6 }
                agents:
                  - { name: a, type: rest-client, url: "ftp://x", method: GET, timeout: 0s, headers: [], items: [{ tags: _System._Date }] }
                  - { name: b, type: rest-client, url: "https://u:p@x/", username: u, items: [{ tags: _System._Date }], urll: 1 }
                  - { name: c, type: rest-client, enabled: false, url: "https://x/", username: "a:b", password: { environment: HISTORIAN_PASSWORD }, token: { environment: TOKEN }, items: [{ tags: _System._Date }] }
                  - { name: d, type: rest-client, url: "https://x/", headers: { Host: y, X Site: a, X-A: "", X-B: [1], Authorization: "Token abc", sallyport-gateway: z, x-c: 1, X-C: 2 }, items: [{ tags: _System._Date }] }
                  - { name: e, type: rest-client, url: "https://x/", media-type: json, proxy: "https://p/", tries: 0, requests-in-flight: 2, items: [{ tags: _System._Date }] }
                  - { name: f, type: rest-client, url: "https://x/", proxy: "http://p/x", ordered: false, requests-in-flight: 17, publish: { topic: x }, items: [{ tags: _System._Date }] }
                  - { name: g, type: rest-client, items: [{ tags: _System._Date }] }

                """,
            problems: [
                "4:40: error: ftp:// is not known; use https:// (or http:// on loopback)",
                "4:59: error: \"method\" takes one of POST, PUT, found GET",
                "4:73: error: \"timeout\" takes 1s to 1m, found 0s",
                "4:86: error: \"headers\" takes a mapping, as { X-Site: press-shop }, found a list",
                "5:40: error: user and password do not belong into the URL; use username: and password:, "
                    + "or token:",
                "5:58: error: username and password belong together; add the other one",
                "5:105: error: unknown key \"urll\"; did you mean \"url\"?",
                "6:80: error: \"username\" may not be empty or hold a colon or a control character, which "
                    + "HTTP cannot carry",
                "6:112: warning: \"password\": the environment variable HISTORIAN_PASSWORD is not set "
                    + "(needed once it is enabled)",
                "6:134: error: a request carries a token, or a username and a password: remove one of the "
                    + "two",
                "6:156: warning: \"token\": the environment variable TOKEN is not set (needed once it is "
                    + "enabled)",
                "7:65: error: header \"Host\": this header belongs to HTTP itself and cannot be set",
                "7:74: error: header \"X Site\": the name of a header is letters, digits and - without "
                    + "spaces, as X-Site",
                "7:85: error: header \"X-A\": the value of a header is 1 to 8192 characters of ASCII "
                    + "without control characters or spaces around it",
                "7:99: error: \"X-B\" never stands in this file itself: put it elsewhere and write X-B: { "
                    + "file: secrets/NAME }, { environment: NAME } or { credential: NAME }",
                "7:119: error: \"Authorization\" never stands in this file itself: put it elsewhere and "
                    + "write Authorization: { file: secrets/NAME }, { environment: NAME } or { credential: NAME }",
                "7:132: error: header \"sallyport-gateway\": this header tells which message it is and is "
                    + "always sent; remove it here",
                "7:162: error: the header \"X-C\" stands twice, first on line 7; remove one",
                "8:66: error: \"media-type\" takes a media type, as application/json, found json",
                "8:79: error: \"proxy\" takes http://HOST:PORT and nothing behind it; what goes through it "
                    + "is encrypted by the endpoint's own TLS",
                "8:100: error: \"tries\" takes a whole number from 1 to 100, found 0",
                "8:103: error: several requests at once arrive in any order; write ordered: false where "
                    + "that does not matter",
                "9:61: error: \"proxy\" takes http://HOST:PORT and nothing behind it; what goes through it "
                    + "is encrypted by the endpoint's own TLS",
                "9:75: warning: \"ordered\" has no effect without requests-in-flight: 2 or more",
                "9:111: error: \"requests-in-flight\" takes a whole number from 1 to 16, found 17",
                "9:126: error: unknown key \"topic\"; known here: type, rate, format, max-events, "
                    + "send-initial-update, ignore-quality-changes, template",
                "10:5: error: \"url\" is missing; it takes the endpoint's URL, as "
                    + "https://historian.example/ingest",
            ]),
    ]
}
