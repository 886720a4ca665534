/// One byte sequence that is not a request which may be served, and the answer to it.
struct MalformedRequest: Sendable {
    let what: String
    /// Each code point is one byte (Latin-1), so that bytes which are no UTF-8 can be written.
    let text: String
    /// What it may be answered with; all of them documented in docs/rest-server-agent.md.
    let statuses: Set<Int>

    init(_ what: String, _ text: String, _ statuses: Int...) {
        self.what = what
        self.text = text
        self.statuses = statuses.isEmpty ? [400] : Set(statuses)
    }

    var bytes: [UInt8] { text.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) } }
}

extension MalformedRequest {
    static let host = "Host: localhost\r\n"
    static let get = "GET /healthz HTTP/1.1\r\n" + host
    static let post = "POST /iotgateway/read HTTP/1.1\r\n" + host + Fixture.admin + "\r\n"
    static let chunked = post + "Transfer-Encoding: chunked\r\n\r\n"
    /// Follows what is malformed: it must never be answered.
    static let smuggled = "GET /healthz HTTP/1.1\r\nHost: smuggled\r\n\r\n"

    /// Where it may be in doubt which bytes belong to which request: one answer at most, then the end.
    static let inDoubt = lengths + encodings + chunks + lines + hosts + fields

    static let lengths: [MalformedRequest] =
        [
            ("CL 0 and TE", "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            ("CL and TE in capitals", "CONTENT-LENGTH: 3\r\nTRANSFER-ENCODING: CHUNKED\r\n\r\n0\r\n\r\n"),
            ("CL around TE", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"),
            ("two CL of which one is 0", "Content-Length: 0\r\nContent-Length: 44\r\n\r\n"),
            ("two CL of which one is empty", "Content-Length: 2\r\nContent-Length: \r\n\r\n[]"),
            ("two CL in other cases", "Content-Length: 2\r\ncontent-length: 4\r\n\r\n[]"),
            ("equal CL written differently", "Content-Length: 2\r\nContent-Length: 02\r\n\r\n[]"),
            ("CL with a space inside", "Content-Length: 1 0\r\n\r\n[]"),
            ("CL with a tab inside", "Content-Length: 1\t0\r\n\r\n[]"),
            ("CL with a semicolon", "Content-Length: 2;\r\n\r\n[]"),
            ("CL with a comma behind", "Content-Length: 2,\r\n\r\n[]"),
            ("CL list of different", "Content-Length: 2, 3\r\n\r\n[]"),
            ("CL with a fraction", "Content-Length: 2.0\r\n\r\n[]"),
            ("CL with an exponent", "Content-Length: 2e0\r\n\r\n[]"),
            ("CL in quotes", "Content-Length: \"2\"\r\n\r\n[]"),
            ("CL with letters behind", "Content-Length: 2x\r\n\r\n[]"),
            ("CL in binary", "Content-Length: 0b10\r\n\r\n[]"),
            ("CL with an underscore", "Content-Length: 1_0\r\n\r\n[]"),
            ("CL +0", "Content-Length: +0\r\n\r\n"),
            ("CL -0", "Content-Length: -0\r\n\r\n"),
            ("CL in Arabic digits", "Content-Length: \u{D9}\u{A2}\r\n\r\n[]"),
            ("CL in full-width digits", "Content-Length: \u{EF}\u{BC}\u{92}\r\n\r\n[]"),
            ("CL with NUL", "Content-Length: 2\0\r\n\r\n[]"),
            ("CL with vertical tab", "Content-Length: \u{0B}2\r\n\r\n[]"),
            ("CL with form feed", "Content-Length: 2\u{0C}\r\n\r\n[]"),
            ("CL with a no-break space", "Content-Length: \u{A0}2\r\n\r\n[]"),
            ("CL of 2 to the 64th", "Content-Length: 18446744073709551616\r\n\r\n[]"),
            ("CL of 2 to the 64th plus 2", "Content-Length: 18446744073709551618\r\n\r\n[]"),
            ("CL with a space before the colon", "Content-Length : 2\r\n\r\n[]"),
            ("CL with a tab before the colon", "Content-Length\t: 2\r\n\r\n[]"),
            ("CL with a NUL in its name", "Content-Length\0: 2\r\n\r\n[]"),
            ("CL behind a fold", "X: a\r\n Content-Length: 2\r\n\r\n[]"),
            ("CL folded", "Content-Length:\r\n 2\r\n\r\n[]"),
            ("CL behind a bare CR", "X: a\rContent-Length: 2\r\n\r\n[]"),
            ("CL doubled behind a bare LF", "Content-Length: 2\nContent-Length: 44\r\n\r\n[]"),
        ].map { MalformedRequest($0, post + $1) } + [
            MalformedRequest("CL of 2 to the 63rd", post + "Content-Length: 9223372036854775808\r\n\r\n[]", 413, 400),
            MalformedRequest("CL of 2 to the 63rd less 1", post + "Content-Length: 9223372036854775807\r\n\r\n[]", 413),
            MalformedRequest("CL of 2 to the 32nd and a bit", post + "Content-Length: 4294967298\r\n\r\n[]", 413),
            MalformedRequest("CL one over the limit", post + "Content-Length: 1048577\r\n\r\n[]", 413),
        ]

    static let encodings: [MalformedRequest] = [
        ("TE chunked, identity", "Transfer-Encoding: chunked, identity"),
        ("TE identity", "Transfer-Encoding: identity"),
        ("TE chunked, chunked", "Transfer-Encoding: chunked, chunked"),
        ("TE comma first", "Transfer-Encoding: , chunked"),
        ("TE comma behind", "Transfer-Encoding: chunked,"),
        ("TE with a parameter", "Transfer-Encoding: chunked;q=1"),
        ("TE in quotes", "Transfer-Encoding: \"chunked\""),
        ("TE with a letter too many", "Transfer-Encoding: chunkedd"),
        ("TE with a letter too few", "Transfer-Encoding: chunke"),
        ("TE with a word before", "Transfer-Encoding: x chunked"),
        ("TE with a dotless i", "Transfer-Encoding: chunked\u{C4}\u{B1}"),
        ("TE empty", "Transfer-Encoding:"),
        ("TE deflate", "Transfer-Encoding: deflate"),
        ("TE identity and a second chunked", "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked"),
        ("TE chunked and a second identity", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity"),
        ("TE cut by a bare CR", "Transfer-Encoding: chun\rked"),
        ("TE with NUL behind", "Transfer-Encoding: chunked\0"),
        ("TE with vertical tab behind", "Transfer-Encoding: chunked\u{0B}"),
        ("TE with a no-break space", "Transfer-Encoding: \u{A0}chunked"),
        ("TE folded", "Transfer-Encoding:\r\n chunked"),
        ("TE folded with a tab", "Transfer-Encoding:\r\n\tchunked"),
        ("TE with a tab before the colon", "Transfer-Encoding\t: chunked"),
        ("TE with a space before the name", " Transfer-Encoding: chunked"),
        ("TE with NUL in the name", "Transfer\0-Encoding: chunked"),
        ("TE behind a bare CR", "X: y\rTransfer-Encoding: chunked"),
        ("TE and CL: identity", "Transfer-Encoding: identity\r\nContent-Length: 5"),
        ("TE and CL behind a bare LF", "Content-Length: 5\nTransfer-Encoding: chunked"),
        ("GET with TE and CL", "Content-Length: 5\r\nTransfer-Encoding: x"),
    ].map { MalformedRequest($0, post + $1 + "\r\n\r\n0\r\n\r\n", 400, 501) }

    static let chunks: [MalformedRequest] =
        [
            ("chunk size with a plus", "+2\r\n[]\r\n0\r\n\r\n"),
            ("chunk size with a minus", "-2\r\n[]\r\n0\r\n\r\n"),
            ("chunk size with 0x", "0x2\r\n[]\r\n0\r\n\r\n"),
            ("chunk size with a space before", " 2\r\n[]\r\n0\r\n\r\n"),
            ("chunk size empty", "\r\n[]\r\n0\r\n\r\n"),
            ("chunk size that is an extension only", ";a=b\r\n[]\r\n0\r\n\r\n"),
            ("chunk size of 2 to the 64th", "10000000000000000\r\n[]\r\n0\r\n\r\n"),
            ("chunk size of 2 to the 64th plus 2", "10000000000000002\r\n[]\r\n0\r\n\r\n"),
            ("chunk size with NUL", "2\0\r\n[]\r\n0\r\n\r\n"),
            ("chunk size with a letter", "2g\r\n[]\r\n0\r\n\r\n"),
            ("chunk shorter than said", "9\r\n[]\r\n0\r\n\r\n"),
            ("chunk without its end", "2\r\n[]0\r\n\r\n"),
            ("chunk with other bytes for its end", "2\r\n[]XX0\r\n\r\n"),
            ("chunk extension with NUL", "2;a=\0\r\n[]\r\n0\r\n\r\n"),
            ("chunk extension with a bare CR", "2;a\rb\r\n[]\r\n0\r\n\r\n"),
            ("trailer without a name", "2\r\n[]\r\n0\r\n: a\r\n\r\n"),
            ("trailer with a space before the colon", "2\r\n[]\r\n0\r\nX : a\r\n\r\n"),
            ("trailer with NUL", "2\r\n[]\r\n0\r\nX: a\0\r\n\r\n"),
            ("trailer folded", "2\r\n[]\r\n0\r\nX: a\r\n b\r\n\r\n"),
        ].map { MalformedRequest($0, chunked + $1) } + [
            MalformedRequest(
                "trailers without end",
                chunked + "2\r\n[]\r\n0\r\n" + String(repeating: "X: a\r\n", count: 200) + "\r\n",
                431, 400),
            // Eight times the largest body and more.
            MalformedRequest(
                "extension without end",
                chunked + "2;" + String(repeating: "a", count: 9_000_000) + "\r\n[]\r\n0\r\n\r\n", 413),
            MalformedRequest(
                "extensions without end",
                chunked + String(repeating: "1;" + String(repeating: "a", count: 9000) + "\r\n \r\n", count: 1000), 413),
            MalformedRequest(
                "chunks beyond the limit of the body",
                chunked + String(repeating: "4000\r\n" + String(repeating: " ", count: 0x4000) + "\r\n", count: 70), 413
            ),
            MalformedRequest(
                "chunk size of 2 to the 63rd and a body beyond the limit",
                chunked + "8000000000000000\r\n" + String(repeating: " ", count: 1_100_000), 413),
        ]
}
