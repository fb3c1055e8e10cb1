// What Markdown is read as.
import assert from "node:assert/strict";
import { test } from "node:test";
import { highlight } from "../../page/text/highlight.js";
import { blocks, inlines, safeAddress } from "../../page/text/markdown.js";

/** Blocks in a short notation. */
function shape(text) {
  return blocks(text).map((block) => {
    switch (block.kind) {
      case "heading": return `h${block.level}(${block.text})`;
      case "code": return `code:${block.language}(${block.text})`;
      case "quote": return `quote(${shape(block.text).join(" ")})`;
      case "list": return `${block.start === null ? "ul" : `ol${block.start}`}${block.isTight ? "" : "~"}(${block.items
        .map((item) => `${item.checked === null ? "" : item.checked ? "[x]" : "[ ]"}${shape(item.text).join(" ")}`).join(", ")})`;
      case "table": return `table(${block.aligned.join("/")}: ${block.rows.map((row) => row.join("|")).join("; ")})`;
      case "rule": return "rule";
      default: return `p(${block.text})`;
    }
  });
}

/** Parts of a line in a short notation. */
function line(text) {
  const one = (part) => {
    if (part.kind === "text") return part.text;
    if (part.kind === "code") return `<code ${part.text}>`;
    if (part.kind === "break") return "<br>";
    if (part.kind === "link") return `<a ${part.href} ${part.children.map(one).join("")}>`;
    return `<${part.kind} ${part.children.map(one).join("")}>`;
  };
  return inlines(text).map(one).join("");
}

test("blocks", () => {
  const check = (text, ...expected) => assert.deepEqual(shape(text), expected, text);
  check("one\ntwo\n\nthree", "p(one\ntwo)", "p(three)");
  check("# Title #\ntext\n### Deep", "h1(Title)", "p(text)", "h3(Deep)");
  check("```js\nlet a;\n\n  b\n```\nafter", "code:js(let a;\n\n  b)", "p(after)");
  check("~~~\n```\n~~~", "code:(```)");
  check("```\nnever closed", "code:(never closed)");
  check("> a\n> - b\nlazy\n\nc", "quote(p(a) ul(p(b\nlazy)))", "p(c)");
  check("---\n***\n_ _ _", "rule", "rule", "rule");
  check("- a\n- b\n  - c\n- d", "ul(p(a), p(b) ul(p(c)), p(d))");
  check("1. a\n2. b", "ol1(p(a), p(b))");
  check("3) a\n\n4) b", "ol3~(p(a), p(b))");
  check("- a\n\n  more\n- b", "ul~(p(a) p(more), p(b))");
  check("1. a\n   ```py\n   x = 1\n   ```\n2. b", "ol1(p(a) code:py(x = 1), p(b))");
  check("- [ ] a\n- [x] b", "ul([ ]p(a), [x]p(b))");
  check("- a\n\ntext", "ul(p(a))", "p(text)");
  check("* a\n- b", "ul(p(a))", "ul(p(b))");
  check("a | b\n--|:-:\n1 | 2\n3", "table(/center: a|b; 1|2)", "p(3)");
  check("| a | b |\n|--:|---|\n| `x\\|y` | |", "table(right/: a|b; `x|y`|)");
  check("In 1990. it was", "p(In 1990. it was)");
  check("text\n1990. is no list", "p(text\n1990. is no list)");
  check("#hashtag", "p(#hashtag)");
  check("", );
  check("<script>alert(1)</script>", "p(<script>alert(1)</script>)");
});

test("parts of a line", () => {
  const check = (text, expected) => assert.equal(line(text), expected, text);
  check("**bold** and *em* and ~~gone~~", "<strong bold> and <em em> and <del gone>");
  check("***both***", "<em <strong both>>");
  check("**a *b* c**", "<strong a <em b> c>");
  check("snake_case_name and 2 * 3 * 4", "snake_case_name and 2 * 3 * 4");
  check("_em_ __strong__", "<em em> <strong strong>");
  check("`a*b*` and ``a`b``", "<code a*b*> and <code a`b>");
  check("*`*`*", "<em <code *>>");
  check("**not closed", "**not closed");
  check("\\*plain\\* \\`", "*plain* `");
  check("[a **b**](https://x.de/(y) \"title\")", "<a https://x.de/(y) a <strong b>>");
  check("![alt](https://x.de/i.png)", "<a https://x.de/i.png image: alt>");
  check("<https://x.de/> and https://y.de/a_b. End", "<a https://x.de/ https://x.de/> and <a https://y.de/a_b https://y.de/a_b>. End");
  check("[x](javascript:alert(1))", "x (javascript:alert(1))");
  check("[x] (no link) [y]", "[x] (no link) [y]");
  check("a  \nb\\\nc", "a<br>b<br>c");
  check("<b>stays</b>", "<b>stays</b>");
});

test("only addresses that leave this page and run nothing are followed", () => {
  for (const good of ["https://x.de/a?b=c#d", "HTTP://X.de", "mailto:a@b.de", " https://x.de "]) {
    assert.notEqual(safeAddress(good), null, good);
  }
  for (const bad of ["javascript:alert(1)", "JaVaScRiPt:x", "\u0001javascript:x", "java\nscript:x", "data:text/html,x", "blob:https://x/1",
    "file:///etc/passwd", "vbscript:x", "view-source:x", "//x.de/a", "/api/export", "#/models", "x", "", "filesystem:https://x/y"]) {
    assert.equal(safeAddress(bad), null, bad);
  }
});

// A search that goes back and forth would take hours for these.
test("whatever is written is read to its end, and nothing is lost", () => {
  const all = (part) => part.text ?? (part.children ?? []).map(all).join("");
  for (const piece of ["*", "_", "**", "[", "](", "`", "``a", "<", "![", "> ", "- ", "\\", "|", "~~", "*a ", "_a_", "((", "[a](", "1. ", "#"]) {
    const text = piece.repeat(50_000);
    assert.ok(blocks(text).length > 0);
    assert.ok(inlines(text).length > 0);
  }
  assert.equal(inlines("*_~`[a](b) <c> \\d").map(all).join(""), "*_~`[a](b) <c> \\d".replace("[a](b)", "a (b)"));
});

test("code keeps every character", () => {
  const code = `def f(x: str) -> int:  # "no text"\n    """doc 'x'"""\n    return len("a\\"b") + 0x1F + y.g('z')`;
  for (const language of ["python", "js", "rust", "sql", "sh", "json", "unknown", ""]) {
    assert.equal(highlight(code, language).map(([, text]) => text).join(""), code, language);
  }
  const kinds = (language, text) => highlight(text, language).filter(([kind]) => kind).map(([kind, text]) => `${kind}:${text}`);
  assert.deepEqual(kinds("python", "return f('a') # b"), ["word:return", "call:f", "text:'a'", "comment:# b"]);
  assert.deepEqual(kinds("rust", "fn a<'x>(c: char) { 'c' } // d"), ["word:fn", "text:'c'", "comment:// d"]);
  assert.deepEqual(kinds("sql", "SELECT 1 -- x"), ["word:SELECT", "number:1", "comment:-- x"]);
  assert.deepEqual(kinds("js", "const a = `b${c}`; /* d"), ["word:const", "text:`b${c}`", "comment:/* d"]);
});
