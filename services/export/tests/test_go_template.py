"""The renderer renders Ollama's own templates as Ollama does."""

import pytest

from graftline_export.go_template import GoTemplateError, render

CONVERSATION = [
    ("system", "You are a helpful assistant."),
    ("user", "Hello, how are you?"),
    ("assistant", "I'm doing great. How can I help you today?"),
    ("user", "I'd like to show off how chat templating works!"),
]
CASES = {
    "user": CONVERSATION[1:2],
    "user-assistant-user": CONVERSATION[1:],
    "system-user-assistant-user": CONVERSATION,
}


def values(turns):
    messages = [{"Role": role, "Content": content} for role, content in turns]
    system = "\n\n".join(content for role, content in turns if role == "system")
    return {"System": system, "Messages": messages, "Response": ""}


def test_ollamas_goldens(ollama_templates):
    checked = []
    for folder in sorted((ollama_templates / "testdata").glob("*.gotmpl")):
        template = (ollama_templates / folder.name).read_text()
        if ".Messages" not in template:
            continue  # rendered turn by turn by Ollama, in another way
        for case, turns in CASES.items():
            expected = (folder / case).read_text()
            assert render(template, values(turns)).strip() == expected.strip(), (folder.name, case)
            checked.append(folder.name)
    assert len(checked) >= 30


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("a {{- `x` -}} b", "axb"),
        ('{{ if eq .S "s" "t" }}yes{{ else }}no{{ end }}', "yes"),
        ("{{ if .None }}a{{ else if .S }}b{{ else }}c{{ end }}", "b"),
        ("{{ range $i, $x := .L }}{{ $i }}{{ $x }}{{ end }}", "0p1q"),
        ("{{ range $x := .L }}{{ $x }}{{ end }}{{ range .None }}{{ else }}none{{ end }}", "pqnone"),
        ("{{ range .L }}{{ if eq . `q` }}{{ continue }}{{ end }}{{ . }}{{ end }}", "p"),
        ("{{ range .L }}{{ . }}{{ break }}{{ end }}", "p"),
        ("{{ $v := 1 }}{{ if and $v (ne .S `t`) }}{{ $v = 2 }}{{ end }}{{ $v }}", "2"),
        ('{{ printf "%s-%s" .S "b\\n" }}{{/* nothing */}}', "s-b\n"),
        ("{{ len (slice .L 1) }}{{ index .L 0 }}{{ not .None }}", "1ptrue"),
    ],
)
def test_the_language(template, expected):
    assert render(template, {"S": "s", "L": ["p", "q"], "None": ""}) == expected


@pytest.mark.parametrize(
    "template",
    ["{{ with .S }}{{ end }}", "{{ if .S }}", "{{ end }}", "{{ .S | quote }}", "{{ strange .S }}"],
)
def test_what_is_not_known_is_an_error(template):
    with pytest.raises(GoTemplateError):
        render(template, {"S": "s"})
