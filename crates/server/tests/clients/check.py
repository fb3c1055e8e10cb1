"""Asks `mynah serve` through the packages that programs use, unchanged.

    python check.py URL MODEL KEY

`cargo xtask clients` starts the server, installs what requirements.txt names and runs this.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

import anthropic
import openai
from langchain_core.messages import HumanMessage, SystemMessage
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

URL, MODEL, KEY = sys.argv[1:]
QUESTION = [
    {"role": "system", "content": "Answer in one short sentence."},
    {"role": "user", "content": "What is the capital of France?"},
]
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 20}, "large": {"type": "boolean"}},
    "required": ["city", "large"],
    "additionalProperties": False,
}
TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Tells the weather in a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"enum": ["Paris", "Graz"]}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}


class City(BaseModel):
    """What an answer is parsed into."""

    name: str
    capital: bool


def openai_chat(client):
    """Whole, in pieces, several, with probabilities: the same seed gives the same text."""
    settings = {"model": MODEL, "messages": QUESTION, "max_tokens": 24, "seed": 7}
    whole = client.chat.completions.create(**settings, n=2, logprobs=True, top_logprobs=2)
    text = whole.choices[0].message.content
    assert len(whole.choices) == 2 and whole.usage.completion_tokens > 0
    assert len(whole.choices[0].logprobs.content[0].top_logprobs) == 2
    options = {"include_usage": True}
    chunks = list(client.chat.completions.create(**settings, stream=True, stream_options=options))
    pieces = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert pieces == text, (pieces, text)
    assert chunks[-1].usage.prompt_tokens_details.cached_tokens > 0
    assert "Paris" in client.chat.completions.create(
        model=MODEL, messages=QUESTION, temperature=0, max_tokens=24
    ).choices[0].message.content


def openai_forms(client):
    """JSON by schema, also parsed by the client, and calls of tools there and back."""
    form = {"type": "json_schema", "json_schema": {"name": "city", "schema": SCHEMA}}
    answer = client.chat.completions.create(model=MODEL, messages=QUESTION, response_format=form, seed=1)
    assert set(json.loads(answer.choices[0].message.content)) == {"city", "large"}
    parsed = client.chat.completions.parse(
        model=MODEL, messages=QUESTION, response_format=City, temperature=0, max_tokens=200
    )
    assert isinstance(parsed.choices[0].message.parsed, City)

    choice = {"type": "function", "function": {"name": "weather"}}
    asked = {"model": MODEL, "tools": [TOOL], "seed": 1}
    first = client.chat.completions.create(messages=QUESTION, tool_choice=choice, **asked)
    assert first.choices[0].finish_reason == "tool_calls", first
    message = first.choices[0].message
    assert json.loads(message.tool_calls[0].function.arguments)["city"] in ("Paris", "Graz")
    result = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "sunny, 20 degrees"}
    conversation = [*QUESTION, message.model_dump(exclude_none=True), result]
    second = client.chat.completions.create(
        messages=conversation, tool_choice="none", max_tokens=24, **asked
    )
    assert second.choices[0].message.content


def openai_others(client):
    """Completions, responses, models, and errors as the client's own exceptions."""
    text = client.completions.create(model=MODEL, prompt="Once upon a time", max_tokens=8, seed=1)
    assert text.choices[0].text
    streamed = client.completions.create(
        model=MODEL, prompt="Once upon a time", max_tokens=8, seed=1, stream=True
    )
    assert "".join(c.choices[0].text for c in streamed if c.choices) == text.choices[0].text
    response = client.responses.create(
        model=MODEL, input="What is the capital of France?", max_output_tokens=64, temperature=0
    )
    assert response.output_text and response.usage.output_tokens > 0
    with client.responses.stream(model=MODEL, input="Hello!", max_output_tokens=16) as stream:
        deltas = [e.delta for e in stream if e.type == "response.output_text.delta"]
        assert deltas
    assert MODEL in [model.id for model in client.models.list()]
    for settings, param in [
        ({"temperature": -1}, "temperature"),
        ({"extra_body": {"min_p": 7}}, "min_p"),
        ({"response_format": {"type": "xml"}}, "response_format.type"),
    ]:
        try:
            client.chat.completions.create(model=MODEL, messages=QUESTION, **settings)
        except openai.BadRequestError as error:
            assert error.param == param, error
        else:
            raise AssertionError(f"{param} was not refused")
    try:
        client.chat.completions.create(model="absent", messages=QUESTION)
    except openai.NotFoundError as error:
        assert error.code == "model_not_found"
    else:
        raise AssertionError("a model that is not there answered")
    try:
        openai.OpenAI(base_url=f"{URL}/v1", api_key="wrong", max_retries=0).models.list()
    except openai.AuthenticationError:
        pass
    else:
        raise AssertionError("a wrong key was taken")


