#!/usr/bin/env python3
"""Uses the REST server agent's page as a person does, and its CORS as pages of other origins do.

Prints a line for each thing that was seen to be right; ends with 1 at the first that is not, and says which.
"""

import argparse
import base64
import http.server
import json
import os
import sys
import threading

from chromium import Chromium, Failure, expect

HOSTILE = '"><script>alert(1)</script>\'<img src=x onerror=alert(2)>'
ROWS = "[...document.querySelectorAll('#values tbody tr')].map(r => [...r.cells].map(c => c.textContent))"


def done(what):
    print("ok: " + what, flush=True)


def tag(name):
    return f"[...document.querySelectorAll('#tags button')].find(b => b.textContent === {json.dumps(name)})"


def quiet(page, origin):
    expect(not page.complaints, f"the browser complains: {page.complaints}")
    expect(page.run("window.violations") == [], "the policy was violated: " + str(page.run("window.violations")))
    foreign = [url for url in page.requests if not url.startswith((origin, "data:"))]
    expect(not foreign, f"the page loads from elsewhere: {foreign}")


def logging_in(browser, options):
    page = browser.page(logins=[(options.user, "wrong wrong wrong"), (options.user, options.password)])
    page.screen(1280, 900)
    page.open(options.origin + "/iotgateway")
    expect(page.run("document.title") == "Sallyport · REST server", "another title: " + page.run("document.title"))
    expect(not page.logins, "the browser was not asked again after a wrong password")
    done("a wrong password asks again, a right one opens the page")
    # The refused login is the browser's to log; nothing of the page.
    page.complaints.clear()
    return page


def browsing_and_reading(page, options):
    page.until("!!" + tag(options.tag), "the tag is not listed")
    quiet(page, options.origin)
    done("the page lists the tags without an error or a violation of its policy")

    page.click(tag(options.tag))
    page.until(f"{ROWS}.some(r => r[0] === {json.dumps(options.tag)} && r[2] === 'good')", "no value after a click")
    expect(page.run(f"{tag(options.tag)}.getAttribute('aria-pressed')") == "true", "the tag is not marked as chosen")
    done("a press on a tag reads it")

    first = page.run(f"{ROWS}[0][1]")
    page.click("document.getElementById('live')")
    page.until(f"{ROWS}[0][1] !== {json.dumps(first)}", "the value does not change by itself")
    page.click("document.getElementById('live')")
    done("values are read again every second when asked to")

    first = page.run(f"{ROWS}[0][1]")
    page.click("document.getElementById('watch')")
    page.until("document.getElementById('status').textContent === 'Watching.'", "the stream does not open")
    page.until(f"{ROWS}[0][1] !== {json.dumps(first)}", "no change comes over the stream")
    page.click("document.getElementById('watch')")
    quiet(page, options.origin)
    done("every change comes over a stream when asked to watch")

    page.run("document.getElementById('ids').select()")
    page.click("document.getElementById('ids')")
    page.run("document.getElementById('ids').select()")
    page.type(f"{options.tag}; {HOSTILE}; {options.big}")
    page.key("Enter")
    page.until(f"{ROWS}.length === 3", "not three results")
    rows = page.run(ROWS)
    expect(rows[1][0] == HOSTILE and rows[1][2] == "unknown tag", f"a hostile id is shown as {rows[1]}")
    expect(rows[2][1] == options.big_value, f"a 64-bit value is shown as {rows[2][1]}")
    done("typed ids are read with Enter, a 64-bit value keeps its digits")


def hostile_names(page, options):
    expect(page.run("!!" + tag(options.hostile_tag)), "the tag with markup in its name is not listed")
    page.click(tag(options.hostile_tag))
    page.until(f"{ROWS}.some(r => r[0] === {json.dumps(options.hostile_tag)})", "the hostile tag is not read")
    value = page.run(f"{ROWS}.find(r => r[0] === {json.dumps(options.hostile_tag)})[1]")
    expect("<b onclick=alert(3)>" in value, f"the markup in a value is shown as {value}")
    expect(page.run("document.querySelectorAll('main img, main b, main script').length") == 0, "markup came alive")
    expect(not page.dialogs, f"a script ran: {page.dialogs}")
    quiet(page, options.origin)
    done("markup in names, values and ids is shown as text")

    page.run(
        "{ const s = document.createElement('script'); s.textContent = 'window.ran = 1'; document.body.append(s);"
        " const i = document.createElement('img'); i.src = 'https://elsewhere.invalid/x'; document.body.append(i); }")
    expect(page.run("window.ran === undefined"), "a script without the nonce runs")
    violations = page.until("window.violations.length >= 2 && window.violations", "no violation is told")
    expect(any("img-src" in one for one in violations), f"the image was let through: {violations}")
    page.run("document.body.lastChild.remove(); document.body.lastChild.remove(); window.violations.length = 0")
    page.complaints.clear()
    page.requests[:] = [url for url in page.requests if "elsewhere.invalid" not in url]
    done("the policy stops a script and an image that somebody put in")


