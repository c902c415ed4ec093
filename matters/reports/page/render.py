"""Tables and texts as HTML, Markdown, LaTeX, CSV and JSON."""

import csv
import io
import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup, escape

from matters.reports.page.section import Table

TEMPLATES = Path(__file__).parent / "templates"
_CODE = re.compile(r"`([^`]+)`")
_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_STRONG = re.compile(r"\*([^*]+)\*")
_PERCENT = re.compile(r"(?<=\d) %")


def html(text: str) -> Markup:
    """A text with `code` and *stress* as HTML, everything else escaped."""
    parts = _CODE.split(str(escape(text)))  # code is every second one, and has stars of its own
    parts[1::2] = [f"<code>{code}</code>" for code in parts[1::2]]
    # No line ends between a number and its sign.
    parts[::2] = [_STRONG.sub(r"<em>\1</em>", _PERCENT.sub("\u00a0%", words)) for words in parts[::2]]
    return Markup("".join(parts))


def page(name: str, **content: Any) -> str:
    """A page from a template in `templates/`."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=lambda template: template is not None and ".html" in template,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"html": html, "markdown_table": markdown_table}
    text = environment.get_template(name).render(**content)
    # Markdown lets HTML through, and a title or an error may have some.
    return _TAG.sub("&lt;", text) if ".md" in name else text


def markdown_table(table: Table) -> str:
    """The table as GitHub's Markdown, numeric columns to the right."""
    lines = [
        "| " + " | ".join(table.columns) + " |",
        "|" + "|".join("---:" if column in table.numeric else "---" for column in table.columns) + "|",
    ]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in table.rows]
    return "\n".join(lines)


_TEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "−": r"$-$",
    "±": r"$\pm$",
    "≤": r"$\le$",
    "–": "--",
    "’": "'",
    "“": "``",
    "”": "''",
    "‖": r"$\Vert$",
    "≥": r"$\ge$",
    "×": r"$\times$",
    "→": r"$\to$",
    "←": r"$\leftarrow$",
    "…": r"\dots{}",
    "⁴": r"$^4$",
    "²": r"$^2$",
    "β": r"$\beta$",
    "α": r"$\alpha$",
    "κ": r"$\kappa$",
    "τ": r"$\tau$",
    "π": r"$\pi$",
    "₁": r"$_1$",
    "₂": r"$_2$",
    "½": r"$\frac12$",
    "ρ": r"$\rho$",
    "δ": r"$\delta$",
    "ε": r"$\varepsilon$",
    "λ": r"$\lambda$",
    "γ": r"$\gamma$",
    "σ": r"$\sigma$",
    "θ": r"$\theta$",
    "\u202f": r"\,",
}


def tex_text(text: str) -> str:
    """A text as LaTeX; `code` becomes typewriter. What LaTeX could not set becomes a question mark."""

    def safe(part: str) -> str:
        out = (_TEX.get(letter, letter) for letter in part)
        return "".join(letter if len(letter) > 1 or ord(letter) < 256 else "?" for letter in out)

    parts = _CODE.split(text)
    return "".join(rf"\texttt{{{safe(part)}}}" if k % 2 else safe(part) for k, part in enumerate(parts))


def tex(table: Table) -> str:
    """The table as a booktabs tabular; the document needs `\\usepackage{booktabs}`."""
    columns = "".join("r" if column in table.numeric else "l" for column in table.columns)
    lines = [
        f"% {' '.join(table.caption.split())}".replace("`", ""),
        "% \\usepackage{booktabs}",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        " & ".join(tex_text(column) for column in table.columns) + r" \\",
        r"\midrule",
        *(" & ".join(tex_text(cell) for cell in row) + r" \\" for row in table.rows),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as CSV, numbers with ten significant digits, nothing for what is not known."""
    out = io.StringIO()
    if rows:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(rows[0].keys())
        writer.writerows([_field(value) for value in row.values()] for row in rows)
    return out.getvalue()


def _field(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.10g}" if math.isfinite(value) else ""
    if isinstance(value, dict):
        return json.dumps(value, sort_keys=True)
    text = str(value)
    # A spreadsheet would take it for a formula, as in the message of an error from elsewhere.
    return f"'{text}" if text.startswith(_FORMULA) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def json_text(value: Any) -> str:
    """JSON with ten significant digits; what is not finite becomes null."""
    return json.dumps(_plain(value), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float):
        return float(f"{value:.10g}") if math.isfinite(value) else None
    return value if isinstance(value, (int, str)) else str(value)
