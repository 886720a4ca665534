"""Headless Chromium, driven over the DevTools protocol through a pipe: the standard library is enough for it."""

import base64
import json
import os
import queue
import signal
import subprocess
import tempfile
import threading
import time

PATIENCE = 30.0


class Failure(Exception):
    """What was not as it should be, for people."""


def expect(condition, what):
    if not condition:
        raise Failure(what)


class Chromium:
    """One browser with a profile of its own, gone with the `with` block."""

    def __init__(self, spki):
        self.profile = tempfile.TemporaryDirectory(prefix="sallyport-chromium-", ignore_cleanup_errors=True)
        to_browser, self.write_end = os.pipe()
        self.read_end, from_browser = os.pipe()
        arguments = [
            "chromium",
            "--headless=new",
            "--no-sandbox",  # the tests may run as root, in a container
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--lang=en-GB",
            "--remote-debugging-pipe",
            "--user-data-dir=" + self.profile.name,
            # This one key is trusted, no other: everything else about TLS stays as it is.
            "--ignore-certificate-errors-spki-list=" + spki,
        ]

        def connect():
            # The pipe's ends stand at 3 and 4, whatever numbers they had.
            low, high = os.dup(to_browser), os.dup(from_browser)
            while low in (3, 4):
                low = os.dup(low)
            while high in (3, 4):
                high = os.dup(high)
            os.dup2(low, 3)
            os.dup2(high, 4)
            os.setsid()

        self.log = open(os.path.join(self.profile.name, "chromium.log"), "wb")
        self.process = subprocess.Popen(
            arguments, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, preexec_fn=connect,
            close_fds=False)
        os.close(to_browser)
        os.close(from_browser)
        self.answers = {}
        self.events = queue.Queue()
        self.changed = threading.Condition()
        self.ended = False
        self.last = 0
        self.listeners = []
        threading.Thread(target=self._read, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, number)
                self.process.wait(5)
                break
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue
        self.log.close()
        self.profile.cleanup()

    def _read(self):
        rest = b""
        while True:
            piece = os.read(self.read_end, 1 << 16)
            if not piece:
                break
            *messages, rest = (rest + piece).split(b"\0")
            for text in messages:
                message = json.loads(text)
                with self.changed:
                    if "id" in message:
                        self.answers[message["id"]] = message
                    else:
                        for listener in self.listeners:
                            listener(message)
                    self.changed.notify_all()
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def post(self, method, session=None, **parameters):
        """Sends a command and gives its number; nobody need wait for the answer."""
        with self.changed:
            self.last += 1
            message = {"id": self.last, "method": method, "params": parameters}
            if session:
                message["sessionId"] = session
            os.write(self.write_end, json.dumps(message).encode() + b"\0")
            return self.last

    def call(self, method, session=None, **parameters):
        number = self.post(method, session, **parameters)
        with self.changed:
            if not self.changed.wait_for(lambda: number in self.answers or self.ended, PATIENCE):
                raise Failure(f"{method}: the browser does not answer")
            answer = self.answers.pop(number, None)
        if answer is None:
            raise Failure(f"{method}: the browser has ended")
        if "error" in answer:
            raise Failure(f"{method}: {answer['error']}")
        return answer["result"]

    def page(self, **options):
        return Page(self, **options)