def keyboard(page):
    page.run("document.activeElement.blur(); window.getSelection().removeAllRanges()")
    page.run("document.body.tabIndex = -1; document.body.focus(); document.body.removeAttribute('tabindex')")
    seen = []
    for _ in range(4):
        page.key("Tab")
        seen.append(page.run("document.activeElement.id || document.activeElement.parentElement.parentElement.id"))
    expect(seen == ["filter", "browse", "tags", "tags"], f"Tab goes through {seen}")
    page.run("document.getElementById('clear').click()")
    page.run("document.querySelector('#tags button').focus()")
    page.key("Space")
    page.until(f"{ROWS}.length === 1", "Space on a tag does not read it")
    expect(page.run("document.activeElement.parentElement.parentElement.id") == "tags", "the focus is lost")
    nodes = page.call("Accessibility.getFullAXTree")["nodes"]
    for node in nodes:
        role = node.get("role", {}).get("value")
        if role in ("button", "textbox", "searchbox", "checkbox", "link") and not node.get("ignored"):
            expect(node.get("name", {}).get("value"), f"a {role} without a name: {node}")
    done("the page works from the keyboard, and everything has a name")


def narrow(page, options):
    page.screen(1280, 900)
    page.picture(os.path.join(options.pictures, "wide.png"))
    page.screen(1280, 900, "dark")
    page.picture(os.path.join(options.pictures, "dark.png"))
    page.screen(360, 740)
    width = page.run("document.documentElement.scrollWidth")
    expect(width <= 360, f"on a screen of 360 the page is {width} wide")
    page.picture(os.path.join(options.pictures, "narrow.png"))
    page.screen(1280, 900)
    done("a narrow screen needs no scrolling sideways")


def writing(browser, options):
    page = browser.page(logins=[(options.writer, options.writer_password)])
    page.screen(1280, 900)
    page.open(options.write_origin + "/iotgateway")
    page.until("!!" + tag(options.setpoint), "the tag to write is not listed")
    page.click(tag(options.setpoint))
    page.until(f"{ROWS}.length === 1", "the tag to write is not read")
    value = "document.getElementById('write-value')"
    for typed, outcome in (("42.5", "written"), ("1000000", "not written"), ("nonsense", "not written")):
        page.click(value)
        page.run(value + ".select()")
        page.type(typed)
        page.run("document.getElementById('written').replaceChildren()")
        page.key("Enter")
        pill = page.until("document.querySelector('#written .pill')?.textContent", "a write is not answered")
        expect(pill == outcome, f"{typed}: {page.run('document.getElementById(`written`).textContent')}")
        expect(len(page.dialogs) > 0 and options.setpoint in page.dialogs[-1], f"no question: {page.dialogs}")
    page.until(f"{ROWS}[0][1] === '42.5'", "the written value is not read back")
    quiet(page, options.write_origin)
    page.picture(os.path.join(options.pictures, "write.png"))
    done("a write asks first, tells what became of it, and its value is read back")


class Blank(http.server.BaseHTTPRequestHandler):
    """A page of another origin."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", "15")
        self.end_headers()
        self.wfile.write(b"<!doctype html>")

    def log_message(self, *_):
        pass


def serve(port):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Blank)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def ask(page, options, method="GET", path="/iotgateway/browse", headers=None, body=None):
    """What a page of another origin sees: a status, or the browser's refusal."""
    request = {"method": method, "headers": headers or {}, "credentials": "include", "mode": "cors"}
    if body is not None:
        request["body"] = body
    return page.run(
        f"fetch({json.dumps(options.origin + path)}, {json.dumps(request)})"
        ".then(async r => [r.status, await r.text()], e => ['refused', String(e)])")


