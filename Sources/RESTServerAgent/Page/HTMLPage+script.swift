extension HTMLPage {
    /// Whatever comes from outside reaches the page as text only: `textContent`, never as markup.
    static let script = #"""
        "use strict";
        const $ = id => document.getElementById(id);
        const shown = 1000;
        let names = [], watched = [], timer = 0, asking = false, source = null;

        const say = (text, bad) => { $("status").textContent = text; $("status").className = bad ? "bad" : ""; };

        // A number keeps its digits: a 64-bit counter is more than this language's numbers hold.
        class Digits { constructor(text) { this.text = text; } }
        const exact = (key, value, context) =>
          typeof value === "number" && context && context.source && String(value) !== context.source
            ? new Digits(context.source) : value;
        const written = value => value instanceof Digits ? value.text
          : Array.isArray(value) ? "[" + value.map(written).join(", ") + "]"
          : typeof value === "string" ? value : JSON.stringify(value);

        async function ask(path, body) {
          const options = body === undefined ? {}
            : { method: "POST", headers: { "Content-Type": "application/json" }, body };
          const begin = performance.now();
          try {
            const reply = await fetch(path, options);
            const text = await reply.text();
            let json;
            try { json = JSON.parse(text, exact); } catch { json = { reason: text.slice(0, 200) }; }
            if (!reply.ok) { say(reply.status + ": " + json.reason, true); return null; }
            if (!timer) say("Answered in " + Math.round(performance.now() - begin) + " ms.");
            return json;
          } catch (error) {
            say("No answer from the gateway (" + error.message + ").", true);
            return null;
          }
        }

        function list() {
          const wanted = $("filter").value.trim().toLowerCase();
          const found = names.filter(name => name.toLowerCase().includes(wanted));
          const chosen = new Set(watched);
          $("tags").replaceChildren(...found.slice(0, shown).map(name => {
            const item = document.createElement("li"), button = document.createElement("button");
            button.type = "button";
            button.textContent = name;
            button.setAttribute("aria-pressed", chosen.has(name));
            button.onclick = () => choose(name);
            item.append(button);
            return item;
          }));
          $("count").textContent = wanted ? found.length + " of " + names.length : String(names.length);
          $("more").hidden = found.length <= shown && names.length > 0;
          $("more").textContent = names.length ? "The first " + shown + "; filter to see the others."
            : "None: your groups let you browse no tag that this agent serves.";
        }

        async function browse() {
          $("browse").disabled = true;
          const json = await ask("/iotgateway/browse");
          $("browse").disabled = false;
          if (!json) return;
          names = json.browseResults.map(tag => written(tag.id));
          list();
        }

        function choose(name) {
          watched = watched.includes(name) ? watched.filter(one => one !== name) : [...watched, name];
          $("ids").value = watched.join("; ");
          if ($("write-id")) $("write-id").value = name;
          for (const button of $("tags").querySelectorAll("button"))
            button.setAttribute("aria-pressed", watched.includes(button.textContent));
          if (source) { watch(); } else { read(); }
        }

        async function read() {
          if (asking) return;
          if (!watched.length) { fill([]); return; }
          asking = true;
          const json = await ask("/iotgateway/read", JSON.stringify(watched));
          asking = false;
          if (json) { fill(json.readResults); } else { $("live").checked = false; follow(); }
        }

        function fill(results) {
          $("values").hidden = !results.length;
          $("none").hidden = results.length > 0;
          $("values").tBodies[0].replaceChildren(...results.map(one => {
            const row = document.createElement("tr");
            const cell = (text, style) => {
              const td = row.insertCell(); td.className = style; td.textContent = text; return td; };
            cell(one.id, "mono");
            cell(one.v === null ? "–" : written(one.v), "value");
            const pill = document.createElement("span");
            pill.className = "pill" + (one.s ? one.r ? " uncertain" : "" : " bad");
            pill.textContent = one.r || "good";
            cell("", "").append(pill);
            const at = written(one.t) > 0 ? new Date(Number(written(one.t))) : null;
            const time = cell(at ? at.toLocaleTimeString([], { hour12: false }) : "–", "time");
            if (at) time.title = at.toISOString();
            return row;
          }));
        }

        function follow() {
          clearInterval(timer);
          timer = $("live").checked ? setInterval(() => document.hidden || read(), 1000) : 0;
        }

        // Every change as the gateway tells it, over one connection, in place of asking again and again.
        function watch() {
          if (source) source.close();
          source = null;
          if (!$("watch").checked || !watched.length) return;
          $("live").checked = false;
          follow();
          const seen = new Map();
          let ended = false;
          source = new EventSource(
            "/iotgateway/stream?" + watched.map(id => "ids=" + encodeURIComponent(id)).join("&"));
          const on = (name, told) => source.addEventListener(name, event => told(JSON.parse(event.data, exact)));
          on("values", data => {
            // What is not good may be uncertain as well as bad: a stream does not say which.
            for (const one of data.values) seen.set(one.id, { ...one, s: true, r: one.q ? "" : "not good" });
            fill([...seen.values()]);
          });
          on("refused", data => {
            for (const one of data.refused) seen.set(one.id, { ...one, s: false, v: null, t: 0 });
            fill([...seen.values()]);
          });
          on("missed", () => say("Some changes were missed.", true));
          // Its reason stays until there is a stream again.
          on("end", data => { ended = true; say("The gateway ended the stream: " + data.reason, true); });
          source.onopen = () => { ended = false; say("Watching."); };
          source.onerror = event => {
            const closed = event.target.readyState === EventSource.CLOSED;
            if (closed) $("watch").checked = false;
            if (ended) return;
            say(closed ? "The gateway gives no stream of these tags." : "The stream was cut; coming back…", true);
          };
        }

        async function write(id, text) {
          // As typed when it is JSON, so that a long number keeps its digits; anything else is a text.
          let value = JSON.stringify(text);
          try { JSON.parse(text); value = text; } catch { }
          if (!confirm("Write " + value + " to " + id + "?\n\nThis goes to the device.")) return;
          const json = await ask("/iotgateway/write", "[{\"id\":" + JSON.stringify(id) + ",\"v\":" + value + "}]");
          const pill = document.createElement("span");
          const one = json ? json.writeResults[0] : { s: false, r: $("status").textContent };
          pill.className = "pill" + (one.s ? "" : " bad");
          pill.textContent = one.s ? "written" : "not written";
          $("written").replaceChildren(pill, " " + (one.s ? value + " to " + one.id : one.r));
          if (one.s) read();
        }

        $("filter").oninput = list;
        $("browse").onclick = browse;
        $("live").onchange = () => { $("watch").checked = false; watch(); follow(); if ($("live").checked) read(); };
        $("watch").onchange = () => { watch(); if (!$("watch").checked) say(""); };
        $("clear").onclick = () => { watched = []; $("ids").value = ""; list(); fill([]); watch(); };
        $("form").onsubmit = event => {
          event.preventDefault();
          watched = $("ids").value.split(";").map(id => id.trim()).filter(id => id);
          list();
          watch();
          if (!watched.length) { fill([]); say("Type an id first.", true); } else if (!source) { read(); }
        };
        if ($("write")) $("write").onsubmit = event => {
          event.preventDefault();
          write($("write-id").value.trim(), $("write-value").value.trim());
        };
        browse();
        """#
}
