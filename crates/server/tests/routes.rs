//! Every route, called without a connection, on small random models.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

use axum::body::Body;
use axum::http::Request;
use mynah_server::{Access, Limits, Options};
use mynah_store::Store;
use mynah_store::{Filter, Role};
use serde_json::{Value, json};
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use support::{CONTEXT, Called, MODEL_BYTES, options, post};

fn called() -> Called {
    Called::new(options())
}

fn chat(more: &Value) -> Value {
    let mut request = json!({"messages": [{"role": "user", "content": "hi"}], "max_tokens": 12,
        "seed": 5});
    request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    request
}

const CHAT: &str = "/v1/chat/completions";

/// The text of one answer in a stream of chunks.
fn streamed(events: &[Value], index: usize) -> String {
    let choices = events.iter().flat_map(|event| event["choices"].as_array().unwrap());
    let own = choices.filter(|choice| choice["index"] == index);
    own.map(|choice| choice["delta"]["content"].as_str().unwrap_or_default()).collect()
}

#[test]
fn a_chat_is_answered_whole_and_in_pieces() {
    let server = called();
    let whole = server.ask(CHAT, &chat(&json!({})));
    assert_eq!(whole["object"], "chat.completion");
    assert_eq!(whole["model"], "tiny");
    let choice = &whole["choices"][0];
    assert!(["length", "stop"].contains(&choice["finish_reason"].as_str().unwrap()));
    let usage = &whole["usage"];
    assert_eq!(
        usage["total_tokens"].as_u64().unwrap(),
        usage["prompt_tokens"].as_u64().unwrap() + usage["completion_tokens"].as_u64().unwrap()
    );

    let asked = chat(&json!({"stream": true, "stream_options": {"include_usage": true}}));
    let response = server.post(CHAT, &asked);
    assert!(response.text.ends_with("data: [DONE]\n\n"), "{response:?}");
    assert_eq!(response.headers["content-type"], "text/event-stream; charset=utf-8");
    let events = response.events();
    assert_eq!(streamed(&events, 0), choice["message"]["content"].as_str().unwrap());
    assert_eq!(events[0]["choices"][0]["delta"]["role"], "assistant");
    let last = events.last().unwrap();
    assert_eq!(last["choices"], json!([]));
    assert_eq!(last["usage"]["completion_tokens"], usage["completion_tokens"]);
}

#[test]
fn what_was_read_before_is_found_in_the_cache() {
    let server = called();
    let long = "The same long beginning of every conversation. ".repeat(4);
    let ask = |question: &str| {
        let messages =
            json!([{"role": "system", "content": long}, {"role": "user", "content": question}]);
        server.ask(CHAT, &json!({"messages": messages, "max_tokens": 3}))
    };
    let first = ask("one?");
    assert_eq!(first["usage"]["prompt_tokens_details"]["cached_tokens"], 0);
    let second = ask("two?");
    let cached = second["usage"]["prompt_tokens_details"]["cached_tokens"].as_u64().unwrap();
    assert!(cached as usize >= long.len() / 2, "{second}");
    // Anthropic's clients are told of them apart.
    let messages = json!([{"role": "user", "content": "three?"}]);
    let third = json!({"system": long, "messages": messages, "max_tokens": 3});
    let third = server.ask("/v1/messages", &third);
    assert!(third["usage"]["cache_read_input_tokens"].as_u64().unwrap() as usize >= long.len() / 2);
}

#[test]
fn several_answers_are_those_that_come_alone() {
    let server = called();
    let together = server.ask(CHAT, &chat(&json!({"n": 3})));
    assert_eq!(together["choices"].as_array().unwrap().len(), 3);
    let alone = server.ask(CHAT, &chat(&json!({})));
    assert_eq!(together["choices"][0]["message"], alone["choices"][0]["message"]);
    let pieces = server.post(CHAT, &chat(&json!({"n": 3, "stream": true}))).events();
    for i in 0..3 {
        assert_eq!(together["choices"][i]["message"]["content"], streamed(&pieces, i));
    }
    assert_ne!(together["choices"][0]["message"], together["choices"][1]["message"]);
}

