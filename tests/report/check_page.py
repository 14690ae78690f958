#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Open the report in headless Chromium: does it render, with no error, with data in every chart, and does it fit?

    check_page.py PAGE.html | RESULTS.json

Of RESULTS.json, the page is made first. In light and dark, 1280 and 390 pixels wide. Exit status 77: no Chromium or no selenium here.
"""

import os
import shutil
import subprocess
import sys
import tempfile

SKIPPED = 77
SIZES = ((1280, 900), (390, 844))
SCHEMES = ("light", "dark")
REPORT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "bench", "report.py")

# What a figure promises, and what is drawn: a mark for each point of a line, a shape for each cell or bar.
FIGURES = """
return [...document.querySelectorAll('figure')].map(figure => {
	const svg = figure.querySelector('svg'), box = svg && svg.getBoundingClientRect();
	let drawn = 0, hidden = 0;
	for (const group of svg ? svg.querySelectorAll('g[id*="-data-"]') : []) {
		const uses = [...group.querySelectorAll('use')];
		const marks = uses.length ? uses : [...group.querySelectorAll(':scope > path')];
		drawn += marks.length;
		for (const mark of marks) {
			const at = mark.getBoundingClientRect(), style = getComputedStyle(mark);
			const visible = at.width + at.height > 0 && at.right > box.left && at.left < box.right && at.bottom > box.top && at.top < box.bottom &&
				style.visibility == 'visible' && style.display != 'none';
			hidden += visible ? 0 : 1;
		}
	}
	return {title: figure.querySelector('b')?.textContent || '?', promised: +figure.dataset.points || 0, drawn, hidden,
		width: box ? box.width : 0, height: box ? box.height : 0, caption: figure.querySelector('figcaption')?.textContent || ''};
});
"""

# Paint that no variable decides is black in both schemes; variables that are not defined paint nothing.
PAGE = """
const root = document.documentElement, ids = new Set(), twice = [];
for (const element of document.querySelectorAll('[id]')) { if (ids.has(element.id)) twice.push(element.id); ids.add(element.id); }
const variables = new Set([...root.outerHTML.matchAll(/var\\((--[\\w-]+)\\)/g)].map(match => match[1]));
const unknown = [...variables].filter(name => !getComputedStyle(root).getPropertyValue(name).trim());
const outside = [...document.querySelectorAll('[src], link[href], use, a[href]')].map(e => e.getAttribute('src') || e.getAttribute('href') ||
	e.getAttribute('xlink:href') || '').filter(url => /^(https?:)?\\/\\//.test(url));
const dead = [...document.querySelectorAll('a[href^="#"]')].map(a => a.getAttribute('href').slice(1)).filter(id => !document.getElementById(id));
return {page: root.scrollWidth, screen: window.innerWidth, rows: document.querySelectorAll('#verdict-table tbody tr:not(.ask)').length, twice, unknown, outside, dead,
	back: getComputedStyle(document.body).backgroundColor, ink: getComputedStyle(document.body).color,
	raw: !!document.querySelector('a[download][href^="data:"]')};
"""


def browser():
    """Headless Chromium, or exit as skipped."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    try:
        from selenium import webdriver
        from selenium.webdriver.chrome.options import Options
        from selenium.webdriver.chrome.service import Service
    except ImportError:
        print("skipped: no selenium (python3-selenium)")
        sys.exit(SKIPPED)
    if not chromium or not driver:
        print("skipped: no chromium (chromium, chromium-driver)")
        sys.exit(SKIPPED)
    options = Options()
    options.binary_location = chromium
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"):
        options.add_argument(flag)
    return webdriver.Chrome(service=Service(driver), options=options)


def luminance(text):
    red, green, blue = (int(part) for part in text[text.index("(") + 1:-1].split(",")[:3])
    return (0.2126 * red + 0.7152 * green + 0.0722 * blue) / 255


def faults_of_page(found, scheme):
    if found["page"] > found["screen"]:
        yield f"the page is {found['page']} pixels wide, the screen {found['screen']}"
    if not found["rows"]:
        yield "the verdict table has no rows"
    for name, text in (("twice", "the same id twice"), ("unknown", "a variable without a value"), ("outside", "something from the network"),
                       ("dead", "a link to nowhere")):
        if found[name]:
            yield f"{text}: {', '.join(found[name][:5])}"
    if (luminance(found["back"]) < 0.5) != (scheme == "dark") or abs(luminance(found["back"]) - luminance(found["ink"])) < 0.5:
        yield f"{found['ink']} on {found['back']} is not {scheme}"
    if not found["raw"]:
        yield "no raw data to download"


def faults_of_figure(figure):
    if figure["promised"] <= 0:
        yield "promises no data"
    if figure["drawn"] != figure["promised"]:
        yield f"{figure['promised']} points promised, {figure['drawn']} drawn"
    if figure["hidden"]:
        yield f"{figure['hidden']} points cannot be seen"
    if figure["width"] < 100 or figure["height"] < 40:
        yield f"{figure['width']:.0f} x {figure['height']:.0f} pixels"
    if not figure["caption"].strip():
        yield "no caption"


def check(driver, url, scheme, width, height):
    """A list of what is wrong, and the number of figures."""
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600})
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
    driver.get(url)
    driver.execute_script("for (const box of document.querySelectorAll('details')) box.open = true;")
    figures = driver.execute_script(FIGURES)
    wrong = list(faults_of_page(driver.execute_script(PAGE), scheme))
    wrong += [f"{figure['title']}: {fault}" for figure in figures for fault in faults_of_figure(figure)]
    wrong += [f"console: {entry['message']}" for entry in driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]
    if not figures:
        wrong.append("no figures")
    return wrong, len(figures)


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: check_page.py PAGE.html | RESULTS.json")
    with tempfile.TemporaryDirectory() as folder:
        page = os.path.abspath(sys.argv[1])
        if page.endswith(".json"):
            made = os.path.join(folder, "page.html")
            subprocess.run([sys.executable, REPORT, page, made], check=True)
            page = made
        driver, failed = browser(), False
        try:
            for scheme in SCHEMES:
                for width, height in SIZES:
                    wrong, n = check(driver, "file://" + page, scheme, width, height)
                    print(f"{scheme}, {width} pixels wide, {n} figures: {'; '.join(wrong) or 'in order'}")
                    failed |= bool(wrong)
        finally:
            driver.quit()
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
