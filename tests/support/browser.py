"""Headless Chromium: what a page shows after its scripts and a test's own script have run.

Debian's package `chromium` has it. A test that needs it is skipped where it is absent, with a message that says so.
"""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
SECONDS = 540
BUDGET_MS = 4_000
_COLLECT = """<script>
window.pimsimErrors = [];
window.addEventListener("error", (event) => window.pimsimErrors.push(String(event.message || event.target)), true);
window.addEventListener("unhandledrejection", (event) => window.pimsimErrors.push(String(event.reason)));
document.addEventListener("securitypolicyviolation", (event) =>
  window.pimsimErrors.push(`${event.violatedDirective}: ${event.blockedURI}`));
for (const name of ["error", "warn"]) {
  console[name] = (...words) => window.pimsimErrors.push(words.map(String).join(" "));
}
</script>"""
_ANSWER = """<pre id="test-result"></pre><script>
window.addEventListener("load", async () => {
  const found = {errors: window.pimsimErrors};
  try { found.value = await (async () => { %s })(); } catch (error) { found.errors.push(String(error.stack || error)); }
  document.getElementById("test-result").textContent = JSON.stringify(found);
});
</script></body>"""


def chromium() -> str:
    """The path of the browser; the test is skipped if there is none."""
    for name in NAMES:
        if (found := shutil.which(name)) is not None:
            return found
    pytest.skip("no Chromium is installed (Debian: apt-get install chromium)")


def in_browser(page: str, script: str, folder: Path) -> Any:
    """Open a page with a script at its end; return what the script returns, after asserting that nothing failed.

    The script is the body of an async function that runs when the page is loaded. Errors of scripts, refused requests,
    and warnings on the console fail the test.
    """
    browser = chromium()
    assert page.count("<head>") == page.rstrip().count("</body>") == 1
    tested = page.replace("<head>", "<head>" + _COLLECT).replace("</body>", _ANSWER.replace("%s", script))
    path = folder / "tested.html"
    path.write_text(tested, encoding="utf-8")
    command = [
        *(browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1200,900"),
        *(f"--user-data-dir={folder / 'profile'}", f"--virtual-time-budget={BUDGET_MS}", "--dump-dom", path.as_uri()),
    ]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    found = re.search(r'<pre id="test-result">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found is not None, f"exit code {done.returncode}: {done.stderr[-2000:]}"
    answer = json.loads(html.unescape(found.group(1)))
    assert not answer["errors"], answer["errors"]
    return answer["value"]