#[test]
fn answers_do_not_depend_on_who_else_asks() {
    let server = called();
    let request = |i: u32| {
        let text = "x".repeat(1 + i as usize * 17);
        let messages = json!([{"role": "user", "content": text}]);
        post(CHAT, &json!({"messages": messages, "max_tokens": 20, "seed": i, "temperature": 0.9}))
    };
    let text = |response: &support::Response| response.json()["choices"][0]["message"].clone();
    let alone: Vec<Value> = (0..12).map(|i| text(&server.send(request(i)))).collect();
    let together = server.send_all((0..12).map(request).collect());
    assert_eq!(together.iter().map(text).collect::<Vec<_>>(), alone);
}

#[test]
fn probabilities_are_told() {
    let server = called();
    let answer = server.ask(CHAT, &chat(&json!({"logprobs": true, "top_logprobs": 2})));
    let content = answer["choices"][0]["logprobs"]["content"].as_array().unwrap().clone();
    assert_eq!(answer["usage"]["completion_tokens"], content.len());
    for token in &content {
        assert!(token["logprob"].as_f64().unwrap() <= 0.0);
        assert_eq!(token["top_logprobs"].as_array().unwrap().len(), 2);
        assert!(token["bytes"].is_array() && token["token"].is_string());
    }
    let pieces =
        server.post(CHAT, &chat(&json!({"logprobs": true, "top_logprobs": 2, "stream": true})));
    let told: Vec<Value> = pieces
        .events()
        .iter()
        .filter_map(|event| event["choices"][0]["logprobs"]["content"].as_array().cloned())
        .flatten()
        .collect();
    assert_eq!(told, content);
    let older = json!({"prompt": "ab", "logprobs": 2, "max_tokens": 5, "seed": 1});
    let older = &server.ask("/v1/completions", &older)["choices"][0]["logprobs"];
    assert_eq!(older["tokens"].as_array().unwrap().len(), 5);
    assert_eq!(older["top_logprobs"][4].as_object().unwrap().len(), 2);
    assert_eq!(older["text_offset"][0], 0);
}

#[test]
fn a_bias_and_stop_texts_are_obeyed() {
    let server = called();
    // "a" always, because nothing else has a chance.
    let only_a = json!({"logit_bias": {(b'a').to_string(): 1e6}, "temperature": 0});
    let answer = server.ask(CHAT, &chat(&only_a));
    assert_eq!(answer["choices"][0]["message"]["content"], "a".repeat(12));
    assert_eq!(answer["choices"][0]["finish_reason"], "length");
    let mut stopped = only_a;
    stopped["stop"] = json!("aaa");
    let answer = server.ask(CHAT, &chat(&stopped));
    assert_eq!(answer["choices"][0]["message"]["content"], "");
    assert_eq!(answer["choices"][0]["finish_reason"], "stop");
    assert_eq!(answer["usage"]["completion_tokens"], 3);
}

#[test]
fn answers_take_the_form_that_is_asked_for() {
    let server = called();
    let schema = json!({"type": "object", "properties": {"colour": {"enum": ["red", "blue"]}},
        "required": ["colour"], "additionalProperties": false});
    let format = json!({"type": "json_schema", "json_schema": {"name": "c", "schema": schema}});
    let answer = server.ask(CHAT, &chat(&json!({"response_format": format, "max_tokens": 100})));
    let text = answer["choices"][0]["message"]["content"].as_str().unwrap().to_owned();
    let value: Value = serde_json::from_str(&text).unwrap();
    assert!(["red", "blue"].contains(&value["colour"].as_str().unwrap()), "{text}");

    let format = json!({"type": "regex", "regex": "(yes|no)!"});
    let answer = server.ask(CHAT, &chat(&json!({"response_format": format})));
    let text = &answer["choices"][0]["message"]["content"];
    assert!(text == "yes!" || text == "no!", "{text}");

    let format = json!({"type": "json_schema", "json_schema": {"schema": {"not": {}}}});
    let response = server.post(CHAT, &chat(&json!({"response_format": format})));
    let error = &response.json()["error"];
    assert_eq!(
        (response.status.as_u16(), &error["param"]),
        (400, &json!("response_format.json_schema.schema"))
    );
}

