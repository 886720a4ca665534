/// The page that documents the endpoints and lets a person try them. It carries everything with it and may load nothing.
enum HTMLPage {
    static func reply() -> Reply {
        let nonce = nonce()
        let page = text.replacing("NONCE", with: nonce)
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

    private static let text = head + style + body + script

    private static let head = """
        <!doctype html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <title>Sallyport · REST server</title>
        <link rel="icon" href="data:,">

        """

    private static let style = """
        <style nonce="NONCE">
        :root { color-scheme: light dark; --ink: #1b2430; --paper: #f6f7f9; --card: #fff; --line: #d9dee5;
          --soft: #5b6878; --accent: #0b6e4f; --bad: #b3261e; --uncertain: #8a5a00;
          --mono: ui-monospace, "SFMono-Regular", Menlo, Consolas, monospace; }
        @media (prefers-color-scheme: dark) { :root { --ink: #e6eaf0; --paper: #12161c; --card: #1a2029;
          --line: #303947; --soft: #97a3b4; --accent: #4cc38a; --bad: #ff8a80; --uncertain: #ffcc66; } }
        * { box-sizing: border-box; }
        body { margin: 0; background: var(--paper); color: var(--ink);
          font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
        main { max-width: 60rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
        h1 { font-size: 1.9rem; margin: 0; letter-spacing: -.02em; }
        h2 { font-size: 1.1rem; margin: 0 0 .6rem; }
        p { margin: .4rem 0; } .soft { color: var(--soft); }
        header { border-bottom: 3px solid var(--accent); padding-bottom: 1rem; margin-bottom: 1.5rem; }
        section { background: var(--card); border: 1px solid var(--line); border-radius: .6rem;
          padding: 1.1rem 1.25rem; margin: 1rem 0; }
        code, pre { font-family: var(--mono); font-size: .86rem; }
        pre { background: var(--paper); border: 1px solid var(--line); border-radius: .4rem; padding: .7rem .8rem;
          overflow-x: auto; margin: .5rem 0; white-space: pre-wrap; overflow-wrap: anywhere; }
        .verb { display: inline-block; font: 600 .75rem var(--mono); color: var(--card); background: var(--accent);
          border-radius: .25rem; padding: .1rem .4rem; margin-right: .4rem; }
        .row { display: flex; gap: .5rem; flex-wrap: wrap; margin-top: .7rem; }
        input { flex: 1 1 18rem; min-width: 0; font: .9rem var(--mono); padding: .5rem .6rem; color: inherit;
          background: var(--paper); border: 1px solid var(--line); border-radius: .4rem; }
        button { font: 600 .9rem inherit; padding: .5rem 1rem; border: 0; border-radius: .4rem; cursor: pointer;
          background: var(--accent); color: var(--card); }
        button:focus-visible, input:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
        table { border-collapse: collapse; width: 100%; margin-top: .7rem; font-size: .9rem; }
        th, td { text-align: left; padding: .35rem .5rem; border-bottom: 1px solid var(--line); vertical-align: top;
          overflow-wrap: anywhere; }
        th { color: var(--soft); font-weight: 600; } td.v { font-family: var(--mono); }
        .bad { color: var(--bad); } .uncertain { color: var(--uncertain); }
        tr.pick { cursor: pointer; } tr.pick:hover { background: var(--paper); }
        #status { min-height: 1.5em; }
        </style>
        </head>

        """

    private static let body = """
        <body><main>
        <header><h1>Sallyport</h1>
        <p class="soft">REST server · live values of this gateway's tags, in the IoT Gateway's format</p></header>
        <section><h2>Try it</h2>
        <p>Browse, then choose a tag; or type ids with <code>;</code> between them.</p>
        <form id="form"><div class="row">
        <button type="button" id="browse">Browse</button>
        <input id="ids" aria-label="Tag ids" placeholder="Channel.Device.Tag; Channel.Device.Tag2" autocomplete="off">
        <button type="submit">Read</button></div></form>
        <p id="status" class="soft" role="status"></p>
        <table id="values" hidden><thead><tr><th>id</th><th>value</th><th>quality</th><th>time</th></tr></thead>
        <tbody></tbody></table>
        <table id="tags" hidden><thead><tr><th>tags you may see</th></tr></thead><tbody></tbody></table>
        </section>
        <section><h2><span class="verb">GET</span><code>/iotgateway/browse</code></h2>
        <p>The tags that this agent serves and you may see.</p>
        <pre>{"browseResults":[{"id":"Simulator.T2.5S"},{"id":"Simulator.T2.K0"}],"succeeded":true,"reason":""}</pre>
        </section>
        <section><h2><span class="verb">GET</span><code>/iotgateway/read?ids=A&amp;ids=B</code></h2>
        <p>One result for each id, in the order asked; <code>t</code> is in milliseconds since 1970. Where
        <code>s</code> is false, <code>r</code> says why and <code>v</code> is null.</p>
        <pre>{"readResults":[{"id":"A","s":true,"r":"","v":1,"t":1608117831416}]}</pre></section>
        <section><h2><span class="verb">POST</span><code>/iotgateway/read</code></h2>
        <p>The same for many ids, as a JSON array with <code>Content-Type: application/json</code>.</p>
        <pre>["A","B"]</pre></section>
        <section><h2><span class="verb">GET</span><code>/healthz</code> <code>/readyz</code></h2>
        <p>For whoever watches the gateway: no password needed, no values told.</p></section>
        <section><h2><span class="verb">curl</span></h2>
        <pre>curl --cacert ca.pem --user NAME 'https://HOST:PORT/iotgateway/read?ids=Channel.Device.Tag'</pre></section>
        </main>

        """

    private static let script = """
        <script nonce="NONCE">
        "use strict";
        const $ = id => document.getElementById(id);
        const say = (text, bad) => { $("status").textContent = text; $("status").className = bad ? "bad" : "soft"; };
        const cell = (row, text, style) => {
          const td = row.insertCell(); td.textContent = text; if (style) td.className = style; };
        async function ask(path, options) {
          say("…");
          const begin = performance.now();
          try {
            const reply = await fetch(path, options);
            const json = await reply.json();
            if (!reply.ok) { say(reply.status + ": " + json.reason, true); return null; }
            say("answered in " + Math.round(performance.now() - begin) + " ms");
            return json;
          } catch (error) { say(String(error), true); return null; }
        }
        async function browse() {
          const json = await ask("/iotgateway/browse");
          if (!json) return;
          const rows = $("tags").tBodies[0];
          rows.textContent = "";
          for (const tag of json.browseResults.slice(0, 1000)) {
            const row = rows.insertRow(); row.className = "pick"; row.tabIndex = 0; cell(row, tag.id, "v");
            const pick = () => { $("ids").value = tag.id; read(); };
            row.onclick = pick; row.onkeydown = event => { if (event.key === "Enter") pick(); };
          }
          $("tags").hidden = false;
          if (json.browseResults.length > 1000) say("the first 1000 of " + json.browseResults.length + " tags");
        }
        async function read() {
          const ids = $("ids").value.split(";").map(id => id.trim()).filter(id => id);
          if (!ids.length) { say("Type an id first.", true); return; }
          const json = await ask("/iotgateway/read", { method: "POST",
            headers: { "Content-Type": "application/json" }, body: JSON.stringify(ids) });
          if (!json) return;
          const rows = $("values").tBodies[0];
          rows.textContent = "";
          for (const one of json.readResults) {
            const row = rows.insertRow();
            cell(row, one.id, "v"); cell(row, JSON.stringify(one.v), "v");
            cell(row, one.r || "good", one.s ? (one.r ? "uncertain" : "") : "bad");
            cell(row, one.t ? new Date(one.t).toISOString() : "");
          }
          $("values").hidden = false;
        }
        $("browse").onclick = browse;
        $("form").onsubmit = event => { event.preventDefault(); read(); };
        </script></body></html>

        """
}
