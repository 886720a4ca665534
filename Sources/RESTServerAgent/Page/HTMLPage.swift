/// The page that documents the endpoints and lets a person try them. It carries everything with it and may load nothing.
enum HTMLPage {
    /// Refused to who has not logged in, so that a browser asks for name and password.
    static let loginTarget = "/iotgateway?login"

    /// - Parameters:
    ///   - offersLogin: puts a link to log in on the page.
    ///   - writes: puts the form to write on the page; whether a write is carried out the route decides.
    static func reply(offersLogin: Bool = false, writes: Bool = false) -> Reply {
        let nonce = nonce()
        let page = text(offersLogin: offersLogin, writes: writes, nonce: nonce)
        let policy =
            "default-src 'none'; style-src 'nonce-\(nonce)'; script-src 'nonce-\(nonce)'; connect-src 'self';"
            + " img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        return Reply(.ok, .html, body: Array(page.utf8))
            .with("Content-Security-Policy", policy)
            .with("X-Frame-Options", "DENY")
            .with("Referrer-Policy", "no-referrer")
    }

    /// 128 random bits, other ones for every page.
    private static func nonce() -> String {
        var generator = SystemRandomNumberGenerator()
        return (0..<2).map { _ in String(generator.next() | 1 << 63, radix: 16) }.joined()
    }

    private static func text(offersLogin: Bool, writes: Bool, nonce: String) -> String {
        """
        <!doctype html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <title>Sallyport · REST server</title>
        <link rel="icon" href="data:,">
        <style nonce="\(nonce)">
        \(style)
        </style>
        </head>
        <body>
        <header><div class="bar"><div><h1>Sallyport</h1>
        <p>REST server · live values in the IoT Gateway's format</p></div>
        \(offersLogin ? "<a class=\"button\" href=\"\(loginTarget)\">Log in</a>" : "")
        </div></header>
        <main>
        <p id="status" role="status" aria-live="polite">Loading the tags…</p>
        <div class="columns">
        \(tags)
        \(values)
        </div>
        \(writes ? writing : writingIsOff)
        \(reference)
        </main>
        <script nonce="\(nonce)">
        \(script)
        </script>
        </body></html>

        """
    }

    private static let tags = """
        <section aria-labelledby="tags-title"><h2 id="tags-title">Tags <span id="count" class="soft"></span></h2>
        <div class="row">
        <input id="filter" type="search" aria-label="Filter tags by name" placeholder="Filter by name"
          autocomplete="off" spellcheck="false">
        <button type="button" id="browse" class="quiet">Browse again</button></div>
        <ul id="tags" aria-label="Tags you may see; press one to read it"></ul>
        <p id="more" class="soft" hidden></p></section>
        """

    private static let values = """
        <section aria-labelledby="values-title"><h2 id="values-title">Values</h2>
        <form id="form" class="row">
        <input id="ids" aria-label="Tag ids, with a semicolon between them" placeholder="Channel.Device.Tag; …"
          autocomplete="off" spellcheck="false">
        <button type="submit" id="read">Read</button></form>
        <div class="row checks"><label class="check"><input type="checkbox" id="live"> Read every second</label>
        <label class="check"><input type="checkbox" id="watch"> Watch every change</label>
        <button type="button" id="clear" class="quiet">Clear</button></div>
        <p id="none" class="soft">Press a tag to read it, or type ids with a semicolon between them.</p>
        <div class="scroll"><table id="values" hidden><thead><tr><th scope="col">Tag</th>
        <th scope="col">Value</th><th scope="col">Quality</th><th scope="col">Time</th></tr></thead>
        <tbody></tbody></table></div></section>
        """

    private static let writing = """
        <section aria-labelledby="write-title"><h2 id="write-title">Write</h2>
        <form id="write" class="row">
        <input id="write-id" aria-label="Tag to write" placeholder="Channel.Device.Tag" required
          autocomplete="off" spellcheck="false">
        <input id="write-value" class="short" aria-label="Value to write" placeholder="42, true, text" required
          autocomplete="off" spellcheck="false">
        <button type="submit" class="danger">Write…</button></form>
        <p class="soft">This goes to the device, after one more question. Whether you may is decided by your groups.</p>
        <p id="written" role="status" aria-live="polite"></p></section>
        """

    private static let writingIsOff =
        "<p class=\"soft note\">Writing through this agent is off (<code>write-endpoint: false</code>).</p>"

    private static let reference = """
        <h2 class="part">For programs</h2>
        <details><summary><span class="verb">GET</span><code>/iotgateway/browse</code></summary>
        <p>The tags that this agent serves and you may see.</p>
        <pre>{"browseResults":[{"id":"Simulator.T2.5S"},{"id":"Simulator.T2.K0"}],"succeeded":true,"reason":""}</pre>
        </details>
        <details><summary><span class="verb">GET</span><code>/iotgateway/read?ids=A&amp;ids=B</code></summary>
        <p>One result for each id, in the order asked; <code>t</code> is in milliseconds since 1970. Where
        <code>s</code> is false, <code>r</code> says why and <code>v</code> is null.</p>
        <pre>{"readResults":[{"id":"A","s":true,"r":"","v":1,"t":1608117831416}]}</pre></details>
        <details><summary><span class="verb">POST</span><code>/iotgateway/read</code></summary>
        <p>The same for many ids: a JSON array, with <code>Content-Type: application/json</code>.</p>
        <pre>["A","B"]</pre></details>
        <details><summary><span class="verb">GET</span><code>/iotgateway/stream?ids=A&amp;ids=B</code></summary>
        <p>Server-sent events: every change as it comes, until you close. <code>Last-Event-ID</code> goes on from there.</p>
        <pre>event: values
        id: 1a20ab0dbcd1a6cefeeff63b658-17
        data: {"values":[{"id":"A","v":1,"q":true,"t":1608117831416}]}</pre></details>
        <details><summary><span class="verb">POST</span><code>/iotgateway/write</code></summary>
        <p>Only where <code>write-endpoint</code> is true. One result for each write, in order; where <code>s</code> is
        false, <code>r</code> begins with a code that says why.</p>
        <pre>[{"id":"A","v":42},{"id":"B","v":"text"}]
        {"writeResults":[{"id":"A","s":true,"r":""},{"id":"B","s":true,"r":""}]}</pre></details>
        <details><summary><span class="verb">GET</span><code>/iotgateway/openapi.json</code></summary>
        <p>All of this for programs, with every answer that there may be: OpenAPI 3.1.
        <a href="/iotgateway/openapi.json">Look at it</a>.</p></details>
        <details><summary><span class="verb">GET</span><code>/healthz</code> <code>/readyz</code></summary>
        <p>For whoever watches the gateway: no password needed, no values told.</p></details>
        <details><summary><span class="verb">curl</span>from a shell</summary>
        <pre>curl --cacert ca.pem --user NAME 'https://HOST:PORT/iotgateway/read?ids=Channel.Device.Tag'</pre></details>
        """
}