#[test]
fn a_demanded_call_comes() {
    let server = called();
    let tool = |name: &str| {
        json!({"type": "function", "function": {"name": name, "parameters": {
            "type": "object", "properties": {"unit": {"$ref": "#/$defs/unit"}}, "required": ["unit"],
            "additionalProperties": false, "$defs": {"unit": {"enum": ["C", "F"]}}}}})
    };
    let asked = json!({"tools": [tool("heat"), tool("cool")], "tool_choice": "required", "max_tokens": 200});
    let answer = server.ask(CHAT, &chat(&asked));
    let choice = &answer["choices"][0];
    assert_eq!(choice["finish_reason"], "tool_calls", "{answer}");
    assert_eq!(choice["message"]["content"], Value::Null);
    let call = &choice["message"]["tool_calls"][0];
    assert!(["heat", "cool"].contains(&call["function"]["name"].as_str().unwrap()));
    let arguments: Value =
        serde_json::from_str(call["function"]["arguments"].as_str().unwrap()).unwrap();
    assert!(arguments["unit"] == "C" || arguments["unit"] == "F");

    let mut streamed = asked.clone();
    streamed["stream"] = true.into();
    let events = server.post(CHAT, &chat(&streamed)).events();
    let calls =
        events.iter().filter_map(|event| event["choices"][0]["delta"]["tool_calls"].as_array());
    let calls: Vec<_> = calls.collect();
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0][0]["function"], call["function"]);

    let named = json!({"name": "cool", "input_schema": tool("cool")["function"]["parameters"]});
    let asked = json!({"messages": [{"role": "user", "content": "hi"}], "max_tokens": 200, "seed": 5,
        "tools": [named], "tool_choice": {"type": "tool", "name": "cool"}});
    let answer = server.ask("/v1/messages", &asked);
    assert_eq!(
        (&answer["stop_reason"], &answer["content"][0]["name"]),
        (&json!("tool_use"), &json!("cool"))
    );
    assert!(answer["content"][0]["input"]["unit"].is_string());
}

#[test]
fn texts_are_continued() {
    let server = called();
    let asked =
        json!({"prompt": ["ab", [97, 98]], "n": 2, "max_tokens": 4, "seed": 3, "echo": true});
    let answer = server.ask("/v1/completions", &asked);
    let texts: Vec<&str> = answer["choices"]
        .as_array()
        .unwrap()
        .iter()
        .map(|choice| choice["text"].as_str().unwrap())
        .collect();
    assert_eq!(texts.len(), 4);
    assert_eq!(texts[..2], texts[2..], "text and its tokens are the same prompt");
    assert!(texts.iter().all(|text| text.starts_with("ab")));
    let mut streamed = asked;
    streamed["stream"] = true.into();
    let response = server.post("/v1/completions", &streamed);
    for (i, text) in texts.iter().enumerate() {
        let events = response.events();
        let choices = events.iter().flat_map(|event| event["choices"].as_array().unwrap());
        let own = choices.filter(|choice| choice["index"] == i);
        let joined: String = own.map(|choice| choice["text"].as_str().unwrap()).collect();
        assert_eq!(joined, *text);
    }
}

#[test]
fn responses_are_made_of_items() {
    let server = called();
    let asked = json!({"input": "hi", "instructions": "be brief", "max_output_tokens": 6});
    let whole = server.ask("/v1/responses", &asked);
    assert_eq!((&whole["object"], &whole["status"]), (&json!("response"), &json!("incomplete")));
    assert_eq!(whole["output"][0]["content"][0]["type"], "output_text");
    assert_eq!(whole["usage"]["output_tokens"], 6);
    let mut streamed = asked;
    streamed["stream"] = true.into();
    let events = server.post("/v1/responses", &streamed).events();
    let names: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(
        names[..4],
        [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.content_part.added"
        ]
    );
    assert_eq!(
        names[names.len() - 4..],
        [
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.incomplete"
        ]
    );
    for (i, event) in events.iter().enumerate() {
        assert_eq!(event["sequence_number"], i);
    }
    let deltas = events.iter().filter(|event| event["type"] == "response.output_text.delta");
    let text: String = deltas.map(|event| event["delta"].as_str().unwrap()).collect();
    assert_eq!(events.last().unwrap()["response"]["output"][0]["content"][0]["text"], text);
}

