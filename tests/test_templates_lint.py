"""What our Content-Security-Policy would drop, or htmx without eval would get wrong in silence."""

import re

import pytest

from webapp.config import ROOT

TEMPLATES = sorted((ROOT / "templates").rglob("*.html")) + sorted((ROOT / "templates").rglob("*.svg"))
SCRIPTS = sorted((ROOT / "static/js").rglob("*.js"))

TRAPS = {
    "a trigger filter needs eval; without it htmx fires always": r"""hx-trigger=(["'])[^"']*\[""",
    "hx-on needs eval; without it nothing happens": r"\bhx-on[:\-=]",
    "computed values need eval; without it none go": r"""hx-(vals|headers|vars|request)=(["'])\s*(js|javascript):""",
    "a morph with options needs eval; without it htmx swaps plainly": r"""hx-swap=(["'])[^"']*morph:\s*\{""",
    "the policy drops inline styles": r"<style\b|\sstyle\s*=",
    "the policy drops inline scripts": r"<script(?![^>]*\ssrc=)[^>]*>",
    "the policy drops inline handlers": r"<[^>]*\son[a-z]+\s*=",
    "javascript: addresses are inline scripts": r"""(href|action|src)=(["'])\s*javascript:""",
    "files come from our own server": r"""<(script|link|img|iframe)\b[^>]*(src|href)=(["'])(https?:)?//""",
    "`safe` switches escaping off": r"\|\s*safe\b",
    "autoescape stays on": r"\{%-?\s*autoescape\s+false",
    "a time names its own zone, which the visitor may choose": r"\|\s*when(\([^)]*\))?\s*\}\}\s*UTC",
}
SCRIPT_TRAPS = {
    "the policy forbids eval": r"\beval\s*\(|new\s+Function\s*\(|set(Timeout|Interval)\s*\(\s*['\"`]",
    "HTML from text makes a script of stored text": r"\.(innerHTML|outerHTML)\s*=|insertAdjacentHTML|document\.write",
    "nothing but our own server is asked": r"['\"`]https?://(?!www\.w3\.org/)",
}


def found(text: str, traps: dict[str, str]) -> list[str]:
    """The traps in a source, without its comments, by line."""
    without = re.sub(r"\{#.*?#\}|<!--.*?-->", lambda match: "\n" * match[0].count("\n"), text, flags=re.DOTALL)
    return [
        f"line {without.count(chr(10), 0, match.start()) + 1}: {why}: {match[0][:60]}"
        for why, pattern in traps.items()
        for match in re.finditer(pattern, without, re.IGNORECASE)
    ]


def name(path):
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("template", TEMPLATES, ids=name)
def test_template_has_none_of_the_traps(template):
    assert found(template.read_text(), TRAPS) == []


@pytest.mark.parametrize("script", SCRIPTS, ids=name)
def test_script_has_none_of_the_traps(script):
    source = re.sub(r"/\*.*?\*/|(?<!:)//[^\n]*", "", script.read_text(), flags=re.DOTALL)
    assert found(source, SCRIPT_TRAPS) == []


@pytest.mark.parametrize("template", TEMPLATES, ids=name)
def test_every_posting_form_carries_a_csrf_token(template):
    forms = re.findall(r"<form\b[^>]*method=[\"']post[\"'].*?</form>", template.read_text(), re.DOTALL | re.IGNORECASE)
    assert [form[:80] for form in forms if "csrf" not in form] == []


@pytest.mark.parametrize(
    "trap",
    [
        '<a hx-trigger="click[!event.ctrlKey]">',
        '<a hx-on:click="go()">',
        """<a hx-vals='js:{a: 1}'>""",
        """<a hx-swap='morph:{"ignoreActive":true}'>""",
        '<p style="color: red">',
        "<style>p {}</style>",
        "<script>go()</script>",
        '<button class="x" onclick="go()">',
        '<a href="javascript:go()">',
        '<script src="https://elsewhere.example/x.js"></script>',
        "{{ reason|safe }}",
        "{{ at|when }} UTC",
    ],
)
def test_the_lint_finds(trap):
    assert found(trap, TRAPS)


@pytest.mark.parametrize(
    "fine",
    [
        '<section hx-get="/" hx-trigger="every 3s, refresh from:body" hx-swap="morph:innerHTML">',
        """<a hx-vals='{"limit": 5}'>""",
        '<script src="/static/js/desk.js" defer></script>',
        "{# never style= here #}",
        '<td data-col="reason">{{ reason }}</td>',
    ],
)
def test_the_lint_lets_through(fine):
    assert found(fine, TRAPS) == []
