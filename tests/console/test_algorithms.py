"""The pages of algorithms: the contract with cells, a form that writes the search, and rows to try a model with."""

from __future__ import annotations

import html
import json
import re
import urllib.request
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest

from dltk_runtime.access import file
from dltk_runtime.access.file import TokenEntry
from dltk_runtime.access.holder import Right
from tests.conftest import write_notebook
from tests.console import use
from tests.console.browser import ADMIN, Browser
from tests.console.hostile import HOSTILE
from tests.support.service import Service

pytestmark = pytest.mark.process

DATA = "a,b\n1,x\n2,y\n"
PAGE = "/ui/algorithms/typed"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("algorithms")
    use.write(folder / "notebooks", "typed")
    write_notebook(folder / "notebooks", "healthy")
    write_notebook(folder / "notebooks", "broken", apply="def apply(df): return df")
    entries = {"readers": ((Right.READ,), ("*",)), "some": ((Right.READ, Right.APPLY), ("healthy/*",))}
    for name, (rights, models) in entries.items():
        entry = TokenEntry(name=name, values=[], rights=list(rights), models=models)
        (folder / name).write_text(file.add(folder / "tokens.json", entry))
    variables = {"DLTK_ADMIN_TOKEN": ADMIN, "DLTK_TOKENS_FILE": str(folder / "tokens.json")}
    with Service(folder / "home", folder / "notebooks", **variables) as service:
        for algorithm, rows in (("typed", DATA + "3,z\n"), ("typed", DATA), ("healthy", DATA)):
            assert service.fit(algorithm, rows, "m")["status"] == "success"
        yield service


@pytest.fixture
def browser(service: Service) -> Browser:
    signed_in = Browser(service)
    assert signed_in.sign_in() == 303
    return signed_in


def search(browser: Browser, **query: str) -> str:
    """The search that the page shows for what was filled in."""
    found = re.search(r"<textarea[^>]*>(.*?)</textarea>", browser.get(f"{PAGE}?{urlencode(query)}"), re.DOTALL)
    assert found
    return html.unescape(found[1])


def test_the_list_says_what_each_is_for_and_whether_its_contract_holds(browser: Browser) -> None:
    text = " ".join(browser.get("/ui/algorithms").split())
    assert "Doubles &lt;i&gt;a&lt;/i&gt;" in text
    assert "<i>" not in text
    assert re.search(
        r"broken\.ipynb</td><td class=\"text\"><span class=\"badge bad\">1 problem</span> broken\.ipynb", text
    )


def test_the_page_shows_the_contract_with_cells(browser: Browser) -> None:
    text = " ".join(browser.get(PAGE).split())
    assert "For tests &amp; people." in text
    assert re.search(r"<code>fit\(model, df, param\)</code></th><td>needed</td><td[^>]*>typed.ipynb, cell 3", text)
    assert re.search(r"<code>summary\(model\)</code></th><td>optional</td><td[^>]*>not defined", text)
    assert "typed.ipynb, cell 2, line 1" in text
    assert "/ui/models/typed/m" in text
    broken = " ".join(browser.get("/ui/algorithms/broken").split())
    assert re.search(
        r'<li class="problem">broken\.ipynb, cell 4 \(mltkc_apply\), line 1: .*cannot be called as', broken
    )


def test_the_form_has_a_field_of_the_declared_type_for_each_parameter(browser: Browser) -> None:
    text = " ".join(browser.get(PAGE).split())
    assert 'name="param.epochs" value="100" type="number" step="1"' in text
    assert 'name="param.rate" value="0.01" type="number" step="any"' in text
    assert 'name="param.structure" value="32-16" autocomplete' in text
    assert 'name="param.depth" value="" type="number"' in text
    assert '<option value="true" selected>true (default)</option><option value="false">false</option>' in text
    assert '<option value="&lt;sgd&gt;">&lt;sgd&gt;</option>' in text
    assert "&lt;b&gt;size&lt;/b&gt; of a step; default 0.01" in text