#[test]
fn messages_are_made_of_blocks() {
    let server = called();
    let asked =
        json!({"messages": [{"role": "user", "content": "hi"}], "max_tokens": 6, "seed": 2});
    let whole = server.ask("/v1/messages", &asked);
    assert_eq!((&whole["type"], &whole["role"]), (&json!("message"), &json!("assistant")));
    let mut streamed = asked.clone();
    streamed["stream"] = true.into();
    let response = server.post("/v1/messages", &streamed);
    let events = response.events();
    let deltas = events.iter().filter(|event| event["type"] == "content_block_delta");
    let text: String = deltas.map(|event| event["delta"]["text"].as_str().unwrap()).collect();
    assert_eq!(whole["content"][0]["text"], text);
    assert_eq!(events[0]["type"], "message_start");
    assert_eq!(events.last().unwrap()["type"], "message_stop");
    assert!(response.text.starts_with("event: message_start\ndata: "));
    let counted = server.ask("/v1/messages/count_tokens", &asked);
    let usage = &whole["usage"];
    let read = usage["input_tokens"].as_u64().unwrap()
        + usage["cache_read_input_tokens"].as_u64().unwrap();
    assert_eq!(counted["input_tokens"], read);

    let response = server.post("/v1/messages", &json!({"messages": []}));
    let error = response.json();
    assert_eq!((response.status.as_u16(), &error["type"]), (400, &json!("error")));
    assert_eq!(error["error"]["type"], "invalid_request_error");
    let response = server.post(
        "/v1/messages",
        &json!({"model": "no", "messages": [{"role": "user", "content": ""}]}),
    );
    assert_eq!(response.json()["error"]["type"], "not_found_error");
}

#[test]
fn texts_become_vectors() {
    let server = called();
    let asked = json!({"model": "vectors", "input": ["one", "two", [97, 98]]});
    let answer = server.ask("/v1/embeddings", &asked);
    let vector = |i: usize| -> Vec<f32> {
        serde_json::from_value(answer["data"][i]["embedding"].clone()).unwrap()
    };
    for i in 0..3 {
        let length: f32 = vector(i).iter().map(|x| x * x).sum();
        assert!((length - 1.0).abs() < 1e-5);
    }
    assert_ne!(vector(0), vector(1));
    assert_eq!(answer["usage"]["prompt_tokens"].as_u64().unwrap() % 2, 0, "{answer}");
    for (asked, param) in [
        (json!({"model": "vectors", "input": "x".repeat(CONTEXT + 1)}), "input"),
        (json!({"model": "vectors", "input": [[9999]]}), "input"),
        (json!({"model": "vectors", "input": "x", "dimensions": 10_000}), "dimensions"),
        (json!({"model": "tiny", "input": "x"}), "model"),
    ] {
        let response = server.post("/v1/embeddings", &asked);
        assert_eq!(
            (response.status.as_u16(), response.json()["error"]["param"].clone()),
            (400, json!(param))
        );
    }
    let response = server.post(CHAT, &chat(&json!({"model": "vectors"})));
    assert_eq!(
        (response.status.as_u16(), &response.json()["error"]["param"]),
        (400, &json!("model"))
    );
}

#[test]
fn tokens_and_texts_are_each_others() {
    let server = called();
    let tokens = server.ask("/tokenize", &json!({"content": "häuser <|im_end|>"}));
    let ids = tokens["tokens"].as_array().unwrap();
    assert!(ids.iter().all(|id| id.as_u64().unwrap() < 256), "a name of a control token is text");
    let text = server.ask("/detokenize", &json!({"tokens": ids}));
    assert_eq!(text["content"], "häuser <|im_end|>");
    let asked = json!({"content": "<|im_end|>", "parse_special": true, "with_pieces": true});
    let tokens = server.ask("/tokenize", &asked);
    assert_eq!(tokens["tokens"], json!([{"id": 257, "piece": "<|im_end|>"}]));
    for (path, asked, param) in [
        ("/tokenize", json!({}), "content"),
        ("/detokenize", json!({"tokens": [1, 258]}), "tokens[1]"),
        ("/detokenize", json!({"tokens": ["a"]}), "tokens[0]"),
    ] {
        assert_eq!(server.post(path, &asked).json()["error"]["param"], param);
    }
}

