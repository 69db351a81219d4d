"""Figures as people read them."""

from __future__ import annotations


def spell_seconds(value: float | None) -> str:
    """Spell a duration: `0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`; `unknown` for none."""
    if value is None:
        return "unknown"
    if value < 60:
        return f"{value:.1f} s" if value < 10 else f"{value:.0f} s"
    minutes, seconds = divmod(round(value), 60)
    if minutes < 60:
        return f"{minutes} min {seconds} s"
    return f"{minutes // 60} h {minutes % 60} min"


def spell_bytes(value: float | None) -> str:
    """Spell a size in binary units; `unknown` for none."""
    if value is None:
        return "unknown"
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.0f} {unit}"
        value /= 1024
    return f"{value:.1f} GiB"


def spell_figure(value: float) -> str:
    """Spell a number: thousands apart when large, four digits when small."""
    if abs(value) >= 1000 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.4g}"


def spell_money(value: float | None) -> str:
    """Spell dollars, small amounts to two digits that say something; a dash for unknown."""
    if value is None:
        return "–"
    return f"${value:.2g}" if 0 < value < 0.01 else f"${value:,.2f}"
