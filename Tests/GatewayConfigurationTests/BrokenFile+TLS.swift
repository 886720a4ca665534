/// Pins, revocation lists and what may not be verified.
extension BrokenFile {
    private static let pins =
        "a list of pins, each the base64 of the SHA-256 of a public key: 44 characters, the last one ="

    static let tls: [BrokenFile] = [
        BrokenFile(
            name: "pins",
            text: """
                version: 1
                gateway: { name: g }
                agents:
                  - { name: a, type: mqtt, enabled: false, url: ssl://b, tls: { pin-sha256: [] } }
                  - { name: b, type: mqtt, enabled: false, url: ssl://b, tls: { pin-sha256: x } }
                  - { name: c, type: mqtt, enabled: false, url: ssl://b, tls: { pin-sha256: ["AAE=", [a]] } }
                  - { name: d, type: mqtt, enabled: false, url: ssl://b, tls: { pin-sha256: ["AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9="] } }
                  - { name: e, type: mqtt, enabled: false, url: ssl://b, tls: { pin: x } }
                  - { name: f, type: mqtt, enabled: false, url: ssl://b, tls: { pin-sha256: ["\(String(repeating: "AB:", count: 31))AB"] } }

                """,
            problems: [
                "4:65: error: \"pin-sha256\" is empty; it takes \(pins); leave it out to pin nothing",
                "5:77: error: \"pin-sha256\" takes a list (lines that begin with - , or [a, b]), found x",
                "6:78: error: \"pin-sha256\" takes \(pins); found \"AAE=\"",
                "6:86: error: \"pin-sha256\" takes \(pins), found a list",
                "7:78: error: \"pin-sha256\" takes \(pins); found \"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9=\"",
                "8:65: error: unknown key \"pin\"; known here: ca-file, identity, pin-sha256, crl-file, verify",
                "9:78: error: \"pin-sha256\" takes \(pins); found \"\(String(repeating: "AB:", count: 20))…\"",
            ]),
        BrokenFile(
            name: "revocation lists",
            text: """
                version: 1
                gateway: { name: g }
                audit: { forward: { syslog: { url: "syslog+tls://logs", tls: { crl-file: nowhere.crl } } } }
                agents:
                  - { name: a, type: mqtt, enabled: false, url: ssl://b, tls: { crl-file: nowhere.crl } }
                  - { name: b, type: mqtt, url: ssl://b, items: [{ tags: _System._Date }], tls: { crl-file: gateway.yaml } }
                  - { name: c, type: mqtt, url: ssl://b, items: [{ tags: _System._Date }], tls: { crl-file: . } }
                  - name: d
                    type: rest-server
                    items: [{ tags: _System._Date }]
                    tls: { client-certificates: { mode: none, crl-file: nowhere.crl } }

                """,
            problems: [
                "3:74: error: the crl-file nowhere.crl is not there",
                "5:75: warning: the crl-file nowhere.crl is not there (no enabled agent uses it)",
                "6:93: error: the crl-file gateway.yaml holds no revocation list, neither in PEM "
                    + "(-----BEGIN X509 CRL-----) nor in DER form",
                "7:93: error: the crl-file . is not a regular file",
                "11:47: warning: \"crl-file\" has no effect while client-certificates: mode: is none",
            ]),
        BrokenFile(
            name: "an identity that only the audit log's forwarding uses",
            text: """
                version: 1
                gateway: { name: g }
                tls:
                  identities:
                    - { name: a, certificate: c.pem, key: k.pem, key-password: { environment: NOWHERE } }
                audit: { forward: { syslog: { url: "syslog+tls://logs", tls: { identity: A } } } }

                """,
            problems: [
                "5:31: error: the certificate c.pem is not there",
                "5:43: error: the key k.pem is not there",
                "5:79: error: \"key-password\": the environment variable NOWHERE is not set",
            ]),
        BrokenFile(
            name: "no verification",
            text: """
                version: 1
                gateway: { name: g }
                audit: { forward: { syslog: { url: "syslog+tls://logs", tls: { verify: false } } } }
                agents:
                  - { name: a, type: mqtt, enabled: false, url: ssl://b, tls: { verify: no } }
                  - { name: b, type: mqtt, enabled: false, url: ssl://b, tls: { verify: false, ca-file: nowhere.pem } }
                  - { name: c, type: rest-server, enabled: false, items: [{ tags: _System._Date }], tls: { verify: false } }
                  - { name: d, type: rest-client, enabled: false, url: "https://b", items: [{ tags: _System._Date }], tls: { verify: false } }

                """,
            problems: [
                "3:64: error: unknown key \"verify\"; known here: ca-file, identity, pin-sha256, crl-file",
                "5:73: error: \"verify\" takes true or false, found no; write false",
                "6:80: warning: \"ca-file\" has no effect with verify: false",
                "6:89: warning: the ca-file nowhere.pem is not there (no enabled agent uses it)",
                "7:92: error: unknown key \"verify\"; known here: identity, client-certificates",
            ]),
    ]
}
