"""Conversations as `transformers` renders them with chat templates.

    python template_cases.py OUT.json TEMPLATE.jinja|MODEL.gguf ...

needs transformers, jinja2 and gguf. A `.gguf` file gives the template in its metadata. Writes

    {"conversations": [...], "rendered": {"<template>": [{"text"} or {"error"}, ...]}}

with one entry for each conversation. A conversation is `{"name", "messages", "tools", "extra",
"add_generation_prompt"}`. Templates see `<BOS>` and `<EOS>` as the model's tokens, and the clock
stands at 2025-07-26 12:34:56.

The templates in fixtures/templates/ are those of models under the Apache-2.0 or MIT licence, named
as on Hugging Face. Gemma's and Llama's own are not kept: mynah's templates for those families were
written from the formats, and are rendered by transformers here as well.
"""

import datetime
import json
import sys
from pathlib import Path

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Current weather in a city; \"quotes\" & <angles> é 日本.",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string", "description": "The city's name"},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"], "default": "celsius"},
                "days": {"type": "integer", "minimum": 1, "maximum": 7.5},
            },
            "required": ["city"],
        },
    },
}
ADD = {
    "type": "function",
    "function": {
        "name": "add",
        "description": "Adds two numbers.",
        "parameters": {
            "type": "object",
            "properties": {"a": {"type": "number"}, "b": {"type": "number"}},
            "required": ["a", "b"],
        },
    },
}


def say(role, content, **rest):
    return {"role": role, "content": content, **rest}


def call(name, arguments, call_id="abcdef123"):
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def conversation(name, messages, tools=None, add_generation_prompt=True, **extra):
    return {
        "name": name,
        "messages": messages,
        "tools": tools or [],
        "extra": extra,
        "add_generation_prompt": add_generation_prompt,
    }


USER = say("user", "What is the capital of France?")
SYSTEM = say("system", "You are terse.")
ANSWER = say("assistant", "Paris.")
CALLS = [
    SYSTEM,
    say("user", "Weather in Paris?"),
    say("assistant", "", tool_calls=[call("get_weather", {"city": "Paris", "days": 2})]),
    say("tool", "{\"temperature\": 21.5}", tool_call_id="abcdef123", name="get_weather"),
]

CONVERSATIONS = [
    conversation("one question", [USER]),
    conversation("no answer wanted", [USER], add_generation_prompt=False),
    conversation("with a system prompt", [SYSTEM, USER]),
    conversation("several turns", [SYSTEM, USER, ANSWER, say("user", "And of Spain?")]),
    conversation("answered", [USER, ANSWER], add_generation_prompt=False),
    conversation("two questions in a row", [USER, say("user", "Hello?")]),
    conversation("spaces around", [say("system", "  Be kind.\n\n"), say("user", "\n  hi  \n")]),
    conversation(
        "other scripts and quotes",
        [say("user", "Grüße, \"日本\" 'x' \\n & 😀 {{ not jinja }} {% nor this %}"), say("assistant", "{\"a\": [1]}"), USER],
    ),
    conversation("a long dialogue", [USER, ANSWER] * 5 + [USER]),
    conversation("parts", [say("user", [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}])]),
    conversation("tools", [USER], [WEATHER, ADD]),
    conversation("tools and a system prompt", [SYSTEM, USER], [WEATHER]),
    conversation("a call and its answer", CALLS, [WEATHER, ADD]),
    conversation("a call, its answer and a reply", [*CALLS, say("assistant", "21.5 degrees."), USER], [WEATHER]),
    conversation(
        "two calls in one turn",
        [
            say("user", "Add."),
            say("assistant", "I add.", tool_calls=[call("add", {"a": 1, "b": 2}, "call00001"), call("add", {"a": 3, "b": -4.5}, "call00002")]),
            say("tool", "3", tool_call_id="call00001", name="add"),
            say("tool", "-1.5", tool_call_id="call00002", name="add"),
        ],
        [ADD],
    ),
    conversation("thoughts beside the answer", [USER, say("assistant", "Paris.", reasoning_content="France's capital..."), USER]),
    conversation("thoughts in the answer", [USER, say("assistant", "<think>\nHm.\n</think>\n\nParis."), USER]),
    conversation("thinking switched off", [USER], enable_thinking=False),
    conversation("thinking switched on", [SYSTEM, USER], enable_thinking=True),
    conversation("angles in the question", [say("user", "Is a < b > c in <b>HTML</b>?"), say("assistant", "<p>a</p> <|b"), USER]),
]


def compiled(template):
    """The template as transformers compiles it, with the clock stopped."""
    from transformers.utils import chat_template_utils

    template = chat_template_utils._compile_jinja_template(template)
    now = datetime.datetime(2025, 7, 26, 12, 34, 56)
    template.globals["strftime_now"] = now.strftime
    return template


def render(template, conversation):
    from transformers.utils.chat_template_utils import render_jinja_template

    compiled(template)
    try:
        rendered = render_jinja_template(
            conversations=[conversation["messages"]],
            tools=conversation["tools"] or None,
            chat_template=template,
            add_generation_prompt=conversation["add_generation_prompt"],
            bos_token="<BOS>",
            eos_token="<EOS>",
            **conversation["extra"],
        )
    except Exception as error:  # A template may refuse, or fail as Python fails.
        return {"error": f"{type(error).__name__}: {error}"}
    while isinstance(rendered, (list, tuple)):
        rendered = rendered[0]
    return {"text": rendered}


def read_template(path):
    if path.suffix != ".gguf":
        return path.read_text(encoding="utf-8")
    from gguf import GGUFReader

    return GGUFReader(path).fields["tokenizer.chat_template"].contents()


def main():
    out, *paths = map(Path, sys.argv[1:])
    rendered = {}
    for path in paths:
        template = read_template(path)
        rendered[path.stem] = [render(template, one) for one in CONVERSATIONS]
    cases = {"conversations": CONVERSATIONS, "rendered": rendered}
    out.write_text(json.dumps(cases, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
