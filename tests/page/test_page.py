"""The HTML report in a real browser: complete, without requests, safe, and usable by keyboard."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.places import SAMPLES

import classifier

pytest.importorskip("altair", reason="pip install 'pcap-classifier[web]'")
pytest.importorskip("vl_convert", reason="pip install 'pcap-classifier[web]'")
pytest.importorskip("itables", reason="pip install 'pcap-classifier[web]'")
playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")

from classifier.reports.hosts import load  # noqa: E402
from classifier.reports.report import Report  # noqa: E402

OFFICE = SAMPLES / "office.pcapng"
#: As a service, a host or a file might be named by somebody unkind.
EVIL = "<script>document.title='owned'</script><img/src=x/onerror=document.title='owned'>"
READY = "body[data-ready]"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("chromium is missing: apt-get install chromium")
    with playwright.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("page") / "office.html"
    path.write_text(Report(classifier.read(OFFICE)).to_html(), encoding="utf-8")
    return path


class Visit:
    """An opened page, with its console messages and requests."""

    def __init__(self, browser: Any, path: Path, **how: Any) -> None:
        self.page = browser.new_context(**how).new_page()
        self.errors: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda said: self.errors.append(said.text) if said.type == "error" else None)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())
        self.page.wait_for_selector(READY, timeout=60_000)

    def texts(self, selector: str) -> list[str]:
        found: list[str] = self.page.locator(selector).all_inner_texts()
        return found


LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light", "viewport": {"width": 1280, "height": 900}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1280, "height": 900}},
    "phone": {"is_mobile": True, "has_touch": True, "viewport": {"width": 390, "height": 844}},
}


@pytest.mark.parametrize("look", LOOKS)
def test_it_is_drawn_without_errors_and_without_the_network(chromium: Any, office: Path, look: str) -> None:
    visit = Visit(chromium, office, **LOOKS[look])
    assert visit.errors == []
    assert visit.requests == [office.as_uri()]
    charts = visit.page.locator(".chart")
    drawn = [charts.nth(place).locator("svg path").count() for place in range(charts.count())]
    assert len(drawn) >= 3 and min(drawn) > 3
    assert visit.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_tables_sort_and_filter(chromium: Any, office: Path) -> None:
    visit = Visit(chromium, office)
    flows = visit.page.locator("#flows")
    flows.get_by_role("searchbox").fill("redis")
    assert "of 16 entries" in flows.locator(".dt-info").inner_text()
    assert all("redis/tcp" in row for row in visit.texts("#flows tbody tr"))
    services = "#services tbody td:nth-child(1)"
    assert visit.texts(services)[0] == "http/tcp"
    # Numbers are sorted as numbers, whatever unit they are written in.
    for head, first in (("Bytes", ["http/tcp", "https/tcp"]), ("Flows", ["domain (dns)/udp", "redis/tcp"])):
        for order in ("ascending", "descending"):
            visit.page.locator("#services thead th", has_text=re.compile(rf"^{head}$")).first.click()
            visit.page.wait_for_selector(f"#services thead th[aria-sort={order}]")
        assert visit.texts(services)[:2] == first


def test_it_works_by_keyboard(chromium: Any, office: Path) -> None:
    page = Visit(chromium, office).page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    page.wait_for_url("**#main")  # the browser goes there in its own time
    page.locator("#services thead th", has_text="Flows").get_by_role("button").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#services thead th[aria-sort=ascending]")


def test_names_stay_text(chromium: Any, tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text(f"10.77.0.10 {EVIL}\n10.77.0.101 {EVIL}\n")
    capture = tmp_path / f"{EVIL.replace('/', chr(0x2215))}.pcapng"
    shutil.copy(OFFICE, capture)
    page = tmp_path / "page.html"
    html = Report(classifier.read(capture), hosts=load(hosts)).to_html()
    page.write_text(html, encoding="utf-8")
    visit = Visit(chromium, page)
    assert visit.errors == [] and visit.page.title() != "owned"
    assert visit.page.locator("img").count() == 0
    servers = visit.texts("#servers tbody td:nth-child(1)")
    assert f"{EVIL}:443" in servers
    assert any(EVIL[:8] in text for text in visit.page.locator("#conversations svg text").all_text_contents())


def test_a_policy_forbids_all_else(chromium: Any, office: Path) -> None:
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', office.read_text())
    assert policy and policy[1].startswith("default-src 'none'") and "unsafe" not in policy[1]
    visit = Visit(chromium, office)
    visit.page.evaluate(
        "document.body.append(Object.assign(document.createElement('script'),"
        " {textContent: \"document.title = 'owned'\"}))"
    )
    assert visit.page.title() != "owned"
    blocked = visit.page.evaluate("fetch('https://example.org/').then(() => 'sent', () => 'blocked')")
    assert blocked == "blocked"


def test_text_can_be_read(chromium: Any, office: Path) -> None:
    """WCAG 2.2, 1.4.3: 4.5:1 for all text outside of charts, light and dark."""
    for look in ("light", "dark"):
        visit = Visit(chromium, office, **LOOKS[look])
        pairs = visit.page.evaluate(
            """() => [...document.querySelectorAll('h1,h2,dt,dd,a,p,th,td,small,input,select,label')]
            .filter((element) => element.getClientRects().length && element.textContent.trim())
            .map((element) => {
              let behind = element, paper = '';
              do { paper = getComputedStyle(behind).backgroundColor; behind = behind.parentElement; }
              while (behind && (paper === 'transparent' || paper.endsWith(', 0)')));
              return [getComputedStyle(element).color, paper, element.tagName + ' ' + element.textContent];
            })"""
        )
        assert len(pairs) > 100
        poor = {what[:40] for ink, paper, what in pairs if contrast(ink, paper) < 4.5}
        assert not poor, look


def contrast(one: str, other: str) -> float:
    def luminance(color: str) -> float:
        values = [float(value) / 255 for value in re.findall(r"[\d.]+", color)[:3]]
        red, green, blue = (
            value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in values
        )
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_without_scripts_the_headline_is_there(chromium: Any, office: Path) -> None:
    page = chromium.new_context(java_script_enabled=False).new_page()
    page.goto(office.as_uri())
    assert "791" in page.locator(".facts").inner_text()
    assert "need JavaScript" in page.locator("noscript").inner_text()


def test_it_prints(chromium: Any, office: Path) -> None:
    visit = Visit(chromium, office, **LOOKS["dark"])
    visit.page.emulate_media(media="print")
    assert visit.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not visit.page.locator("#flows .dt-search").is_visible()
    assert len(visit.page.pdf()) > 10_000


def test_the_same_traffic_gives_the_same_page() -> None:
    traffic = classifier.read(OFFICE)
    assert Report(traffic).to_html() == Report(classifier.read(OFFICE)).to_html()


def test_its_sums_are_those_of_the_accounting(chromium: Any, office: Path) -> None:
    visit = Visit(chromium, office)
    rows = [text.split("\t") for text in visit.texts("#accounting tr")]
    counts = {words.strip(): int(packets.replace(",", "")) for words, packets in rows}
    assert counts.pop("all packets") == sum(counts.values()) == 791
    known = {
        row[0].split("\n")[0]: row for row in (text.split("\t") for text in visit.texts(".known tbody tr"))
    }
    packets = [int(row[2].strip().replace(",", "")) for row in known.values()]
    assert sum(packets) == 791


def test_nothing_at_all_is_a_page(chromium: Any, tmp_path: Path) -> None:
    path = tmp_path / "nothing.html"
    path.write_text(Report(classifier.read(SAMPLES / "trouble/arp.pcap")).to_html())
    visit = Visit(chromium, path)
    assert visit.errors == []
    assert "non-IP" in visit.page.locator("#accounting").inner_text()


def test_large_tables_are_cut_with_a_remark(monkeypatch: pytest.MonkeyPatch) -> None:
    from classifier.reports.html import contents

    monkeypatch.setattr(contents, "MOST_ROWS", 5)
    found = contents.contents(Report(classifier.read(OFFICE)))
    flows = next(table for table in found["tables"] if table["name"] == "flows")
    assert len(flows["rows"]) == 5 and flows["whole"] == 78
    assert json.dumps(found)