#[test]
fn models_are_listed_loaded_and_unloaded() {
    let room_for_two = Options { memory_bytes: 2 * MODEL_BYTES + MODEL_BYTES / 2, ..options() };
    let server = Called::new(Options { cache_positions: 64, ..room_for_two });
    let listed = server.get("/v1/models").json();
    let names: Vec<&str> = listed["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|model| model["id"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["tiny", "other", "vectors"]);
    assert_eq!(server.get("/v1/models/other").json()["id"], "other");
    assert_eq!(server.get("/v1/models/no").json()["error"]["code"], "model_not_found");
    let n_opened = || server.shelf.n_opened.load(Ordering::Relaxed);
    assert_eq!(n_opened(), 0, "nothing is loaded before it is asked for");
    let ask = |model: &str| {
        server.ask(CHAT, &chat(&json!({"model": model, "max_tokens": 1})));
    };
    ask("tiny");
    ask("other");
    ask("tiny");
    assert_eq!(n_opened(), 2);
    // The other was used longest ago.
    server.ask("/v1/embeddings", &json!({"model": "vectors", "input": "x"}));
    ask("tiny");
    assert_eq!(n_opened(), 3);
    ask("other");
    assert_eq!(n_opened(), 4);
    let response = server.post(CHAT, &chat(&json!({"model": "no"})));
    assert_eq!(
        (response.status.as_u16(), &response.json()["error"]["param"]),
        (404, &json!("model"))
    );
    let error = response.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(error.contains("tiny, other, vectors"), "{error}");
}

#[test]
fn a_model_that_finds_no_room_is_refused() {
    let server = Called::new(Options { memory_bytes: MODEL_BYTES / 2, ..options() });
    let response = server.post(CHAT, &chat(&json!({})));
    assert_eq!(response.status.as_u16(), 503);
    assert!(response.headers.contains_key("retry-after"));
    assert_eq!(response.json()["error"]["code"], "out_of_memory");
}

#[test]
fn numbers_are_told() {
    let server = called();
    assert_eq!(server.get("/health").json()["status"], "ok");
    server.ask(CHAT, &chat(&json!({})));
    let text = server.get("/metrics").text;
    for line in [
        "mynah_responses_total{route=\"/v1/chat/completions\",status=\"200\"} 1",
        "mynah_running_sequences{model=\"tiny\"} 0",
        "mynah_time_to_first_token_seconds_count{model=\"tiny\"} 1",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}

#[test]
fn what_makes_no_sense_is_refused_in_the_shape_of_the_api() {
    let limits = Limits { body_bytes: 1000, messages: 2, ..Limits::default() };
    let server = Called::new(Options { limits, ..options() });
    let send = |body: &str| {
        let request =
            Request::post(CHAT).header("host", "localhost").body(Body::from(body.to_owned()));
        let response = server.send(request.unwrap());
        (response.status.as_u16(), response.json()["error"].clone())
    };
    let (status, error) = send("{");
    assert_eq!((status, &error["type"]), (400, &json!("invalid_request_error")));
    assert_eq!(send(&"[".repeat(900)).0, 400, "nested too deep");
    assert_eq!(send(&" ".repeat(1001)).0, 413);
    assert_eq!(send("{\"messages\": [{}, {}, {}]}").1["param"], "messages");
    let (_, error) = send(&chat(&json!({"messages": [{"role": "user"}]})).to_string());
    assert_eq!(error["param"], "messages[0].content");
    let response = server.get("/v1/nothing");
    assert_eq!(
        (response.status.as_u16(), response.json()["error"]["code"].clone()),
        (404, json!("not_found"))
    );
    assert_eq!(server.get(CHAT).status.as_u16(), 405);
    let long = Called::new(options());
    let messages = json!([{"role": "user", "content": "x".repeat(CONTEXT)}]);
    let response = long.post(CHAT, &json!({"messages": messages}));
    assert_eq!(response.json()["error"]["code"], "context_length_exceeded");
    let response = long.post(CHAT, &chat(&json!({"logit_bias": {"258": 1}})));
    assert_eq!(response.json()["error"]["param"], "logit_bias");
}

#[test]
fn too_many_requests_are_told_to_come_back() {
    let limits = Limits { requests: 2, ..options().limits };
    let server = Called::new(Options { limits, ..options() });
    server.ask(CHAT, &chat(&json!({"max_tokens": 1})));
    let requests = (0..12)
        .map(|_| post(CHAT, &chat(&json!({"max_tokens": 400, "logit_bias": {"257": -100}}))));
    let responses = server.send_all(requests.collect());
    let of_status = |status: u16| responses.iter().filter(move |one| one.status.as_u16() == status);
    assert_eq!(of_status(200).count() + of_status(429).count(), 12);
    assert!(of_status(200).count() >= 2);
    let refused = of_status(429).next().unwrap();
    assert_eq!(refused.headers["retry-after"], "2");
    assert_eq!(refused.json()["error"]["type"], "rate_limit_error");
}

#[test]
fn who_waited_too_long_is_told_to_come_back() {
    let limits = Limits { sequences: 1, wait: std::time::Duration::ZERO, ..options().limits };
    let server = Called::new(Options { limits, ..options() });
    let response = server.post(CHAT, &chat(&json!({})));
    assert_eq!(response.status.as_u16(), 503);
    assert_eq!(response.headers["retry-after"], "5");
    assert_eq!(response.json()["error"]["code"], "queue_timeout");
}

#[test]
fn the_key_is_wanted_everywhere_but_where_nothing_is_to_be_had() {
    let access = Access { key: Some("secret".to_owned()), ..Access::default() };
    let server = Called::new(Options { access, ..options() });
    assert_eq!(server.get("/v1/models").status.as_u16(), 401);
    assert_eq!(server.get("/metrics").status.as_u16(), 401);
    assert_eq!(server.get("/api/anything").status.as_u16(), 401);
    assert_eq!(server.get("/health").status.as_u16(), 200);
    let request = Request::get("/v1/models").header("host", "localhost");
    let request = request.header("authorization", "Bearer secret").body(Body::empty());
    assert_eq!(server.send(request.unwrap()).status.as_u16(), 200);
    let response = server.post("/v1/messages", &json!({}));
    assert_eq!(response.json()["error"]["type"], "authentication_error");
}

#[test]
fn pages_of_others_are_kept_out() {
    let access = Access { origins: vec!["https://ours.example".to_owned()], ..Access::default() };
    let server = Called::new(Options { access, ..options() });
    let send = |method: &str, host: &str, origin: Option<&str>| {
        let mut request = Request::builder().method(method).uri("/v1/models").header("host", host);
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        server.send(request.body(Body::empty()).unwrap())
    };
    assert_eq!(send("GET", "evil.example", None).status.as_u16(), 403);
    let response = send("GET", "localhost:8080", Some("https://evil.example"));
    assert_eq!(response.status.as_u16(), 403);
    assert!(!response.headers.contains_key("access-control-allow-origin"));
    let response = send("OPTIONS", "localhost:8080", Some("https://evil.example"));
    assert_eq!(response.status.as_u16(), 403);
    let response = send("OPTIONS", "localhost:8080", Some("https://ours.example"));
    assert_eq!(response.status.as_u16(), 204);
    assert_eq!(response.headers["access-control-allow-origin"], "https://ours.example");
    let response = send("GET", "localhost:8080", Some("http://localhost:8080"));
    assert_eq!(response.status.as_u16(), 200);
    assert_eq!(response.headers["x-content-type-options"], "nosniff");
}

#[test]
fn answers_are_kept_and_conversations_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("mynah.db");
    let server = Called::new(Options { records: true, database: database.clone(), ..options() });
    let first = server.ask(CHAT, &chat(&json!({"temperature": 0.5})));
    let said = &first["choices"][0]["message"]["content"];
    let messages = json!([{"role": "user", "content": "hi"}, {"role": "assistant", "content": said},
        {"role": "user", "content": "and?"}]);
    server.ask(CHAT, &json!({"messages": messages, "max_tokens": 3, "n": 2, "stop": ["END"]}));
    server.ask(
        CHAT,
        &chat(&json!({"thread": "01hfixed", "messages": [{"role": "user", "content": "new"}]})),
    );
    server.state.close();
    let store = Store::open(&database, SystemTime::now()).unwrap();
    let entries = store.entries(&Filter::default()).unwrap();
    assert_eq!(entries.len(), 4);
    let oldest = entries.iter().min_by_key(|entry| &entry.id).unwrap();
    assert_eq!(oldest.command.as_deref(), Some("serve"));
    assert_eq!((oldest.prompt.as_str(), &json!(oldest.response)), ("hi", said));
    assert_eq!((oldest.seed, oldest.options["temperature"].as_f64()), (Some(5), Some(0.5)));
    let of_first = entries.iter().filter(|entry| entry.conversation == oldest.conversation);
    assert_eq!(of_first.count(), 3, "the second request goes on with the first");
    let named = store.conversation(Some("01hfixed")).unwrap();
    assert_eq!(named.messages[0].role, Role::User);
    assert_eq!(named.messages[0].text, "new");
}
