"""Pages of the form for concerns: they work without script, by keyboard alone, and on a phone."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING

from fairsk._core.markup import SCOPE
from fairsk._core.messages import shorten
from fairsk._core.results import printable
from fairsk.monitoring._service.texts import name_of

if TYPE_CHECKING:
    from fairsk.monitoring._concerns import ConcernStatus

__all__ = ["FormPages"]

#: Languages that are written from right to left.
_RIGHT_TO_LEFT = frozenset({"ar", "dv", "fa", "he", "ku", "ps", "sd", "ug", "ur", "yi"})
#: More of a field is not shown again: no field takes it.
_LONGEST_SHOWN = 300
#: Controls are as high as a finger is wide, and their letters large enough that a phone does not zoom in.
_FORM_STYLE = """\
main{padding-bottom:2rem}
form{max-width:40rem;margin:1.2rem 0}
.field{margin:0 0 1.4rem;padding:0;border:0;min-width:0}
.wrong{border-inline-start:4px solid var(--bad);padding-inline-start:.9rem}
.field>label,legend{font-weight:600;padding:0}
label span{font-weight:400;color:var(--soft)}
.hint{color:var(--soft);font-size:.92rem;margin:.1rem 0 .4rem}
.error{color:var(--bad);font-weight:600;margin:.2rem 0 .4rem}
input[type=text],select,textarea{display:block;width:100%;min-height:2.9rem;margin-top:.3rem;\
padding:.55rem .7rem;font:inherit;font-size:16px;color:var(--ink);background:var(--ground);\
border:1px solid var(--soft);border-radius:8px}
textarea{min-height:9rem;resize:vertical}
.choice{display:flex;align-items:center;gap:.7rem;min-height:2.75rem}
.choice input{flex:none;width:1.4rem;height:1.4rem;margin:0;accent-color:var(--accent)}
.choice label{flex:1;padding:.45rem 0}
button{font:inherit;font-size:16px;font-weight:600;min-height:2.9rem;padding:.55rem 1.6rem;border-radius:8px;\
border:2px solid var(--accent);background:var(--accent);color:var(--ground);cursor:pointer}
.said{background:var(--panel);border:1px solid var(--rule);border-inline-start:5px solid var(--good);\
border-radius:10px;padding:.8rem 1.1rem;max-width:40rem;margin:1rem 0}
.said.bad{border-inline-start-color:var(--bad)}
.said h2{font-size:1.1rem;margin:0 0 .3rem}
.said ul{list-style:none;margin:.3rem 0;padding:0}
.said a,.more a{display:inline-block;padding:.3rem 0}
.fairsk.fairsk .said dt,.fairsk.fairsk .said dd{padding-inline:0}
"""
_POLICY = "default-src 'none'; style-src 'sha256-{style}'; img-src data:; base-uri 'none'; form-action 'self'"


@dataclass(frozen=True)
class FormPages:
    """The pages of a form.

    Parameters
    ----------
    texts : mapping of str to str
        What they say.
    language : str
        The language of the texts.
    categories : sequence of str
        What a concern may be about.
    groups : sequence of str
        The groups that a sender may name; without any, the form does not ask.
    most_text : int or None
        How many characters a text may have; None if none is taken.
    takes_tickets : bool
        Whether there are tickets.
    """

    texts: Mapping[str, str]
    language: str
    categories: Sequence[str]
    groups: Sequence[str]
    most_text: int | None
    takes_tickets: bool

    @cached_property
    def style(self) -> str:
        """The style of the pages: that of all pages, and what forms need."""
        from fairsk._pages.style import PAGE_STYLE

        return PAGE_STYLE + _FORM_STYLE

    @cached_property
    def policy(self) -> str:
        """The content security policy of the pages."""
        return _POLICY.format(style=base64.b64encode(hashlib.sha256(self.style.encode()).digest()).decode())

    def concern(self, values: Mapping[str, str], errors: Sequence[str] = (), alert: str = "") -> str:
        """Write the form.

        Parameters
        ----------
        values : mapping of str to str
            What the fields hold, the hidden key among them.
        errors : sequence of str, default=()
            Fields that are wrong.
        alert : str, default=""
            The name of a text about the whole of the form.
        """
        known = {"category": "category-1"}  # where a link to a field leads: of a choice, to the first
        links = [f'<li><a href="#{known.get(name, name)}">{self._error(name)}</a></li>' for name in errors]
        summary = self._alert("problem", [*([f"<p>{self._say(alert)}</p>"] if alert else []), *_list(links)])
        fields = [self._categories(values.get("category", ""), wrong="category" in errors)]
        if self.takes_tickets:
            fields.insert(0, self._ticket(values.get("ticket", ""), "ticket" in errors, optional=True))
        if self.groups:
            fields.append(self._groups(values.get("group", ""), wrong="group" in errors))
        if self.most_text is not None:
            fields.append(self._text(values.get("text", ""), wrong="text" in errors))
        body = [
            summary if errors or alert else "",
            '<form method="post" action="form" novalidate autocomplete="off">',
            f'<input type="hidden" name="key" value="{escape(values.get("key", ""))}">',
            *fields,
            f'<button type="submit">{self._say("send")}</button>\n</form>',
            f'<p class="more"><a href="form/status">{self._say("look_up")}</a></p>'
            if self.takes_tickets
            else "",
        ]
        return self._page("title", body, ["lead", "privacy"], wrong=bool(errors or alert))

    def receipt(self, number: int, is_new: bool, ticket: str) -> str:
        """Write what is said of a concern that has been stored."""
        said = self._say("received" if is_new else "known", number=number)
        body = [f'<div class="said" role="status"><p>{said}</p>']
        if ticket:
            body += [
                f"<p>{self._say('keep_ticket')}</p></div>",
                '<form method="post" action="form/status">',
                f'<input type="hidden" name="ticket" value="{escape(ticket)}">',
                f'<button type="submit">{self._say("look_up")}</button>\n</form>',
            ]
        else:
            body.append(f"<p>{self._say('keep_number')}</p></div>")
        body.append(f'<p class="more"><a href="form">{self._say("another")}</a></p>')
        return self._page("received_title", body)

    def status(self, ticket: str = "", error: str = "", found: ConcernStatus | None = None) -> str:
        """Write the form that looks up a concern, and what was found.

        Parameters
        ----------
        ticket : str, default=""
            What the field holds.
        error : str, default=""
            The name of the text that says why nothing was found.
        found : ConcernStatus, optional
            What was found.
        """
        body = []
        if error:
            links = [f'<li><a href="#ticket">{self._say(error)}</a></li>']
            body.append(self._alert("status_problem", _list(links)))
        if found is not None:
            rows = {"state": name_of(self.texts, "state", found.state), "since": _time(found.since)}
            if found.reason is not None:
                rows["reason"] = name_of(self.texts, "reason", found.reason)
            body += [
                '<div class="said" role="status" tabindex="-1" autofocus>',
                f"<h2>{self._say('status_found', number=found.number)}</h2>\n<dl>",
                *(f"<dt>{self._say(name)}</dt><dd>{_show(value)}</dd>" for name, value in rows.items()),
                "</dl></div>",
            ]
        body += [
            '<form method="post" action="status" novalidate autocomplete="off">',
            self._ticket(ticket, bool(error), optional=False, error=error),
            f'<button type="submit">{self._say("look_up")}</button>\n</form>',
            f'<p class="more"><a href="../form">{self._say("title")}</a></p>',
        ]
        return self._page("status_title", body, ["status_lead"], wrong=bool(error))

    def refusal(self, text: str, *, at_status: bool) -> str:
        """Write why nothing was done.

        Parameters
        ----------
        text : str
            The name of the text that says it.
        at_status : bool
            Whether a concern was to be looked up.
        """
        here = ("status", "look_up") if at_status else ("form", "title")
        body = [
            f'<div class="said bad" role="alert"><p>{self._say(text)}</p></div>',
            f'<p class="more"><a href="{here[0]}">{self._say(here[1])}</a></p>',
        ]
        return self._page("refused_title", body)

    def _say(self, name: str, *, number: int | None = None) -> str:
        text = self.texts[name]
        if number is not None:
            text = text.replace("{number}", f"{number}")
        if self.most_text is not None:
            text = text.replace("{most}", f"{self.most_text:,}")
        return escape(text)

    def _error(self, name: str) -> str:
        return self._say(f"{name}_error")

    def _alert(self, heading: str, parts: Sequence[str]) -> str:
        return (
            '<div class="said bad" role="alert" tabindex="-1" autofocus aria-labelledby="problem">'
            f'<h2 id="problem">{self._say(heading)}</h2>\n{chr(10).join(parts)}</div>'
        )

    def _label(self, name: str, *, optional: bool) -> str:
        added = f" <span>{self._say('optional')}</span>" if optional else ""
        return f'<label for="{name}">{self._say(name)}{added}</label>'

    def _notes(self, name: str, *, hint: bool, error: str) -> tuple[str, str]:
        """Return the notes of a field, and the attributes by which they are read out with it."""
        notes, names = [], []
        if hint:
            notes.append(f'<p class="hint" id="{name}-hint">{self._say(f"{name}_hint")}</p>')
            names.append(f"{name}-hint")
        if error:
            notes.append(f'<p class="error" id="{name}-error">{self._say(error)}</p>')
            names.append(f"{name}-error")
        described = f' aria-describedby="{" ".join(names)}"' if names else ""
        return "\n".join(notes), described + (' aria-invalid="true"' if error else "")

    def _ticket(self, value: str, wrong: bool, *, optional: bool, error: str = "ticket_error") -> str:
        notes, attributes = self._notes("ticket", hint=optional, error=error if wrong else "")
        control = (
            f'<input type="text" id="ticket" name="ticket" value="{_value(value)}" autocapitalize="none" '
            f'spellcheck="false" dir="ltr"{attributes}>'
        )
        return _field(self._label("ticket", optional=optional), notes, control, wrong)

    def _categories(self, value: str, *, wrong: bool) -> str:
        notes, attributes = self._notes("category", hint=False, error="category_error" if wrong else "")
        choices = [
            f'<div class="choice"><input type="radio" id="category-{i}" name="category" '
            f'value="{escape(name)}"{" checked" if name == value else ""}><label for="category-{i}">'
            f"{_show(name_of(self.texts, 'category', name))}</label></div>"
            for i, name in enumerate(self.categories, 1)
        ]
        legend = f"<legend>{self._say('category')}</legend>\n{notes}"
        return (
            f'<fieldset class="field{" wrong" if wrong else ""}" role="radiogroup"{attributes}>{legend}\n'
            f"{chr(10).join(choices)}\n</fieldset>"
        )

    def _groups(self, value: str, *, wrong: bool) -> str:
        notes, attributes = self._notes("group", hint=True, error="group_error" if wrong else "")
        options = [f'<option value="">{self._say("group_none")}</option>'] + [
            f'<option value="{escape(name)}"{" selected" if name == value else ""}>'
            f"{_show(name_of(self.texts, 'group', name))}</option>"
            for name in self.groups
        ]
        control = f'<select id="group" name="group"{attributes}>\n{chr(10).join(options)}\n</select>'
        return _field(self._label("group", optional=True), notes, control, wrong)

    def _text(self, value: str, *, wrong: bool) -> str:
        notes, attributes = self._notes("text", hint=True, error="text_error" if wrong else "")
        # A browser drops a line break that directly follows the tag.
        control = (
            f'<textarea id="text" name="text" rows="6" dir="auto"{attributes}>\n{escape(value)}</textarea>'
        )
        return _field(self._label("text", optional=True), notes, control, wrong)

    def _page(self, title: str, body: Sequence[str], lead: Sequence[str] = (), *, wrong: bool = False) -> str:
        heading = self._say(title)
        shown = f"{self._say('problem')} - {heading}" if wrong and title == "title" else heading
        direction = "rtl" if self.language.partition("-")[0].lower() in _RIGHT_TO_LEFT else "ltr"
        return "\n".join(
            [
                "<!DOCTYPE html>",
                f'<html lang="{escape(self.language)}" dir="{direction}">',
                '<head>\n<meta charset="utf-8">',
                '<meta name="viewport" content="width=device-width, initial-scale=1">',
                '<meta name="referrer" content="no-referrer">',
                '<meta name="robots" content="noindex">\n<link rel="icon" href="data:,">',
                f"<title>{shown}</title>",
                f"<style>{self.style}</style>\n</head>",
                f'<body class="{SCOPE}">',
                f'<a class="skip" href="#content">{self._say("skip")}</a>',
                f"<header>\n<h1>{heading}</h1>",
                *(f"<p>{self._say(name)}</p>" for name in lead),
                '</header>\n<main id="content" tabindex="-1">',
                *filter(None, body),
                f"</main>\n<footer><div><p>{self._say('footer')}</p></div></footer>\n</body>\n</html>\n",
            ]
        )


def _field(label: str, notes: str, control: str, wrong: bool) -> str:
    return f'<div class="field{" wrong" if wrong else ""}">{label}\n{notes}\n{control}</div>'


def _list(items: Sequence[str]) -> list[str]:
    return [f"<ul>\n{chr(10).join(items)}\n</ul>"] if items else []


def _show(text: str) -> str:
    return escape(printable(text))


def _value(text: str) -> str:
    """Write what was entered in one line as the value of an attribute."""
    return escape(printable(shorten(text, _LONGEST_SHOWN)))


def _time(since: str) -> str:
    """Write an hour as people read it."""
    return since.replace("T", " ").replace("Z", " UTC")
