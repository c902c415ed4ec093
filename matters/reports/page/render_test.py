"""Tables and texts: escaped for where they go, and LaTeX that compiles."""

import csv
import io
import json
import shutil
import subprocess
from types import SimpleNamespace

import pytest

from matters.reports.conftest import tex_faults
from matters.reports.page.formatting import interval_text, number, p_text, plural, short_steps, signed
from matters.reports.page.render import csv_text, html, json_text, markdown_table, page, tex, tex_text
from matters.reports.page.section import Table

TABLE = Table(
    name="t",
    caption="A caption with 100 % of `odd_names` & signs\nover two lines",
    columns=("name_of", "value ±", "p < 0.05"),
    rows=(("`a_b`#1", "−1.5", "< 0.001"), ("x|y & z_{2}^~\\", "\u202f12 – “q” ≤ θ", "$5")),
    data=(
        {"name": "a", "value": float("nan"), "flag": True},
        {"name": 'b,"c"', "value": 1 / 3, "flag": None},
    ),
    numeric=frozenset({"value ±"}),
)


def test_html_is_escaped_and_code_and_stress_are_marked():
    assert html("`a<b>` & *much*") == "<code>a&lt;b&gt;</code> &amp; <em>much</em>"
    assert html("`a*,b*` and *c*") == "<code>a*,b*</code> and <em>c</em>"


def test_latex_has_booktabs_and_no_bare_special_character():
    text = tex(TABLE)
    for rule in (r"\toprule", r"\midrule", r"\bottomrule", r"\begin{tabular}{lrl}"):
        assert rule in text
    assert r"name\_of" in text
    assert r"\texttt{a\_b}\#1" in text
    assert r"$-$1.5" in text
    assert text.splitlines()[0].startswith("% A caption")
    assert len([line for line in text.splitlines() if line.endswith(r"\\")]) == 3
    assert tex_text("θ 2⁴ ☃") == r"$\theta$ 2$^4$ ?"


def test_a_table_that_would_not_compile_is_found():
    good = tex(TABLE)
    assert tex_faults(good) == []
    for bad in (
        good.replace(r"\_", "_", 1),
        good.replace(r"\&", "&", 1),
        good.replace(r"\%", "%").replace("% A caption", "x %"),
        good.replace(r"\end{tabular}", ""),
        good.replace("lrl", "lr"),
        good.replace(r"\texttt{", r"\texttt", 1),
        good + "☃",
    ):
        assert tex_faults(bad) != [], bad


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no LaTeX here")
def test_latex_compiles(tmp_path):
    body = tex(TABLE)
    document = rf"\documentclass{{article}}\usepackage{{booktabs}}\begin{{document}}{body}\end{{document}}"
    (tmp_path / "t.tex").write_text(document)
    done = subprocess.run(
        ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "t.tex"], cwd=tmp_path, capture_output=True
    )
    assert done.returncode == 0, done.stdout.decode()[-800:]


def test_csv_reads_back_and_leaves_what_is_not_known_empty():
    rows = list(csv.DictReader(io.StringIO(csv_text(TABLE.data))))
    assert rows[0] == {"name": "a", "value": "", "flag": "True"}
    assert rows[1] == {"name": 'b,"c"', "value": "0.3333333333", "flag": ""}
    assert csv_text(()) == ""


def test_json_has_no_nan_and_ten_digits():
    assert json.loads(json_text(TABLE.data)) == [
        {"name": "a", "value": None, "flag": True},
        {"name": 'b,"c"', "value": 0.3333333333, "flag": None},
    ]


def test_a_number_and_its_percent_sign_stay_on_one_line():
    assert html("in 80 % of `x %`, 5 %") == "in 80\u00a0% of <code>x %</code>, 5\u00a0%"


def test_markdown_escapes_its_column_sign():
    lines = markdown_table(TABLE).splitlines()
    assert lines[1] == "|---|---:|---|"
    assert "x\\|y" in lines[3]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1234.5, "1234"),
        (54.32, "54.3"),
        (-0.0123, "−0.0123"),
        (0.0, "0"),
        (-0.0, "0"),
        (2e-14, "0"),
        (-0.09998, "−0.100"),
        (99.96, "100"),
        (None, "–"),
        (float("nan"), "–"),
    ],
)
def test_a_return_is_shown_to_three_digits_or_the_unit(value, text):
    assert number(value) == text


def test_numbers_that_stand_together_have_the_same_decimals():
    from matters.reports.statistics.intervals import Interval

    assert interval_text(Interval(-3.21, 344.4)) == "−3 to 344"
    assert interval_text(Interval(-0.0004, 0.1), "aggregate") == "0.000 to 0.100"
    assert interval_text(None) == "–"


def test_steps_are_short_where_figures_have_no_room():
    steps = (500, 4096, 50_000, 999_424, 1_000_000, 1_500_000, 10_000_000)
    assert [short_steps(n) for n in steps] == ["500", "4.1k", "50k", "999k", "1M", "1.5M", "10M"]


def test_signs_p_values_and_plurals():
    assert [signed(v, "aggregate") for v in (0.1, -0.1, 0.0)] == ["+0.100", "−0.100", "0.000"]
    assert [signed(v, "aggregate") for v in (1e-9, -1e-9)] == ["0.000", "0.000"]
    assert [p_text(v) for v in (0.0, 0.0005, 0.04, 1.0, None)] == [
        "< 0.001",
        "< 0.001",
        "0.040",
        "1.000",
        "–",
    ]
    assert [plural(n, "seed") for n in (0, 1, 2)] == ["0 seeds", "1 seed", "2 seeds"]


def test_no_cell_is_a_formula_and_numbers_stay_numbers():
    rows = [{"error": text, "value": -1.5} for text in ("=HYPERLINK(1)", "@x", "+1+1", "-1-1", "\tx", "-0.5")]
    found = [row[0] for row in csv.reader(io.StringIO(csv_text(rows)))][1:]
    assert found == ["'=HYPERLINK(1)", "'@x", "'+1+1", "'-1-1", "'\tx", "-0.5"]
    assert {row[1] for row in csv.reader(io.StringIO(csv_text(rows)))} == {"value", "-1.5"}


def test_markdown_holds_no_tag_from_elsewhere():
    texts = ("<script>alert(1)</script>", "<!-- a -->", "p < 0.05", "a<b>")
    report = SimpleNamespace(
        title=texts[0], summary=texts[1], notices=texts[2:], sections=(), parts=(), protocol=(), command="c"
    )
    found = page("report.md.jinja", report=report, identity="0" * 64)
    assert "<script" not in found
    assert "&lt;script>alert(1)&lt;/script>" in found
    assert "&lt;!-- a -->" in found
    assert "> p < 0.05" in found
    assert "> a&lt;b>" in found
