/// REST server agents.
extension BrokenFile {
    static let rest: [BrokenFile] = [
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
            name: "REST server, who gets in",
            text: """
                version: 1
                gateway: { name: g }
                security: { groups: [{ name: operators }] }
                agents:
                  - name: r
                    type: rest-server
                    items: [{ tags: "_System._Date" }]
                    anonymous: true
                    write-endpoint: yes
                    allow-from: [10.0.0.0/8, x, 10.1.2.3/8, 10.0.0.0/33, "::ffff:10.0.0.0/102", 10.0.0.0/08]
                    trusted-proxies: [10.0.0.1, "2001:db8::1/32", "fe80::1%eth0", [a]]
                    tls: { identity: x, client-certificates: { mode: required, ca-file: a, map: subject } }
                  - name: s
                    type: rest-server
                    port: 39321
                    https: false
                    items: [{ tags: "_System._Date" }]
                    tls: { client-certificates: { mode: optional } }
                  - name: t
                    type: rest-server
                    port: 39322
                    items: [{ tags: "_System._Date" }]
                    tls:
                      client-certificates:
                        mode: optional
                        ca-file: a
                        map:
                          - { subject: "CN=a", san: b, user: u }
                          - { user: u }
                          - { subject: "CN=a" }
                          - { subject: "CN=a", user: u, group: operators }
                          - { subject: "a;b", user: u }
                          - { subject: "", user: u }
                          - { san: "*.plant.example", group: operators }
                          - { san: "https://a", group: operator }
                          - { san: "10.0.0.1", group: anonymous }
                          - { san: "a@b", role: operators }

                """,
            problems: [
                "8:5: warning: who does not log in sees nothing: security: groups: has no group anonymous with rules",
                "9:21: error: \"write-endpoint\" takes true or false, found yes; write true",
                "10:30: error: \"allow-from\" takes a list of networks, as 10.0.0.0/8 or 2001:db8::1, found x",
                "10:33: error: 10.1.2.3/8 is an address within its network; the network is 10.0.0.0/8",
                "10:45: error: the prefix of 10.0.0.0/33 is no number from 0 to 32",
                "10:58: error: \"::ffff:10.0.0.0/102\" is an address within its network; the network is 8.0.0.0/6",
                "10:81: error: the prefix of 10.0.0.0/08 is no number from 0 to 32",
                "11:33: error: \"2001:db8::1/32\" is an address within its network; the network is 2001:db8::/32",
                "11:51: error: \"trusted-proxies\" takes a list of networks, as 10.0.0.0/8 or 2001:db8::1, found "
                    + "\"fe80::1%eth0\"",
                "11:67: error: \"trusted-proxies\" takes a list of networks, as 10.0.0.0/8 or 2001:db8::1, found a list",
                "12:22: error: no identity is named x; tls: identities: lists none",
                "12:73: error: the ca-file a is not there",
                "12:81: error: \"map\" takes a list (lines that begin with - , or [a, b]), found subject",
                "18:5: warning: \"tls\" has no effect with https: false",
                "18:35: error: client-certificates: mode: optional needs https: true; certificates are shown in TLS",
                "18:35: error: \"ca-file\" is missing; mode: optional takes the authorities that issue the clients' "
                    + "certificates",
                "18:35: error: \"map\" is missing; mode: optional takes a list that says who the holder of a certificate "
                    + "is, as - { subject: \"CN=scada,O=Plant\", user: scada }",
                "26:18: error: the ca-file a is not there",
                "28:13: error: an entry of \"map\" takes either \"subject\" or \"san\": what of the certificate says whose "
                    + "it is",
                "29:13: error: an entry of \"map\" takes either \"subject\" or \"san\": what of the certificate says whose "
                    + "it is",
                "30:13: error: an entry of \"map\" takes either \"user\" or \"group\": who the holder of the certificate is",
                "31:13: error: an entry of \"map\" takes either \"user\" or \"group\": who the holder of the certificate is",
                "32:24: error: \"subject\" takes a subject, as \"CN=scada,O=Plant\" (openssl x509 -noout -subject "
                    + "-nameopt RFC2253 prints it), found \"a;b\": each part is an attribute, = and a value, as CN=scada",
                "33:24: error: \"subject\" is empty",
                "34:20: error: \"san\" takes a host name, address, e-mail address or URI, whole and without *, found "
                    + "\"*.plant.example\"",
                "35:40: error: no group for certificates is named operator; did you mean \"operators\"?",
                "36:39: error: no group for certificates is named anonymous; the groups are Administrators, operators",
                "37:13: error: an entry of \"map\" takes either \"user\" or \"group\": who the holder of the certificate is",
                "37:27: error: unknown key \"role\"; known here: subject, san, user, group",
            ]),
    ]
}
