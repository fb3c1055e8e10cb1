// Conversations as trees, streams, and SQL taken apart.
import assert from "node:assert/strict";
import { test } from "node:test";
import { joined, parameters, statements, title } from "../../page/dashboard/sql.js";
import { newestEnd, pathTo, siblings, withAnswer } from "../../page/chat/tree.js";
import { events } from "../../page/api.js";

test("statements and parameters of SQL", () => {
  const sql = "-- One; thing\nselect ':no;' as \"a;b\", :a /* ; :no */ from t where x = @b;\n\nselect 'it''s' || :a; -- end\n;";
  const [first, second, ...more] = statements(sql);
  assert.equal(more.length, 0);
  assert.ok(first.startsWith("-- One; thing") && first.endsWith("x = @b"));
  assert.equal(second, "select 'it''s' || :a");
  assert.deepEqual(parameters(sql), ["a", "b"]);
  assert.equal(title(first), "One; thing");
  assert.equal(title(second), "");
  assert.deepEqual(statements(joined([first, second])), [first, second]);
  assert.deepEqual(statements(" ; -- nothing\n"), []);
});

test("a conversation that nobody keeps grows, and branches", () => {
  const empty = { id: "", name: null, tip: null, messages: [], turns: [] };
  const ask = (text) => [{ role: "user", text }];
  const answer = (text) => ({ text, model: "m", seed: 1, finish: "stop" });
  const one = withAnswer(empty, ask("a"), answer("b"));
  assert.deepEqual(pathTo(one, one.tip).map((node) => node.text), ["a", "b"]);
  const again = withAnswer(one, ask("a"), answer("c"));
  const [asked] = again.messages;
  assert.equal(again.messages.length, 3, "what was asked is there once");
  assert.deepEqual(siblings(again, again.messages[1]).map((node) => node.text), ["b", "c"]);
  const longer = withAnswer(again, [...ask("a"), { role: "assistant", text: "b" }, ...ask("d")], answer("e"));
  assert.deepEqual(pathTo(longer, longer.tip).map((node) => node.text), ["a", "b", "d", "e"]);
  assert.equal(newestEnd(longer, asked.hash), longer.tip);
  const c = longer.messages.find((node) => node.text === "c");
  assert.equal(newestEnd(longer, c.hash), c.hash);
  assert.deepEqual(pathTo(longer, "none"), []);
});

test("events come whole, however the bytes are cut", async () => {
  const text = 'data: {"a":"é"}\r\n\r\n: a comment\ndata: two\ndata: lines\n\nevent: x\ndata:no space\n\ndata: the end';
  const bytes = new TextEncoder().encode(text);
  for (let size = 1; size <= bytes.length; size += 1) {
    const parts = [];
    for (let at = 0; at < bytes.length; at += size) parts.push(bytes.slice(at, at + size));
    const found = [];
    for await (const data of events(ReadableStream.from(parts))) found.push(data);
    assert.deepEqual(found, ['{"a":"é"}', "two\nlines", "no space", "the end"], `${size} bytes`);
  }
});
