"""Style of pages: light, dark and printed; narrow and wide."""

from __future__ import annotations

from fairsk._core.markup import TABLE_STYLE

__all__ = ["PAGE_STYLE"]

PAGE_STYLE = f"""\
:root{{color-scheme:light dark;--ink:#1b2430;--soft:#566274;--rule:#dfe4ec;--ground:#fff;--panel:#f6f8fb;\
--accent:#1f5fbf;--good:#0b6b3a;--bad:#a61b1b;--open:#7a4d00;--none:#4b5563}}
@media (prefers-color-scheme:dark){{:root{{--ink:#e5e9f0;--soft:#a3adbd;--rule:#2d3644;--ground:#10151d;\
--panel:#18202b;--accent:#85b4ff;--good:#7fe0a8;--bad:#ff9d95;--open:#f5c869;--none:#b6bfcc}}}}
*{{box-sizing:border-box}}
html{{scroll-behavior:smooth;-webkit-text-size-adjust:100%}}
@media (prefers-reduced-motion:reduce){{html{{scroll-behavior:auto}}}}
body{{margin:0;background:var(--ground);color:var(--ink);\
font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;\
display:grid;grid-template-columns:minmax(0,1fr);overflow-wrap:anywhere}}
a{{color:var(--accent)}}
:focus-visible{{outline:3px solid var(--accent);outline-offset:2px;border-radius:3px}}
.skip{{position:absolute;left:-999em}}
.skip:focus{{left:1rem;top:1rem;background:var(--ground);padding:.5rem 1rem;z-index:9}}
header,nav,main,footer{{padding:0 clamp(1rem,4vw,3rem);width:100%;max-width:80rem;margin:0 auto}}
header{{padding-top:2.2rem}}
h1{{font-size:clamp(1.5rem,1.2rem + 1.4vw,2.15rem);line-height:1.2;margin:0 0 .5rem;letter-spacing:-.015em;\
font-weight:700}}
h2{{font-size:1.3rem;line-height:1.3;margin:0 0 .6rem;letter-spacing:-.01em;scroll-margin-top:1rem}}
p{{margin:.4rem 0;max-width:48rem}}
header p{{color:var(--soft)}}
nav{{padding-top:.9rem}}
nav ul{{list-style:none;display:flex;flex-wrap:wrap;gap:.3rem .5rem;margin:0;padding:0}}
nav a{{display:block;text-decoration:none;color:var(--soft);padding:.2rem .7rem;border:1px solid var(--rule);\
border-radius:1em;font-size:.9rem}}
nav a:hover{{color:var(--accent);border-color:currentColor}}
section{{margin:1.6rem 0;padding-top:1.5rem;border-top:1px solid var(--rule);min-width:0}}
section:first-child{{border-top:0;padding-top:.4rem}}
footer{{color:var(--soft);font-size:.87rem;padding-bottom:3rem}}
footer div{{border-top:1px solid var(--rule);padding-top:1rem}}
code,pre{{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:.85em}}
pre{{background:var(--panel);border:1px solid var(--rule);border-radius:8px;padding:1rem;max-height:30rem;\
overflow:auto;white-space:pre-wrap;overflow-wrap:anywhere}}
summary{{cursor:pointer;color:var(--accent);font-weight:600;padding:.3rem 0}}
.cards{{display:grid;grid-template-columns:repeat(auto-fit,minmax(12.5rem,1fr));gap:.8rem;margin:1rem 0;\
padding:0;list-style:none;max-width:70rem}}
.cards li{{background:var(--panel);border:1px solid var(--rule);border-left:5px solid var(--rule);\
border-radius:10px;padding:.75rem .95rem;min-width:0}}
.cards span,.cards small{{display:block;color:var(--soft);font-size:.85rem;line-height:1.4}}
.cards strong{{display:block;font-size:1.45rem;line-height:1.25;font-variant-numeric:tabular-nums;\
letter-spacing:-.01em;overflow-wrap:normal}}
.cards i{{font-style:normal}}
.cards [class] strong{{font-size:1.1rem;line-height:1.6;white-space:nowrap}}
.cards .good{{border-left-color:var(--good)}}.cards .good strong{{color:var(--good)}}
.cards .bad{{border-left-color:var(--bad)}}.cards .bad strong{{color:var(--bad)}}
.cards .open{{border-left-color:var(--open)}}.cards .open strong{{color:var(--open)}}
.cards .none{{border-left-color:var(--none)}}.cards .none strong{{color:var(--none)}}
figure{{margin:1.2rem 0}}
figcaption{{font-weight:600;font-size:.93rem;margin:0 .6rem .3rem}}
figcaption small{{display:block;font-weight:400;color:var(--soft);font-size:.9em}}
figure{{overflow-x:auto}}
figure svg{{display:block;max-width:100%;height:auto}}
figure+.fsk-box caption{{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);\
padding:0}}
{TABLE_STYLE}.fairsk .fsk-box{{margin:1rem 0;max-height:80vh;overflow:auto}}
.fairsk.fairsk table{{margin:0}}
.fairsk.fairsk thead th{{position:sticky;top:0;background:var(--ground);z-index:2}}
.fairsk.fairsk tbody th,.fairsk.fairsk thead th:first-child{{position:sticky;left:0;background:var(--ground)}}
.fairsk.fairsk thead th:first-child{{z-index:3}}
.fairsk .fsk-good{{color:var(--good)}}.fairsk .fsk-bad{{color:var(--bad)}}
.fairsk .fsk-open{{color:var(--open)}}.fairsk .fsk-none{{color:var(--none)}}
@media screen and (max-width:48rem){{figure svg{{max-width:none}}}}
@media screen and (max-width:40rem){{body{{font-size:15px}}\
.cards{{grid-template-columns:repeat(auto-fit,minmax(9rem,1fr))}}.cards strong{{font-size:1.15rem}}\
.cards [class] strong{{font-size:.95rem}}\
.fairsk.fairsk th,.fairsk.fairsk td{{padding:.35em .5em}}\
.fairsk.fairsk tbody th{{max-width:9.5em}}.fairsk .fsk-many{{display:inline-block;min-width:11em}}\
.fairsk.fairsk dl{{display:block}}\
.fairsk.fairsk dt{{max-width:none;padding-bottom:0}}.fairsk.fairsk dd{{border:0;padding-top:0}}}}
@media print{{:root{{--ink:#000;--soft:#333;--rule:#bbb;--ground:#fff;--panel:#fff;\
--good:#0b6b3a;--bad:#a61b1b;--open:#7a4d00;--none:#4b5563;color-scheme:light}}body{{font-size:10pt}}\
nav,.skip,details:not([open]){{display:none}}\
header,main,footer{{padding:0;max-width:none}}section{{margin:1em 0;padding-top:1em}}\
h2,caption{{break-after:avoid}}\
tr,figure,.cards li{{break-inside:avoid}}.fairsk.fairsk table{{font-size:8pt}}\
tr:has(+.fsk-below){{break-after:avoid}}figure{{overflow:visible}}\
.fairsk.fairsk td>small{{white-space:nowrap}}\
.fairsk .fsk-box{{max-height:none;overflow:visible}}\
.fairsk.fairsk thead th,.fairsk.fairsk tbody th{{position:static}}\
.fairsk.fairsk th,.fairsk.fairsk td{{padding:.25em .35em;white-space:normal}}\
.cards{{grid-template-columns:repeat(auto-fit,minmax(9rem,1fr))}}@page{{margin:15mm}}}}
"""
