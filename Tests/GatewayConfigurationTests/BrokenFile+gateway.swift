/// What stands at the top: version, gateway, log.
extension BrokenFile {
    static let gateway: [BrokenFile] = [
        BrokenFile(
            name: "version missing",
            text: """
                gateway: { name: g }

                """,
            problems: [
                "1:1: error: \"version\" is missing; it takes 1"
            ]),
        BrokenFile(
            name: "version 2",
            text: """
                version: 2
                gateway: { name: g }

                """,
            problems: [
                "1:10: error: version 2 is not known to this version of Sallyport; it reads version 1"
            ]),
        BrokenFile(
            name: "gateway missing",
            text: """
                version: 1

                """,
            problems: [
                "1:1: error: \"gateway\" is missing; it takes at least name: of this gateway"
            ]),
        BrokenFile(
            name: "gateway name",
            text: """
                version: 1
                gateway: { name: a b }

                """,
            problems: [
                "2:18: error: the gateway's name goes into client ids and certificates: 1 to 64 letters "
                    + "(a-z), digits, - _ or ."
            ]),
        BrokenFile(
            name: "unknown keys, near and far",
            text: """
                version: 1
                gatway: { name: g }
                gateway: { name: g, zzzzzz: 1, log: { levle: info } }

                """,
            problems: [
                "2:1: error: unknown key \"gatway\"; did you mean \"gateway\"?",
                "3:21: error: unknown key \"zzzzzz\"; known here: name, data-directory, log",
                "3:39: error: unknown key \"levle\"; did you mean \"level\"?",
            ]),
        BrokenFile(
            name: "log words",
            text: """
                version: 1
                gateway: { name: g, log: { level: inf, format: xml } }

                """,
            problems: [
                "2:35: error: \"level\" takes one of trace, debug, info, notice, warning, error, critical, "
                    + "found inf; did you mean \"info\"?",
                "2:48: error: \"format\" takes one of text, json, found xml",
            ]),
    ]
}
