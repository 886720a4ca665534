/// Channels, devices and tags.
extension BrokenFile {
    static let devices: [BrokenFile] = [
        BrokenFile(
            name: "channel twice",
            text: """
                version: 1
                gateway: { name: g }
                channels:
                  - { name: Plant, driver: simulator }
                  - { name: PLANT, driver: simulator }

                """,
            problems: [
                "5:13: error: channel \"PLANT\" stands twice (names that differ only in case are the same), "
                    + "first on line 4; rename one"
            ]),
        BrokenFile(
            name: "driver unknown",
            text: """
                version: 1
                gateway: { name: g }
                channels:
                  - { name: A, driver: modbus }
                  - { name: B }
                  - { driver: simulator }

                """,
            problems: [
                "4:24: error: \"driver\" takes one of simulator, modbus-tcp, found modbus",
                "5:5: error: \"driver\" is missing; it takes simulator or modbus-tcp",
                "6:5: error: \"name\" is missing; it takes the name of the channel",
            ]),
        BrokenFile(
            name: "names",
            text: """
                version: 1
                gateway: { name: g }
                channels:
                  - { name: a.b, driver: simulator }
                  - { name: _x, driver: simulator }
                  - { name: " x", driver: simulator }

                """,
            problems: [
                "4:13: error: channel name a.b: the character . is not allowed in a name",
                "5:13: error: channel name _x: names that begin with _ are reserved for system tags; choose "
                    + "another",
                "6:13: error: channel name \" x\": a name may not begin or end with a space",
            ]),
        BrokenFile(
            name: "Modbus keys in a simulator",
            text: """
                version: 1
                gateway: { name: g }
                channels:
                  - name: S
                    driver: simulator
                    devices:
                      - { name: D, host: x, unit: 1, tags: [{ name: A, address: K1, poll: 1s }] }

                """,
            problems: [
                "7:20: error: \"host\" belongs to the driver modbus-tcp, and this channel's is simulator; "
                    + "remove it",
                "7:29: error: \"unit\" belongs to the driver modbus-tcp, and this channel's is simulator; "
                    + "remove it",
                "7:69: error: \"poll\" belongs to tags of the driver modbus-tcp, and this is a simulator's; "
                    + "remove it",
            ]),
        BrokenFile(
            name: "device values",
            text: """
                version: 1
                gateway: { name: g }
                channels:
                  - name: P
                    driver: modbus-tcp
                    devices:
                      - name: D
                        host: 10.0.0.1
                        port: 70000
                        unit: 0
                        poll: 500
                        timeout: 1ms
                        retries: -1
                        word-order: big
                        zero-based: no
                        demote: { after: 0, for: 10 }
                        tags:
                          - { name: A, address: "40001" }

                """,
            problems: [
                "9:15: error: \"port\" takes a whole number from 1 to 65535, found 70000",
                "10:15: error: unit 0 is the broadcast address, which no device answers; use 1 to 255",
                "11:15: error: \"poll\" takes a duration, as 500ms, 10s, 5m, 2h or 7d, found 500; add its unit",
                "12:18: error: \"timeout\" takes 10ms to 1m, found 1ms",
                "13:18: error: \"retries\" takes a whole number from 0 to 10, found -1",
                "14:21: error: \"word-order\" takes one of big-endian, little-endian, big-endian-byte-swap, "
                    + "little-endian-byte-swap, found big",
                "15:21: error: \"zero-based\" takes true or false, found no; write false",
                "16:26: error: \"after\" takes a whole number from 1 to 1000, found 0",
                "16:34: error: \"for\" takes a duration, as 500ms, 10s, 5m, 2h or 7d, found 10; add its unit",
            ]),
        BrokenFile(
            name: "host missing and unit out of bounds",
            text: """
                version: 1
                gateway: { name: g }
                channels:
                  - name: P
                    driver: modbus-tcp
                    devices: [{ name: D, unit: 256 }, { name: E, host: "a b" }]

                """,
            problems: [
                "6:15: error: \"host\" is missing; it takes an address or a host name",
                "6:32: error: \"unit\" takes a whole number from 1 to 255, found 256",
                "6:56: error: \"host\" takes an address or a host name, found \"a b\"",
            ]),
        BrokenFile(
            name: "unquoted addresses",
            text: """
                version: 1
                gateway: { name: g }
                channels:
                  - name: P
                    driver: modbus-tcp
                    devices:
                      - name: D
                        host: 10.0.0.1
                        tags:
                          - { name: A, address: 40001 }
                          - { name: B, address: 40010.3 }
                          - { name: C, address: 00001 }
                          - name: D
                            address: 40100 [8]

                """,
            problems: [
                "10:33: error: a Modbus address must be quoted, as address: \"40001\"; YAML takes a bare one "
                    + "for a number",
                "11:33: error: a Modbus address must be quoted, as address: \"40010.3\"; YAML takes a bare one "
                    + "for a number",
                "12:33: error: a Modbus address must be quoted, as address: \"00001\"; YAML takes a bare one "
                    + "for a number",
                "14:22: error: a Modbus address must be quoted, as address: \"40100 [8]\"; YAML takes a bare "
                    + "one for a number",
            ]),
        BrokenFile(
            name: "Modbus tags",
            text: """
                version: 1
                gateway: { name: g }
                channels:
                  - name: P
                    driver: modbus-tcp
                    devices:
                      - name: D
                        host: 10.0.0.1
                        tags:
                          - { name: A, address: "50001" }
                          - { name: B, address: "40001", type: Wrd }
                          - { name: C, address: "40001", access: write }
                          - { name: D, address: "40001", range: [5, 1] }
                          - { name: E, address: "40001", scale: { raw: [0] } }
                          - { name: F }
                          - { address: "40001" }
                          - { name: G, address: "40001.3", type: Word, access: read-write }

                """,
            problems: [
                "10:33: error: \"50001\" begins with no Modbus area: 0 coils, 1 discrete inputs, 3 input "
                    + "registers, 4 holding registers",
                "11:48: error: Wrd is not a data type; did you mean Word?",
                "12:50: error: \"access\" takes read or read-write, found write",
                "13:49: error: \"range\" takes the lower number first, as [0, 100]",
                "14:49: error: \"scaled\" is missing in \"scale\"; it takes two numbers, as [0, 27648]",
                "14:56: error: \"raw\" takes two numbers, as [0, 100], found a list of 1",
                "15:13: error: \"address\" is missing; it takes an address in quotes",
                "16:13: error: \"name\" is missing; it takes the name of the tag",
                "17:13: error: 40001.3 is a bit: its type must be Boolean, not Word",
                "17:13: error: a bit in a register is read-only: writing it would overwrite what the "
                    + "controller changes in the other bits",
            ]),
        BrokenFile(
            name: "simulator tags",
            text: """
                version: 1
                gateway: { name: g }
                channels:
                  - name: S
                    driver: simulator
                    devices:
                      - name: D
                        tags:
                          - { name: A, address: RAMP }
                          - { name: B, address: "RANDOM (5, 1, 2)" }
                          - { name: C, address: S1, type: Word }
                          - { name: D, address: K1, scale: { raw: [0, 1], scaled: [0, 1] } }

                """,
            problems: [
                "9:33: error: the register \"RAMP\" needs a number from 0 to 65535",
                "10:33: error: the rate \"5\" must be a whole number of milliseconds from 10 to 3600000",
                "11:13: error: an S register is a String, not Word",
                "12:37: error: \"scale\" belongs to tags of the driver modbus-tcp, and this is a simulator's; "
                    + "remove it",
            ]),
        BrokenFile(
            name: "tag twice, group and tag",
            text: """
                version: 1
                gateway: { name: g }
                channels:
                  - name: S
                    driver: simulator
                    devices:
                      - name: D
                        tags:
                          - { name: Level, address: K1 }
                          - { name: LEVEL, address: K2 }
                          - { name: G, address: K3 }
                        groups:
                          - { name: G, tags: [{ name: x, address: K1 }] }
                          - { name: g }

                """,
            problems: [
                "10:21: error: tag \"S.D.LEVEL\" stands twice (names that differ only in case are the same), "
                    + "first at 9:21; rename one",
                "13:15: error: \"S.D.G\" is already a tag, at 11:21; rename one",
                "14:15: error: \"S.D.g\" is already a tag, at 11:21; rename one",
                "14:21: error: group \"g\" stands twice (names that differ only in case are the same), first "
                    + "on line 13; rename one",
            ]),
        BrokenFile(
            name: "groups nested in groups with a wrong key",
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
                        groups:
                          - name: G
                            groups:
                              - { name: H, tag: [] }

                """,
            problems: [
                "13:28: error: unknown key \"tag\"; did you mean \"tags\"?"
            ]),
        BrokenFile(
            name: "tag file missing",
            text: """
                version: 1
                gateway: { name: g }
                channels:
                  - name: P
                    driver: modbus-tcp
                    devices:
                      - name: D
                        host: 10.0.0.1
                        tag-file: nowhere.csv
                        tags:

                """,
            problems: [
                "9:19: error: the tag file nowhere.csv is not there"
            ]),
    ]
}
