"""What tests of this room share."""

import re


def tex_faults(text: str) -> list[str]:
    """What would keep a table from compiling, or put a cell in the wrong column."""
    faults = []
    body = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
    begun = re.findall(r"\\begin\{(\w+)\}", body)
    if begun != ["tabular"] or re.findall(r"\\end\{(\w+)\}", body) != ["tabular"]:
        faults.append(f"environments: {begun}")
    columns = re.search(r"\\begin\{tabular\}\{([lrc]+)\}", body)
    width = len(columns[1]) if columns else 0
    plain = re.sub(r"\\[\\&%$#_{}]", "", body.replace("\\\\\n", "\n"))
    for line in plain.splitlines():
        if line.startswith("\\") and "&" not in line and not line.startswith("\\texttt"):
            continue
        if line.count("&") != width - 1:
            faults.append(f"{line.count('&') + 1} of {width} cells: {line}")
    outside = re.sub(r"\$[^$\n]*\$", "", plain)
    faults += [f"bare {letter}" for letter in "%#_^$~<>" if letter in outside]
    if plain.count("{") != plain.count("}"):
        faults.append("braces")
    faults += [f"no letter of LaTeX: {letter!r}" for letter in set(body) if ord(letter) > 255]
    return faults
