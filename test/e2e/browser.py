"""A headless Chromium by WebDriver, with nothing but the standard library: a page is opened, asked and looked at."""
import base64
import json
import shutil
import time
import urllib.error
import urllib.request

FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
         "--disable-sync", "--autoplay-policy=no-user-gesture-required", "--force-color-profile=srgb"]
# Before any script of a page: what a console shows, and what the policy stopped, are kept where a test can read them.
WITNESS = """
window.__violations = []; window.__errors = [];
document.addEventListener('securitypolicyviolation', (e) => window.__violations.push(`${e.violatedDirective}: ${e.blockedURI} ${e.sample}`), true);
window.addEventListener('error', (e) => window.__errors.push(String(e.message)));
window.addEventListener('unhandledrejection', (e) => window.__errors.push(String(e.reason)));
const consoleError = console.error; console.error = (...all) => { window.__errors.push(all.map(String).join(' ')); consoleError(...all); };
window.__alerts = 0; window.alert = () => { window.__alerts += 1; };
"""


def available():
    return bool(shutil.which("chromedriver") and (shutil.which("chromium") or shutil.which("chromium-browser")))


def driver_port(procs, attempts=5):
    """The port of a new chromedriver. It takes a free one of IPv6 and wants the same of IPv4; where somebody has that, it ends, and is to be started again."""
    for _ in range(attempts):
        driver = procs.start("chromedriver", ["chromedriver", "--port=0"])
        said = driver.wait_line(r"started successfully on port (\d+)|IPv4 port not available", timeout=30)
        if said[1]:
            return said[1]
    raise AssertionError(f"chromedriver found no port in {attempts} attempts")


class Browser:
    def __init__(self, procs, profile, *flags, size=(1280, 900)):
        self.base = f"http://127.0.0.1:{driver_port(procs)}"
        options = {"args": [*FLAGS, f"--user-data-dir={profile}", f"--window-size={size[0]},{size[1]}", *flags], "binary": shutil.which("chromium") or shutil.which("chromium-browser")}
        answer = self._call("POST", "/session", {"capabilities": {"alwaysMatch": {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}}})
        self.session = f"/session/{answer['sessionId']}"
        self.cdp("Page.addScriptToEvaluateOnNewDocument", source=WITNESS)

    def _call(self, method, path, body=None, timeout=60):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data=data, method=method, headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"WebDriver {method} {path}: {error.read().decode(errors='replace')[:600]}") from None

    def cdp(self, command, **parameters):
        return self._call("POST", f"{self.session}/goog/cdp/execute", {"cmd": command, "params": parameters})

    def open(self, url):
        self._call("POST", f"{self.session}/url", {"url": url})

    def run(self, script, *arguments):
        """What `script`, the body of a function, returns."""
        return self._call("POST", f"{self.session}/execute/sync", {"script": script, "args": list(arguments)})

    def wait(self, script, *arguments, timeout=30.0, what=None):
        """Until `script` returns something that is true: that."""
        deadline = time.monotonic() + timeout
        while not (value := self.run(script, *arguments)):
            assert time.monotonic() < deadline, f"{what or script} did not come true within {timeout} s; the page says:\n{self.text()[:2000]}\n{self.complaints()}"
            time.sleep(0.1)
        return value

    def text(self):
        return self.run("return document.body.innerText")

    def complaints(self):
        """What the browser has against the page. A refused fetch is reported by the page itself, so lines of the network are left out."""
        logged = [f"{line['source']}: {line['message']}" for line in self._call("POST", f"{self.session}/se/log", {"type": "browser"})
                  if line["level"] in ("SEVERE", "WARNING") and line["source"] != "network"]
        return self.run("return window.__violations.concat(window.__errors)") + logged

    def resize(self, width, height, scale=1):
        """Also narrower than a window may be."""
        self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=False)

    def prefer(self, **features):
        """prefer(color_scheme="dark")"""
        self.cdp("Emulation.setEmulatedMedia", features=[{"name": "prefers-" + name.replace("_", "-"), "value": value} for name, value in features.items()])

    def screenshot(self, path):
        path.write_bytes(base64.b64decode(self._call("GET", f"{self.session}/screenshot")))

    def close(self):
        self._call("DELETE", self.session)