def manual_streams(browser, options):
    """Runs the scripts of docs/live-streams.md as they stand there: on the gateway's page, and on one of another site."""
    manual = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs/live-streams.md")
    with open(manual, encoding="utf-8") as file:
        scripts = [part.split("```", 1)[0] for part in file.read().split("```js\n")[1:]]
    login = "Basic " + base64.b64encode(f"{options.user}:{options.password}".encode()).decode()
    other = {"https://gateway:39320": options.origin, '"Bearer " + token': json.dumps(login)}
    pages = (
        (options.origin + "/iotgateway", [(options.user, options.password)], {}),
        (f"http://localhost:{options.allowed_port}/", [], other),
    )
    for script, (address, logins, texts) in zip(scripts, pages, strict=True):
        for theirs, ours in {**texts, "Plant.PLC1.Level": options.tag}.items():
            expect(theirs in script, f"docs/live-streams.md lacks {theirs}")
            script = script.replace(theirs, ours)
        page = browser.page(logins=logins)
        page.open(address)
        page.run("window.told = []; console.log = (...all) => window.told.push(all.map(String))")
        page.run("{" + script + "}; 0")
        told = page.until("window.told.length > 2 && window.told", f"on {address} the manual's script tells nothing")
        expect(all(one[0] == options.tag and one[2] == "true" for one in told), f"the manual's script tells {told}")
        page.open("about:blank")
    done("the manual's scripts follow a stream, on the gateway's page and on one of another site")


def other_origins(browser, options):
    login = "Basic " + base64.b64encode(f"{options.user}:{options.password}".encode()).decode()
    as_json = {"Authorization": login, "Content-Type": "application/json"}
    ids = json.dumps([options.tag])

    page = browser.page()
    page.open(f"http://localhost:{options.allowed_port}/")
    status, text = ask(page, options, headers={"Authorization": login})
    expect(status == 200 and options.tag in text, f"an allowed origin may not browse: {status} {text}")
    status, text = ask(page, options, "POST", "/iotgateway/read", as_json, ids)
    expect(status == 200 and '"s":true' in text, f"an allowed origin may not read: {status} {text}")
    done("a page of an allowed origin reads with credentials, after a preflight")
    status, text = ask(page, options)
    expect(status == 401, f"without a login an allowed origin gets {status} {text}")
    status, text = ask(page, options, "POST", "/iotgateway/read", {**as_json, "Content-Type": "text/plain"}, ids)
    expect(status == 415, f"a page's POST of plain text is answered {status} {text}")
    done("a page's POST that is no JSON is refused")
    status, text = ask(page, options, "DELETE", headers={"Authorization": login})
    expect(status == "refused", f"a page may send DELETE: {status}")
    done("a method that the preflight does not name is refused by the browser")
    manual_streams(browser, options)

    page = browser.page()
    page.open(f"http://localhost:{options.other_port}/")
    for request in (
        {},
        {"headers": {"Authorization": login}},
        {"method": "POST", "path": "/iotgateway/read", "headers": as_json, "body": ids},
        # No preflight goes before this one: the gateway itself must refuse it.
        {"method": "POST", "path": "/iotgateway/write", "headers": {"Content-Type": "text/plain"}, "body": "[]"},
    ):
        before = len(page.statuses)
        result = ask(page, options, **request)
        expect(result[0] == "refused", f"another origin gets {result} for {request}")
        answered = [status for url, status in page.statuses[before:] if url.startswith(options.origin)]
        expect(200 not in answered or request == {}, f"the gateway served {request}: {answered}")
    done("a page of another origin sees nothing")
    page.run(
        f"new Promise(r => {{ const f = document.createElement('iframe'); f.onload = r; f.onerror = r;"
        f" f.src = {json.dumps(options.origin + '/iotgateway')}; document.body.append(f); setTimeout(r, 3000); }})")
    framed = page.run("(() => { try { return document.querySelector('iframe').contentDocument !== null }"
                      " catch { return false } })()")
    expect(not framed, "the page was framed")
    done("the page cannot be framed")


def main():
    parser = argparse.ArgumentParser()
    for name in (
        "origin", "user", "password", "spki", "pictures", "tag", "hostile-tag", "big", "big-value", "write-origin",
        "writer", "writer-password", "setpoint",
    ):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--allowed-port", type=int, required=True)
    parser.add_argument("--other-port", type=int, required=True)
    options = parser.parse_args()
    serve(options.allowed_port)
    serve(options.other_port)
    with Chromium(options.spki) as browser:
        try:
            page = logging_in(browser, options)
            browsing_and_reading(page, options)
            hostile_names(page, options)
            keyboard(page)
            narrow(page, options)
            writing(browser, options)
            other_origins(browser, options)
        except Failure as failure:
            print(f"failed: {failure}", file=sys.stderr)
            return 1
    return 0


sys.exit(main())
