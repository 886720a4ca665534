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
    ]
}