def test_the_form_writes_a_search_that_splunk_reads_without_javascript(browser: Browser) -> None:
    filled = {"target": "y", "fields": 'x*, "my field"', "model": "churn", "param.epochs": "50"}
    filled |= {"param.rate": "0.01", "param.shuffle": "true", "param.structure": "64 32", "param.depth": ""}
    expected = '| fit MLTKContainer algo=typed epochs=50 structure="64 32" y from x* "my field" into app:churn'
    assert search(browser, **filled) == expected
    again = browser.get(f"{PAGE}?{urlencode(filled)}")
    assert 'name="param.epochs" value="50"' in again, "what was filled in stays"


def test_before_anything_is_filled_in_nothing_is_wrong(browser: Browser) -> None:
    assert search(browser) == "| fit MLTKContainer algo=typed … into …"
    assert 'class="problem"' not in browser.get(PAGE)


def test_a_value_that_the_notebook_would_refuse_is_marked(browser: Browser) -> None:
    text = browser.get(f"{PAGE}?{urlencode({'fields': 'x', 'model': 'm', 'param.epochs': 'ten'})}")
    assert (
        'value="ten" type="number" step="1" min="1" max="500" autocomplete="off" maxlength="4000" aria-invalid="true"'
        in text
    )
    assert "epochs is &#39;ten&#39;: expected an integer at least 1, at most 500." in text


def test_what_is_typed_stays_text(browser: Browser) -> None:
    plain = set(re.findall(r"<[a-zA-Z/!]+", browser.get(f"{PAGE}?fields=x&model=m")))
    for text in HOSTILE:
        query = urlencode(
            {"fields": text, "model": text, "target": text, "param.structure": text, "param.epochs": text}
        )
        assert set(re.findall(r"<[a-zA-Z/!]+", browser.get(f"{PAGE}?{query}"))) <= plain, text


def test_v1_writes_the_same_search(service: Service, browser: Browser) -> None:
    query = {"fields": "x", "model": "m", "param.epochs": "5"}
    answer = json.loads(service.send(f"/v1/algorithms/typed/search?{urlencode(query)}", None))
    assert answer == {"search": search(browser, **query), "problems": [], "invalid": []}
    assert service.status_of("/v1/algorithms/none/search") == 404


# ------------------------------------------------------------ try it

TRY = "/ui/models/typed/m/try"


def tried(browser: Browser, rows: str, path: str = TRY, **fields: str) -> tuple[int, str]:
    """Send pasted rows; the status and the page."""
    status, _, text = browser.ask("POST", path, {"form": browser.form(path), "rows": rows, **fields})
    return status, " ".join(text.split())


def cells(text: str) -> list[list[str]]:
    """The rows of the results, as they are shown."""
    table = re.search(r'aria-label="Rows of the results">(.*?)</table>', text, re.DOTALL)
    assert table, text
    rows = re.findall(r"<tr><th scope=\"row\">\d+</th>(.*?)</tr>", table[1], re.DOTALL)
    return [[html.unescape(cell) for cell in re.findall(r"<td>(.*?)</td>", row, re.DOTALL)] for row in rows]


def test_rows_that_are_pasted_come_back_as_table_and_plot(browser: Browser) -> None:
    status, text = tried(browser, DATA.replace("\n", "\r\n"))
    assert (status, cells(text)) == (200, [["2", "x", "2"], ["4", "y", "2"]])
    assert "Results of version 2" in text
    assert "2 rows in. All 2 rows of the results:" in text
    assert 'aria-label="doubled over 2 rows, from 2 to 4"' in text
    assert 'aria-label="text: x: 1, y: 1"' in text
    assert "a,b 1,x 2,y" in text, "the rows stay in the form"


def test_any_version_can_be_tried(browser: Browser) -> None:
    assert '<option value="1">1, fitted' in browser.get(TRY)
    status, text = tried(browser, DATA, version="1")
    assert (status, cells(text)[0]) == (200, ["2", "x", "3"])
    assert "Results of version 1" in text
    assert '<option value="1" selected>' in text
    status, text = tried(browser, DATA, version="9")
    assert (status, 'role="alert"' in text, "version 9" in text) == (404, True, True)
    assert tried(browser, DATA, version="x")[0] == 400


def test_a_file_is_taken_in_place_of_pasted_rows(browser: Browser) -> None:
    files = {"file": ("rows.csv", b"\xef\xbb\xbf" + DATA.encode())}
    status, text = browser.send_file(TRY, {"form": browser.form(TRY), "rows": "", "version": ""}, files)
    assert (status, cells(text)) == (200, [["2", "x", "2"], ["4", "y", "2"]])
    status, text = browser.send_file(TRY, {"form": browser.form(TRY)}, {"file": ("x.csv", b"a,b\n1,\xff\n")})
    assert (status, 'role="alert"' in text) == (400, True)