def anthropic_messages(client):
    """Whole and in pieces, tools, tokens counted, errors."""
    asked = {
        "model": MODEL,
        "max_tokens": 24,
        "system": "Answer in one short sentence.",
        "messages": [{"role": "user", "content": "What is the capital of France?"}],
        "extra_body": {"temperature": 0},
    }
    whole = client.messages.create(**asked)
    assert "Paris" in whole.content[0].text and whole.stop_reason in ("end_turn", "max_tokens")
    with client.messages.stream(**asked) as stream:
        assert "".join(stream.text_stream) == whole.content[0].text
    counted = client.messages.count_tokens(
        model=MODEL, system=asked["system"], messages=asked["messages"]
    )
    usage = whole.usage
    assert counted.input_tokens == usage.input_tokens + usage.cache_read_input_tokens
    function = TOOL["function"]
    tool = {"name": "weather", "input_schema": function["parameters"]}
    called = client.messages.create(
        **(asked | {"max_tokens": 100}), tools=[tool], tool_choice={"type": "any"}
    )
    assert called.stop_reason == "tool_use" and called.content[0].input["city"] in ("Paris", "Graz")
    form = {"format": {"type": "json_schema", "schema": SCHEMA}}
    answer = client.messages.create(**(asked | {"max_tokens": 100}), output_config=form)
    assert set(json.loads(answer.content[0].text)) == {"city", "large"}
    try:
        client.messages.create(model="absent", max_tokens=1, messages=asked["messages"])
    except anthropic.NotFoundError:
        pass
    else:
        raise AssertionError("a model that is not there answered")


def langchain():
    """LangChain's client: asked, streamed, with a form, with tools."""
    model = ChatOpenAI(model=MODEL, base_url=f"{URL}/v1", api_key=KEY, temperature=0, max_tokens=60)
    messages = [SystemMessage("Answer in one short sentence."), HumanMessage("What is the capital of France?")]
    answer = model.invoke(messages)
    assert "Paris" in answer.content and answer.usage_metadata["output_tokens"] > 0
    assert "".join(chunk.content for chunk in model.stream(messages)) == answer.content
    assert isinstance(model.with_structured_output(City).invoke(messages), City)
    called = model.bind_tools([TOOL], tool_choice="weather").invoke(messages)
    assert called.tool_calls[0]["name"] == "weather"
    assert len(model.batch([messages, messages])) == 2


def llm():
    """The command line `llm` with the server among its models."""
    with tempfile.TemporaryDirectory() as folder:
        extra = [{
            "model_id": "ours",
            "model_name": MODEL,
            "api_base": f"{URL}/v1",
            "api_key_name": "mynah",
            "supports_schema": True,
        }]
        # JSON is YAML.
        (pathlib.Path(folder) / "extra-openai-models.yaml").write_text(json.dumps(extra))
        (pathlib.Path(folder) / "keys.json").write_text(json.dumps({"mynah": KEY}))
        environment = {**os.environ, "LLM_USER_PATH": folder}

        def run(*arguments):
            program = pathlib.Path(sys.executable).with_name("llm")
            done = subprocess.run(
                [program, "-m", "ours", *arguments], env=environment, check=True,
                capture_output=True, text=True, stdin=subprocess.DEVNULL,
            )
            return done.stdout

        question = ["-o", "temperature", "0", "-o", "max_tokens", "24", "What is the capital of France?"]
        assert "Paris" in run(*question)
        assert "Paris" in run("--no-stream", *question)
        form = run("--no-stream", "--schema", "city, country", "-o", "temperature", "0", "Name a city in France.")
        assert list(json.loads(form)) == ["city", "country"], form


def main():
    """Runs everything; the first thing that is not as it should be ends it."""
    client = openai.OpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0)
    for check in (openai_chat, openai_forms, openai_others):
        check(client)
        print(f"openai {openai.__version__}: {check.__name__}")
    anthropic_messages(anthropic.Anthropic(base_url=URL, api_key=KEY, max_retries=0))
    print(f"anthropic {anthropic.__version__}")
    langchain()
    print("langchain-openai")
    llm()
    print("llm")


if __name__ == "__main__":
    main()