class Page:
    """One tab: what it loads, logs and violates is kept."""

    def __init__(self, browser, logins=()):
        self.browser = browser
        self.logins = list(logins)
        self.requests, self.statuses, self.complaints, self.dialogs = [], [], [], []
        self.loads = 0
        # A tab in a context of its own: no login of another tab counts here.
        context = browser.call("Target.createBrowserContext")["browserContextId"]
        target = browser.call("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        self.session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        browser.listeners.append(self._event)
        for domain in ("Page", "Runtime", "Log", "Network", "Audits"):
            self.call(domain + ".enable")
        self.call("Fetch.enable", handleAuthRequests=True, patterns=[{"urlPattern": "*"}])
        self.call(
            "Page.addScriptToEvaluateOnNewDocument",
            source="""window.violations = [];
                document.addEventListener("securitypolicyviolation", event =>
                  window.violations.push(event.violatedDirective + " " + event.blockedURI));""")

    def call(self, method, **parameters):
        return self.browser.call(method, self.session, **parameters)

    def _event(self, message):
        if message.get("sessionId") != self.session:
            return
        name, values = message["method"], message["params"]
        if name == "Fetch.requestPaused":
            self.browser.post("Fetch.continueRequest", self.session, requestId=values["requestId"])
        elif name == "Fetch.authRequired":
            answer = {"response": "CancelAuth"}
            if self.logins:
                user, password = self.logins.pop(0)
                answer = {"response": "ProvideCredentials", "username": user, "password": password}
            self.browser.post(
                "Fetch.continueWithAuth", self.session, requestId=values["requestId"], authChallengeResponse=answer)
        elif name == "Page.loadEventFired":
            self.loads += 1
        elif name == "Page.javascriptDialogOpening":
            self.dialogs.append(values["message"])
            self.browser.post("Page.handleJavaScriptDialog", self.session, accept=values["type"] == "confirm")
        elif name == "Network.requestWillBeSent":
            self.requests.append(values["request"]["url"])
        elif name == "Network.responseReceived":
            self.statuses.append((values["response"]["url"], values["response"]["status"]))
        elif name == "Runtime.exceptionThrown":
            self.complaints.append("exception: " + str(values["exceptionDetails"].get("exception", values)))
        elif name == "Runtime.consoleAPICalled" and values["type"] in ("error", "warning", "assert"):
            self.complaints.append("console: " + str(values["args"]))
        elif name == "Log.entryAdded" and values["entry"]["level"] in ("error", "warning"):
            self.complaints.append("log: " + values["entry"]["text"])
        elif name == "Audits.issueAdded":
            issue = values["issue"]
            # Credentials that the tests send to other origins end in issues of their own.
            if issue["code"] in ("ContentSecurityPolicyIssue", "MixedContentIssue"):
                self.complaints.append("issue: " + json.dumps(issue["details"]))

    def open(self, url):
        before = self.loads
        result = self.call("Page.navigate", url=url)
        expect("errorText" not in result, f"{url}: {result.get('errorText')}")
        self.wait(lambda: self.loads > before, f"{url} does not load")

    def wait(self, condition, what):
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            value = condition()
            if value:
                return value
            time.sleep(0.02)
        raise Failure(what)

    def run(self, expression):
        """The value of an expression in the page; promises are awaited."""
        result = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True, userGesture=True)
        expect("exceptionDetails" not in result, f"{expression}: {result.get('exceptionDetails')}")
        return result["result"].get("value")

    def until(self, expression, what=None):
        return self.wait(lambda: self.run(expression), what or f"never true: {expression}")

    def click(self, expression):
        """Presses the mouse in the middle of an element, as a person does: what covers it gets the press."""
        place = self.run(
            f"(() => {{ const e = {expression}; e.scrollIntoView({{block: 'center'}});"
            " const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })()")
        for kind in ("mousePressed", "mouseReleased"):
            self.call(
                "Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left", clickCount=1)

    def key(self, name, code=None, text=None):
        virtual = {"Tab": 9, "Enter": 13, "Space": 32}[name]
        text = {"Enter": "\r", "Space": " "}.get(name, text)
        key = " " if name == "Space" else name
        down = {"text": text} if text else {}
        self.call(
            "Input.dispatchKeyEvent", type="keyDown", key=key, code=name, windowsVirtualKeyCode=virtual, **down)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, code=name, windowsVirtualKeyCode=virtual)

    def type(self, text):
        self.call("Input.insertText", text=text)

    def screen(self, width, height, scheme="light"):
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
            mobile=width < 600)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def picture(self, path):
        data = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))
