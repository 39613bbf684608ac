#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Small bugs, one at a time, in C code of the kernel's style.

mutants.py list FILE...                  all of them, a line each: KEY<tab>FILE<tab>LINE<tab>WHAT
mutants.py shuffle FILE...               the same, in an order that has nothing to do with the files'
mutants.py apply DIR FILE KEY            puts one into DIR/FILE
mutants.py judge ALL RESULTS SURVIVORS   counts; what survived and is not in SURVIVORS is an error

FILE is a path or PATH:FUNCTION,... for these functions alone.

A KEY is made of the function, the line's text and what becomes of it, so that it stays when lines
move. ALL is what list or shuffle said. RESULTS has lines KEY<tab>FILE<tab>LINE<tab>WHAT<tab>found,
survived or broken (does not compile); SURVIVORS has lines KEY<tab>REASON.
"""
import hashlib
import re
import sys

SWAPS = [
    (r" < ", " <= "), (r" < ", " > "), (r" <= ", " < "), (r" > ", " >= "), (r" > ", " < "), (r" >= ", " > "),
    (r" == ", " != "), (r" != ", " == "), (r" && ", " || "), (r" \|\| ", " && "), (r" \+ ", " - "),
    (r" - ", " + "), (r" \+= ", " -= "), (r" -= ", " += "), (r"\+\+", "--"), (r"--", "++"), (r" << ", " >> "),
    (r" >> ", " << "), (r" & ", " | "), (r" \|= ", " &= "), (r" &= ", " |= "), (r"!(?=[\w(])", ""), (r"\btrue\b", "false"),
    (r"\bfalse\b", "true"), (r"\bmin\(", "max("), (r"\bmax\(", "min("), (r"\bmin3\(", "max3("),
    (r"(?<![\w.])0(?![\w.])", "1"), (r"(?<![\w.])1(?![\w.])", "0"), (r"(?<![\w.])1(?![\w.])", "2"),
    (r"(?<![\w.])2(?![\w.])", "1"), (r"\bbreak;", "continue;"), (r"\bcontinue;", "break;"),
    (r"return 0;", "return -EINVAL;"), (r"return -E\w+;", "return 0;"), (r"\]", " + 1]"), (r"\]", " - 1]"),
    (r"(?<=[=<>+-] )((?:[a-z_]\w*(?:->|\.))*[a-z_]\w*)(?=[;,)])", r"\1 + 1"),
    (r"(?<=[=<>+-] )((?:[a-z_]\w*(?:->|\.))*[a-z_]\w*)(?=[;,)])", r"\1 - 1"),
    (r"(?<=, )([a-z_]\w*)(?=\))", r"\1 + 1"), (r"->index\b", "->num_pages"), (r"->num_pages\b", "->index"),
    (r"->phys\b", "->dma_addr"), (r"->dma_addr\b", "->phys"), (r"\bnum_mapped\b", "num_populated"),
    (r"\bnum_populated\b", "num_mapped"), (r"\bmapped\b", "linked"), (r"\blinked\b", "mapped"),
    (r"\bdma_run_end\b", "dma_run_size"), (r"\bdma_run_offset\b", "dma_run_size"), (r"\bdma_run_size\b", "dma_run_offset"),
    (r"->num_runs\b", "->max_runs"), (r"->max_runs\b", "->num_runs"), (r"->offset\b", "->size"), (r"->size\b", "->offset"),
    (r" \* ", " / "), (r" / ", " * "), (r"\bU64_MAX\b", "U32_MAX"),
]


def others(*names):
    """Each of these instead of the next one."""
    return [(rf"\b{name}\b", names[(n + 1) % len(names)]) for n, name in enumerate(names)]


# What came later: none of it makes again what SWAPS makes of a line, so that keys stay.
MORE = [
    # The wrong direction.
    *others("DMA_TO_DEVICE", "DMA_FROM_DEVICE"), (r"\bDMA_BIDIRECTIONAL\b", "DMA_TO_DEVICE"),
    (r"\bDMA_BIDIRECTIONAL\b", "DMA_FROM_DEVICE"), (r"for_cpu\(", "for_device("), (r"for_device\(", "for_cpu("),
    (r"\bfor_device\b(?! =)", "!for_device"), (r"\b\w+->dir\b(?! =)", "DMA_TO_DEVICE"),
    (r"\b\w+->dir\b(?! =)", "DMA_FROM_DEVICE"), (r"(?<=[( ])dir(?=[,);])", "DMA_TO_DEVICE"),
    (r"(?<=[( ])dir(?=[,);])", "DMA_FROM_DEVICE"), (r"(?<=[( ])direction(?=[,);])", "DMA_TO_DEVICE"),
    (r"(?<=[( ])direction(?=[,);])", "DMA_FROM_DEVICE"), *others("IOMMU_READ", "IOMMU_WRITE"),
    # The wrong flag.
    (r"\b__GFP_ZERO\b", "__GFP_NOWARN"), (r"\b__GFP_NOWARN\b", "__GFP_ZERO"), (r"\b__GFP_DMA32\b", "__GFP_HIGHMEM"),
    (r"\b__GFP_NORETRY\b", "__GFP_NOFAIL"), (r"\b__GFP_COMP\b", "__GFP_NORETRY"), (r"\bGFP_NOWAIT\b", "GFP_KERNEL"),
    *others("FOLL_WRITE", "FOLL_LONGTERM"), *others("VM_PFNMAP", "VM_MIXEDMAP"), *others("VM_DONTEXPAND", "VM_DONTDUMP"),
    (r"\bVM_IO\b", "VM_PFNMAP"), *others("VM_WRITE", "VM_MAYWRITE"), *others("VM_SHARED", "VM_MAYSHARE"),
    *others("VM_MAP", "VM_IOREMAP"), *others("VM_FAULT_NOPAGE", "VM_FAULT_SIGBUS", "VM_FAULT_FALLBACK"),
    (r"\bVM_FAULT_OOM\b", "VM_FAULT_SIGBUS"), *others("DMA_ATTR_SKIP_CPU_SYNC", "DMA_ATTR_NO_BOUNCE", "DMA_ATTR_MMIO"),
    *others("DMA_ATTR_NO_KERNEL_MAPPING", "DMA_ATTR_WRITE_COMBINE"), *others("DMA_ATTR_CC_SHARED", "DMA_ATTR_PRIVILEGED"),
    *others("DMA_RESV_USAGE_KERNEL", "DMA_RESV_USAGE_BOOKKEEP"),
    *others("DRM_GEM_BO_CACHED", "DRM_GEM_BO_WRITE_COMBINED", "DRM_GEM_BO_UNCACHED"),
    # A part of what undoes.
    (r"\bgoto \w+;", ";"),
]
DECLARATION = re.compile(r"\s*(const |static |struct |enum |unsigned |[us](8|16|32|64) |int |long |bool |size_t |ssize_t "
                         r"|dma_addr_t |phys_addr_t |pgoff_t |pgprot_t |gfp_t |void \*|vm_fault_t |LIST_HEAD|DEFINE_)")
STATEMENT = re.compile(r"\t+(?!return\b|break;|continue;|goto\b|default:|case\b|else\b)[^{}]*;$")


def blank(text):
    """Without comments, strings and preprocessor lines, every character where it was."""
    def spaces(match):
        return re.sub(r"[^\n]", " ", match.group(0))
    text = re.sub(r'/\*.*?\*/|//[^\n]*|"(\\.|[^"\\\n])*"', spaces, text, flags=re.S)
    return re.sub(r"(?m)^#(?:[^\n]*\\\n)*[^\n]*", spaces, text)


def functions(lines):
    """(name, first line of the body, line behind it)"""
    start = None
    for number, line in enumerate(lines):
        if line == "{":
            start = number
        elif line.startswith("}") and start is not None:
            head = " ".join(lines[max(0, start - 4):start])
            names = re.findall(r"(\w+)\(", head.rsplit("}", 1)[-1].rsplit(";", 1)[-1])
            yield (names[0] if names else "?"), start + 1, number
            start = None


def conditions(line):
    """The text of "if (...)" and the like that ends in this line."""
    for match in re.finditer(r"\b(if|while) \(", line):
        depth, end = 1, match.end()
        while depth and end < len(line):
            depth += {"(": 1, ")": -1}.get(line[end], 0)
            end += 1
        if not depth:
            yield match.end(), end - 1


def more_of_line(line, code, seen):
    """What MORE makes of it, unless that was seen."""
    for pattern, new in MORE:
        for match in re.finditer(pattern, code):
            text = line[:match.start()] + new + line[match.end():]
            if text not in seen:
                seen.add(text)
                yield text


def of_line(line, code, before):
    """(what the line becomes)"""
    for start, end in conditions(code):
        yield f"{line[:start]}!({line[start:end]}){line[end:]}"
        if line.lstrip().startswith(("if", "else if")):
            yield f"{line[:start]}true{line[end:]}"
            yield f"{line[:start]}false{line[end:]}"
    for pattern, new in SWAPS:
        for match in re.finditer(pattern, code):
            yield line[:match.start()] + match.expand(new) + line[match.end():]
    match = re.match(r"(\t+return )([^;]+);$", code)
    if match and not re.match(r"(0|-E\w+|true|false)$", match[2]):
        yield f"{match[1]}!({line[match.end(1):match.end(2)]});"
        yield f"{match[1]}({line[match.end(1):match.end(2)]}) + 1;"
    whole = before.rstrip().endswith((";", "{", "}", ":", ")", "else")) or not before.strip()
    if STATEMENT.match(code) and whole and not DECLARATION.match(code):
        yield re.match(r"\t+", line)[0] + ";"


def split(path):
    """(path, names of functions) of PATH:FUNCTION,..."""
    path, _, names = path.partition(":")
    return path, names.split(",") if names else []


def code_of(path):
    """The lines, and the same as blank() makes them."""
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    code = blank("\n".join(lines)).splitlines()
    return lines, code + [""] * (len(lines) - len(code))


def bodies(path):
    """functions() of those that PATH:FUNCTION,... names; all of a file without names."""
    path, names = split(path)
    found = [f for f in functions(code_of(path)[1]) if not names or f[0] in names]
    missing = set(names) - {f[0] for f in found}
    if missing:
        sys.exit(f"{path} has no function {', '.join(sorted(missing))}")
    return found


def of_file(path):
    lines, code = code_of(split(path)[0])
    for name, start, end in bodies(path):
        before, count = "", {}
        for number in range(start, end):
            made = list(of_line(lines[number], code[number], before))
            made += more_of_line(lines[number], code[number], set(made))
            for new in made:
                what = f"{name}: {lines[number].strip()} -> {new.strip()}"
                count[what] = count.get(what, 0) + 1
                key = hashlib.sha256(f"{what}#{count[what]}".encode()).hexdigest()[:12]
                yield key, number, what, new
            before = code[number] if code[number].strip() else before


def everything(paths):
    return [(key, split(path)[0], number + 1, what) for path in paths for key, number, what, _ in of_file(path)]


def apply(directory, path, wanted):
    path = f"{directory}/{path}"
    for key, number, _, new in of_file(path):
        if key == wanted:
            with open(path, encoding="utf-8") as file:
                lines = file.read().split("\n")
            lines[number] = new
            with open(path, "w", encoding="utf-8") as file:
                file.write("\n".join(lines))
            return
    sys.exit(f"{path} has no mutant {wanted}")


def table(path):
    with open(path, encoding="utf-8") as file:
        return [line.rstrip("\n").split("\t") for line in file if line.strip() and line[0] != "#"]


def judge(all_path, results_path, survivors_path):
    rows, there = table(results_path), {row[0] for row in table(all_path)}
    known = {row[0]: row[1] for row in table(survivors_path)}
    count = {word: sum(row[4] == word for row in rows) for word in ("found", "survived", "broken")}
    tried = count["found"] + count["survived"]
    print(f"{tried} mutants, {count['found']} found ({100 * count['found'] / max(tried, 1):.1f} %), "
          f"{count['survived']} survived; {count['broken']} more do not compile")
    bad = 0
    for key, path, line, what, result in rows:
        if result == "survived" and key not in known:
            print(f"SURVIVED {key} {path}:{line}: {what}")
            bad += 1
        elif result == "found" and key in known:
            print(f"{key} is listed as a survivor, but was found: {what}")
            bad += 1
    for key in sorted(known.keys() - there):
        print(f"{key} is listed as a survivor, but there is no such mutant")
        bad += 1
    return bad


def main(argv):
    if len(argv) > 2 and argv[1] == "list":
        rows = everything(argv[2:])
    elif len(argv) > 2 and argv[1] == "shuffle":
        rows = sorted(everything(argv[2:]))
    elif len(argv) == 5 and argv[1] == "apply":
        return apply(*argv[2:])
    elif len(argv) == 5 and argv[1] == "judge":
        return 1 if judge(*argv[2:]) else 0
    else:
        sys.exit(__doc__)
    for row in rows:
        print("\t".join(map(str, row)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
