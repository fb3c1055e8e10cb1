// Asks `mynah serve` through the npm package `openai`, unchanged:  node check.mjs URL MODEL KEY
import assert from "node:assert";
import OpenAI from "openai";

const [url, model, apiKey] = process.argv.slice(2);
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey, maxRetries: 0 });
const messages = [{ role: "user", content: "What is the capital of France?" }];
const asked = { model, messages, temperature: 0, max_tokens: 24 };

const whole = await client.chat.completions.create(asked);
const text = whole.choices[0].message.content;
assert.match(text, /Paris/);

let pieces = "";
for await (const chunk of await client.chat.completions.create({ ...asked, stream: true })) {
  pieces += chunk.choices[0]?.delta?.content ?? "";
}
assert.equal(pieces, text);

// A reader that goes away in the middle.
const broken = await client.chat.completions.create({ ...asked, max_tokens: 2000, stream: true });
for await (const _ of broken) break;

const tool = { type: "function", function: { name: "now", parameters: { type: "object", properties: {} } } };
const called = await client.chat.completions.create({ ...asked, tools: [tool], tool_choice: "required" });
assert.equal(called.choices[0].message.tool_calls[0].function.name, "now");

const response = await client.responses.create({ model, input: "Hello!", max_output_tokens: 16 });
assert.ok(response.output_text.length > 0);

await assert.rejects(client.chat.completions.create({ ...asked, top_p: 7 }), (error) => {
  assert.equal(error.status, 400);
  assert.equal(error.param, "top_p");
  return true;
});
console.log("openai for npm");