def test_the_same_rows_get_the_same_results_by_v1(service: Service, browser: Browser) -> None:
    _, text = tried(browser, DATA)
    request = urllib.request.Request(f"{service.url}/v1/models/typed/m/apply", DATA.encode())
    request.add_header("Authorization", f"Bearer {service.token}")
    request.add_header("Content-Type", "text/csv")
    with urllib.request.urlopen(request, timeout=60) as answer:
        lines = answer.read().decode().splitlines()
    assert [line.split(",") for line in lines[1:]] == cells(text)


def test_a_notebook_that_fails_is_shown_with_its_cell_and_line(browser: Browser) -> None:
    status, text = tried(browser, "a,b\n<b>one</b>,x\n")
    assert status == 422
    assert re.search(r'class="marked"> *\d+ +values = pd\.to_numeric', text), text
    assert "Cell 3 (mltkc_all), line 13" in text
    assert "<b>one" not in text


@pytest.mark.parametrize(
    ("rows", "status", "said"),
    [
        ("", 400, "There are no rows"),
        (" \r\n", 400, "There are no rows"),
        ("a\n1\n", 422, "lacks the field &#39;b&#39;"),
        ("a,b\n", 200, "0 rows in"),
    ],
)
def test_rows_that_cannot_be_applied_are_said(rows: str, status: int, said: str, browser: Browser) -> None:
    found, text = tried(browser, rows)
    assert (found, said in text) == (status, True), text


def test_of_many_rows_the_first_are_shown_and_that_is_said(browser: Browser) -> None:
    status, text = tried(browser, "a,b\n" + "1,x\n" * 1500)
    assert (status, len(cells(text))) == (200, 100)
    assert "1,500 rows in. The first 100 rows of the results:" in text
    assert "The plots are of the first 1,000 rows." in text
    status, text = tried(browser, "a,b\n" + "1,x\n" * 600_000)
    assert (status, "larger than the 2,048 KiB" in text) == (413, True)


def test_cells_stay_text(browser: Browser) -> None:
    plain = set(re.findall(r"<[a-zA-Z/!]+", tried(browser, "a,b\n1,x\n2,y\n")[1]))
    rows = "a,b\n" + "".join(
        f'{number},"{text.replace(chr(34), chr(34) * 2)}"\n' for number, text in enumerate(HOSTILE)
    )
    status, text = tried(browser, rows)
    assert status == 200
    assert set(re.findall(r"<[a-zA-Z/!]+", text)) <= plain
    assert len(cells(text)) == len(HOSTILE)
    for column in (f'"{each.replace(chr(34), chr(34) * 2)}"' for each in HOSTILE):
        status, text = tried(browser, f"a,b,{column}\n1,x,2\n")
        assert set(re.findall(r"<[a-zA-Z/!]+", text)) <= plain, column


def test_who_may_not_apply_is_told_how_and_changes_nothing(service: Service) -> None:
    reader = Browser(service)
    assert reader.sign_in((service.home.parent / "readers").read_text()) == 303
    text = reader.get(TRY)
    assert "may not apply models" in text
    assert "<textarea" not in text
    assert "/try" not in reader.get("/ui/models/typed/m")
    status, said = tried(reader, DATA)
    assert (status, "may read alone" in said) == (403, True)
    some = Browser(service)
    assert some.sign_in((service.home.parent / "some").read_text()) == 303
    assert tried(some, DATA, "/ui/models/healthy/m/try")[0] == 200
    form = some.form()
    assert some.ask("POST", TRY, {"form": form, "rows": DATA})[0] == 403


def test_a_form_of_another_session_applies_nothing(service: Service, browser: Browser) -> None:
    other = Browser(service)
    assert other.sign_in() == 303
    status, _, text = browser.ask("POST", TRY, {"form": other.form(), "rows": DATA})
    assert (status, "not of your session" in text) == (403, True)
    status, headers, _ = Browser(service).ask("POST", TRY, {"form": "", "rows": DATA})
    assert (status, headers["Location"]) == (303, "/ui/sign-in")
