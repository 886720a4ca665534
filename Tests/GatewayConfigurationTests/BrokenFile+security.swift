/// Passwords, groups, the audit log, accepted risks, identities.
extension BrokenFile {
    static let security: [BrokenFile] = [
        BrokenFile(
            name: "audit",
            text: """
                version: 1
                gateway: { name: g }
                audit: { max-bytes: 256MB, max-age: 1y, reserve: 1 }

                """,
            problems: [
                "3:21: error: \"max-bytes\" takes a size, as 64KiB, 1MiB or 1GiB, found 256MB; the units are "
                    + "KiB, MiB and GiB (1024)",
                "3:37: error: \"max-age\" takes a duration, as 500ms, 10s, 5m, 2h or 7d, found 1y",
                "3:50: error: \"reserve\" takes 64KiB to 1TiB, found 1",
            ]),
        BrokenFile(
            name: "audit forwarding",
            text: """
                version: 1
                gateway: { name: g }
                audit:
                  max-bytes: 16MiB
                  reserve: 9MiB
                  forward:
                    file: ""
                    syslog: { url: "syslog://logs.example", tls: { ca-file: nowhere.pem } }
                    kafka: x

                """,
            problems: [
                "5:3: error: \"reserve\" is part of \"max-bytes\" and at most half of it",
                "7:11: error: \"file\" is empty; it takes the path of a file to append to",
                "8:20: error: \"url\" takes the URL of a syslog receiver, as syslog+tls://logs.example:6514, found "
                    + "\"syslog://logs.example\"; the audit log is forwarded over TLS only",
                "8:61: error: the ca-file nowhere.pem is not there",
                "9:5: error: unknown key \"kafka\"; known here: syslog, file",
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
                "14:24: warning: nothing in this version of Sallyport asks for \"gateway\" permissions other than metrics",
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
                    tls: { client-certificates: { mode: none, ca-file: ca.pem, map: [] } }
                    items: [{ tags: S.D.A, scan-rate: 1s, deadband: 1, send-every-scan: true }]

                """,
            problems: [
                "7:22: warning: nothing in this version of Sallyport asks for \"gateway\" permissions other than metrics",
                "8:15: warning: the group anonymous has no effect: no enabled agent has anonymous: true",
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
    ]
}
