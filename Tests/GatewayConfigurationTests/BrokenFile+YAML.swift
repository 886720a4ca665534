/// What is wrong with the file as YAML.
extension BrokenFile {
    static let yaml: [BrokenFile] = [
        BrokenFile(
            name: "empty file",
            text: "",
            problems: [
                "1:1: error: the file is empty; config/gateway.yaml shows what it holds"
            ]),
        BrokenFile(
            name: "a list",
            text: """
                - a
                - b

                """,
            problems: [
                "1:1: error: expected the configuration as a mapping (key: value), found a list"
            ]),
        BrokenFile(
            name: "not YAML",
            text: """
                version: 1
                gateway: { name: g
                agents: []

                """,
            problems: [
                "3:7: error: not YAML: while parsing a flow mapping, did not find expected ',' or '}'"
            ]),
        BrokenFile(
            name: "tab as indentation",
            text: """
                version: 1
                gateway:
                \tname: g

                """,
            problems: [
                "3:1: error: not YAML: while scanning for the next token, found character that cannot start "
                    + "any token"
            ]),
        BrokenFile(
            name: "unknown alias",
            text: """
                version: 1
                gateway: { name: g }
                agents: *nobody

                """,
            problems: [
                "3:9: error: not YAML: found undefined alias; name an anchor (&name) that stands above"
            ]),
        BrokenFile(
            name: "two documents",
            text: """
                version: 1
                gateway: { name: g }
                ---
                version: 1

                """,
            problems: [
                "3:1: error: one document only: remove this ---"
            ]),
        BrokenFile(
            name: "control character",
            text: """
                version: 1
                gateway: { name: "a\u{1}" }

                """,
            problems: [
                "2:20: error: a control character that YAML does not allow; remove it"
            ]),
        BrokenFile(
            name: "alias as key",
            text: """
                a: &a [1]
                *a : 1

                """,
            problems: [
                "1:1: error: unknown key \"a\"; known here: version, gateway, channels, security, audit, "
                    + "accept-risk, tls, agents",
                "1:1: error: \"version\" is missing; it takes 1",
                "1:1: error: \"gateway\" is missing; it takes at least name: of this gateway",
                "1:4: error: a key must be a plain name, not a list",
            ]),
        BrokenFile(
            name: "explicit key",
            text: """
                ? [1]
                : 2

                """,
            problems: [
                "1:1: error: \"version\" is missing; it takes 1",
                "1:1: error: \"gateway\" is missing; it takes at least name: of this gateway",
                "1:3: error: a key must be a plain name, not a list",
            ]),
        BrokenFile(
            name: "keys twice",
            text: """
                version: 1
                gateway:
                  name: g
                  name: h
                  log: { level: info, "level": info }
                version: 1

                """,
            problems: [
                "4:3: error: the key \"name\" stands twice in this mapping, first on line 3; remove one",
                "5:23: error: the key \"level\" stands twice in this mapping, first on line 5; remove one",
                "6:1: error: the key \"version\" stands twice in this mapping, first on line 1; remove one",
            ]),
        BrokenFile(
            name: "nothing where text is due",
            text: """
                version: 1
                gateway: { name: }

                """,
            problems: [
                "2:18: error: \"name\" takes the name of this gateway, found nothing"
            ]),
        BrokenFile(
            name: "Booleans",
            text: """
                version: 1
                gateway: { name: g }
                channels:
                  - { name: A, driver: simulator, enabled: yes }
                  - { name: B, driver: simulator, enabled: off }
                  - { name: C, driver: simulator, enabled: "true" }
                  - { name: D, driver: simulator, enabled: 1 }

                """,
            problems: [
                "4:44: error: \"enabled\" takes true or false, found yes; write true",
                "5:44: error: \"enabled\" takes true or false, found off; write false",
                "6:44: error: \"enabled\" takes true or false, found \"true\"; write true",
                "7:44: error: \"enabled\" takes true or false, found 1; write one of them without quotes",
            ]),
        BrokenFile(
            name: "a list where a mapping is due",
            text: """
                version: 1
                gateway: { name: g }
                tls: [1]
                security: x
                audit: 5

                """,
            problems: [
                "3:6: error: expected \"tls\" as a mapping (key: value), found a list",
                "4:11: error: expected \"security\" as a mapping (key: value), found x",
                "5:8: error: expected \"audit\" as a mapping (key: value), found 5",
            ]),
        BrokenFile(
            name: "a mapping where a list is due",
            text: """
                version: 1
                gateway: { name: g }
                channels: { name: P }
                agents: none

                """,
            problems: [
                "3:11: error: \"channels\" takes a list (lines that begin with - , or [a, b]), found a mapping",
                "4:9: error: \"agents\" takes a list (lines that begin with - , or [a, b]), found none",
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
