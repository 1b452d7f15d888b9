#!/usr/bin/python3
"""Writes include/wire/domainmap.def: how a domain's characters are mapped before IDNA looks at them.

RFC 5895 2: upper case to lower case, full and half width to their ordinary forms, the
ideographic full stop to a dot. Only mappings that end in something IDNA2008 allows are kept: the
others are refused with or without them. Source: the Unicode tables of Python.

    tests/data/make-domainmap.py > include/wire/domainmap.def
"""
import sys
import unicodedata


def stable(c):
    """IDNA2008 calls a letter that folding or NFKC would change DISALLOWED (RFC 5892 2.2);
    sharp s is its exception (2.6)."""
    if c == "\u00df":
        return True
    nfkc = unicodedata.normalize("NFKC", c)
    return unicodedata.normalize("NFKC", nfkc.casefold()) == c


def mapped(code):
    c = chr(code)
    low = c.lower()
    decomposition = unicodedata.decomposition(c)
    if len(low) == 1 and low != c and stable(low):
        return ord(low)
    if decomposition.startswith(("<wide>", "<narrow>")):
        wide = chr(int(decomposition.split()[1], 16)).lower()
        if wide in ("\u3002", "."):
            return ord(".")
        if unicodedata.category(wide)[0] not in "LMN" and wide not in "-\u30fb":
            return None
        # voiced marks join the kana before them in NFC
        return ord(wide) if stable(wide) or ord(wide) in (0x3099, 0x309A) else None
    return ord(".") if code == 0x3002 else None


def rows(pairs):
    """Runs with equal distance between code points (1 or 2) and equal difference."""
    out = []
    for code, to in pairs:
        if out:
            first, last, step, delta = out[-1]
            gap = code - last
            if to - code == delta and (gap == step or (first == last and gap in (1, 2))):
                out[-1] = (first, code, gap, delta)
                continue
        out.append((code, code, 1, to - code))
    return out


pairs = [(c, mapped(c)) for c in range(0x80, 0x110000) if not 0xD800 <= c < 0xE000]
pairs = [(c, to) for c, to in pairs if to is not None]
print("/* Characters of a domain that stand for another one: lower case, ordinary width, dots.")
print(" *")
print(" * MAP(first, last, step, delta): each `step`-th code point from first to last moves by delta.")
print(f" * Made by tests/data/make-domainmap.py from Unicode {unicodedata.unidata_version}; sorted.")
print(" * U+0130 becomes two code points and is handled by the code. */")
for first, last, step, delta in rows(pairs):
    print(f"MAP(0x{first:04X}, 0x{last:04X}, {step}, {delta})")
print(len(rows(pairs)), "rows,", len(pairs), "code points", file=sys.stderr)
