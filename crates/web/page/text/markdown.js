// Reads Markdown into plain objects: the part of CommonMark and of GitHub's additions that models write.
//
// Nothing here makes HTML. HTML in the text stays text. What a text may cost is bounded: every search
// goes forwards only, and nesting ends at a depth.

/**
 * @typedef {{ kind: "text", text: string }
 *   | { kind: "code", text: string }
 *   | { kind: "break" }
 *   | { kind: "strong" | "em" | "del", children: Inline[] }
 *   | { kind: "link", href: string, children: Inline[] }} Inline
 *
 * @typedef {{ kind: "paragraph", text: string }
 *   | { kind: "heading", level: number, text: string }
 *   | { kind: "code", language: string, text: string }
 *   | { kind: "quote", text: string }
 *   | { kind: "list", start: number | null, isTight: boolean, items: Item[] }
 *   | { kind: "table", aligned: string[], rows: string[][] }
 *   | { kind: "rule" }} Block
 *
 * @typedef {{ checked: boolean | null, text: string }} Item
 */

const FENCE = /^ {0,3}(`{3,}|~{3,})(.*)$/;
const HEADING = /^ {0,3}(#{1,6})(\s.*)?$/;
const RULE = /^ {0,3}(?:(?:\*\s*){3,}|(?:-\s*){3,}|(?:_\s*){3,})$/;
const QUOTE = /^ {0,3}> ?/;
const ITEM = /^( {0,3})([-*+]|\d{1,9}[.)])(?:(\s+)(.*))?$/;

/**
 * The blocks of a text.
 *
 * @param {string} text
 * @returns {Block[]}
 */
export function blocks(text) {
  const lines = text.replace(/\r\n?/g, "\n").replace(/\t/g, "    ").split("\n");
  /** @type {Block[]} */
  const found = [];
  let at = 0;
  while (at < lines.length) {
    if (lines[at].trim() === "") {
      at += 1;
      continue;
    }
    const [block, next] = oneBlock(lines, at);
    found.push(block);
    at = next;
  }
  return found;
}

/** @param {string[]} lines @param {number} at @returns {[Block, number]} */
function oneBlock(lines, at) {
  const line = lines[at];
  const fence = fenceOf(line);
  if (fence) return fenced(lines, at, fence);
  const heading = HEADING.exec(line);
  if (heading) return [{ kind: "heading", level: heading[1].length, text: headingText(heading[2] ?? "") }, at + 1];
  if (RULE.test(line)) return [{ kind: "rule" }, at + 1];
  if (QUOTE.test(line)) return quoted(lines, at);
  if (ITEM.test(line)) return listed(lines, at);
  if (isTable(lines, at)) return table(lines, at);
  let end = at + 1;
  while (end < lines.length && !interrupts(lines, end)) end += 1;
  return [{ kind: "paragraph", text: lines.slice(at, end).map((one) => one.trimStart()).join("\n") }, end];
}

/** Whether a paragraph ends before this line. @param {string[]} lines @param {number} at */
function interrupts(lines, at) {
  const line = lines[at];
  if (line.trim() === "") return true;
  const item = ITEM.exec(line);
  // A number that begins a line in the middle of a sentence begins no list.
  const isItem = item !== null && item[4] !== undefined && (!/\d/.test(item[2]) || /^1[.)]/.test(item[2]));
  return fenceOf(line) !== null || HEADING.test(line) || RULE.test(line) || QUOTE.test(line) || isItem
    || isTable(lines, at);
}

/** What begins a block of code, and in which language. @param {string} line */
function fenceOf(line) {
  const fence = FENCE.exec(line);
  // Code within a line may be marked with as many of the same marks.
  if (!fence || (fence[1][0] === "`" && fence[2].includes("`"))) return null;
  return { mark: fence[1], language: fence[2].trim().split(" ", 1)[0] };
}

/** Without the marks that may close a heading. @param {string} text */
function headingText(text) {
  const bare = text.trim();
  let end = bare.length;
  while (bare[end - 1] === "#") end -= 1;
  return end === 0 || bare[end - 1] === " " ? bare.slice(0, end).trimEnd() : bare;
}

/**
 * @param {string[]} lines @param {number} at @param {{ mark: string, language: string }} fence
 * @returns {[Block, number]}
 */
function fenced(lines, at, { mark, language }) {
  const indent = lines[at].length - lines[at].trimStart().length;
  let end = at + 1;
  const isEnd = (/** @type {string} */ line) => {
    const bare = line.trim();
    return bare.length >= mark.length && bare === mark[0].repeat(bare.length);
  };
  while (end < lines.length && !isEnd(lines[end])) end += 1;
  const body = lines.slice(at + 1, end).map((line) => unindented(line, indent));
  return [{ kind: "code", language, text: body.join("\n") }, end + 1];
}

/** @param {string} line @param {number} columns */
function unindented(line, columns) {
  let n = 0;
  while (n < columns && line[n] === " ") n += 1;
  return line.slice(n);
}

/** @param {string[]} lines @param {number} at @returns {[Block, number]} */
function quoted(lines, at) {
  let end = at;
  const body = [];
  while (end < lines.length && (QUOTE.test(lines[end]) || (end > at && !interrupts(lines, end)))) {
    body.push(lines[end].replace(QUOTE, ""));
    end += 1;
  }
  return [{ kind: "quote", text: body.join("\n") }, end];
}

/** @param {string[]} lines @param {number} at @returns {[Block, number]} */
function listed(lines, at) {
  const first = /** @type {RegExpExecArray} */ (ITEM.exec(lines[at]));
  const mark = first[2].at(-1);
  const start = /\d/.test(first[2]) ? Number.parseInt(first[2], 10) : null;
  /** @type {Item[]} */
  const items = [];
  let isTight = true;
  while (at < lines.length) {
    const item = ITEM.exec(lines[at]);
    if (!item || item[2].at(-1) !== mark || RULE.test(lines[at])) break;
    const width = item[1].length + item[2].length + Math.min(item[3]?.length ?? 1, 4);
    const body = [item[4] ?? ""];
    at += 1;
    while (at < lines.length) {
      const line = lines[at];
      const isBlank = line.trim() === "";
      const isInside = isIndented(line, width) && !startsSibling(line, item[1].length);
      if (isBlank ? !isIndented(lines[at + 1], width) : !isInside && interruptsItem(lines, at)) break;
      if (isBlank) isTight = false;
      body.push(unindented(line, width));
      at += 1;
    }
    const box = /^\[([ xX])\]\s+/.exec(body[0]);
    if (box) body[0] = body[0].slice(box[0].length);
    items.push({ checked: box && box[1] !== " ", text: body.join("\n").trimEnd() });
    const next = afterBlank(lines, at);
    if (next > at && ITEM.exec(lines[next] ?? "")?.[2].at(-1) === mark) {
      isTight = false;
      at = next;
    }
  }
  return [{ kind: "list", start, isTight, items }, at];
}

/** @param {string} line @param {number} indent */
function startsSibling(line, indent) {
  const item = ITEM.exec(line);
  return item !== null && item[1].length <= indent;
}

/** @param {string[]} lines @param {number} at */
function interruptsItem(lines, at) {
  return lines[at - 1].trim() === "" || ITEM.test(lines[at]) || interrupts(lines, at);
}

/** Whether a line belongs to an item whose text begins at this column. @param {string | undefined} line @param {number} width */
function isIndented(line, width) {
  return line !== undefined && line.trim() !== "" && line.startsWith(" ".repeat(Math.min(width, 2)));
}

/** @param {string[]} lines @param {number} at */
function afterBlank(lines, at) {
  while (at < lines.length && lines[at].trim() === "") at += 1;
  return at;
}

/** @param {string[]} lines @param {number} at */
function isTable(lines, at) {
  const rule = lines[at + 1];
  if (rule === undefined || !lines[at].includes("|") || !rule.includes("-")) return false;
  const marks = cells(rule);
  return marks.every((mark) => /^:?-+:?$/.test(mark)) && cells(lines[at]).length === marks.length;
}

/** @param {string} line */
function cells(line) {
  const bare = line.trim().replace(/^\|/, "").replace(/(?<!\\)\|$/, "");
  return bare.split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll("\\|", "|"));
}

/** @param {string[]} lines @param {number} at @returns {[Block, number]} */
function table(lines, at) {
  const rows = [cells(lines[at])];
  const aligned = cells(lines[at + 1]).map((rule) => {
    if (!rule.endsWith(":")) return "";
    return rule.startsWith(":") ? "center" : "right";
  });
  let end = at + 2;
  while (end < lines.length && lines[end].trim() !== "" && lines[end].includes("|")) {
    const row = cells(lines[end]).slice(0, aligned.length);
    while (row.length < aligned.length) row.push("");
    rows.push(row);
    end += 1;
  }
  return [{ kind: "table", aligned, rows }, end];
}

/** Deeper than this everything is text. */
const DEPTH = 12;
/** The longest text of a link. */
const LINK_TEXT = 1000;
const ADDRESS = /https?:\/\/[^\s<>"'`]+/y;
const PUNCTUATION = /[!-/:-@[-`{-~]/;

/**
 * The parts of a line or paragraph.
 *
 * @param {string} text
 * @param {number} [depth]
 * @returns {Inline[]}
 */
export function inlines(text, depth = 0) {
  if (depth > DEPTH) return [{ kind: "text", text }];
  const state = new Scanner(text, depth);
  while (state.at < text.length) state.step();
  state.flush();
  return state.parts;
}

class Scanner {
  /** @param {string} text @param {number} depth */
  constructor(text, depth) {
    this.text = text;
    this.depth = depth;
    this.at = 0;
    this.plain = "";
    /** @type {Inline[]} */
    this.parts = [];
    /** Marks that nothing after here closes. @type {Set<string>} */
    this.unclosed = new Set();
  }

  flush() {
    if (this.plain) this.parts.push({ kind: "text", text: this.plain });
    this.plain = "";
  }

  /** @param {Inline} part @param {number} end */
  push(part, end) {
    this.flush();
    this.parts.push(part);
    this.at = end;
  }

  step() {
    const { text, at } = this;
    const c = text[at];
    const next = text[at + 1] ?? "";
    if (c === "\\" && next === "\n") return this.push({ kind: "break" }, at + 2);
    if (c === "\\" && PUNCTUATION.test(next)) return this.keep(next, 2);
    if (c === "\n") return this.line();
    if (c === "`" && this.code()) return undefined;
    if (c === "!" && next === "[" && this.link(at + 1)) return undefined;
    if (c === "[" && this.link(at)) return undefined;
    if (c === "<" && this.angle()) return undefined;
    if ("*_~".includes(c) && this.marked()) return undefined;
    if (c === "h" && !/\w/.test(text[at - 1] ?? "") && this.address()) return undefined;
    return this.keep(c, 1);
  }

  /** @param {string} characters @param {number} n */
  keep(characters, n) {
    this.plain += characters;
    this.at += n;
  }

  line() {
    const isBreak = this.plain.endsWith("  ");
    this.plain = this.plain.trimEnd();
    if (isBreak) this.push({ kind: "break" }, this.at + 1);
    else this.keep("\n", 1);
  }

  code() {
    const { text, at } = this;
    let n = 1;
    while (text[at + n] === "`") n += 1;
    const mark = "`".repeat(n);
    if (this.unclosed.has(mark)) return this.skip(mark);
    let end = at + n;
    for (;;) {
      end = text.indexOf(mark, end);
      if (end < 0) {
        this.unclosed.add(mark);
        return this.skip(mark);
      }
      let after = end + n;
      while (text[after] === "`") after += 1;
      if (after === end + n) break;
      end = after;
    }
    let inside = text.slice(at + n, end).replaceAll("\n", " ");
    if (inside.startsWith(" ") && inside.endsWith(" ") && inside.trim()) inside = inside.slice(1, -1);
    this.push({ kind: "code", text: inside }, end + n);
    return true;
  }

  /** Keeps a mark as text, whole. @param {string} mark */
  skip(mark) {
    this.keep(mark, mark.length);
    return true;
  }

  /** `[text](address)`; a picture becomes a link to it: nothing is fetched. @param {number} open */
  link(open) {
    const { text } = this;
    let close = open + 1;
    for (let depth = 1; ; close += 1) {
      if (close >= text.length || close - open > LINK_TEXT) return false;
      if (text[close] === "\\") close += 1;
      else if (text[close] === "[") depth += 1;
      else if (text[close] === "]" && --depth === 0) break;
    }
    LINK_END.lastIndex = close + 1;
    const end = LINK_END.exec(text);
    const href = end && safeAddress(end[1] ?? end[2]);
    if (!end) return false;
    const label = text.slice(open + 1, close);
    const isPicture = open > this.at;
    const shown = isPicture ? [/** @type {Inline} */ ({ kind: "text", text: `image: ${label}` })]
      : inlines(label, this.depth + 1);
    if (href) this.push({ kind: "link", href, children: shown }, LINK_END.lastIndex);
    else {
      // An address that may not be followed is shown, so that nobody wonders.
      this.flush();
      this.parts.push(...shown, { kind: "text", text: ` (${end[1] ?? end[2]})` });
      this.at = LINK_END.lastIndex;
    }
    return true;
  }

  angle() {
    const end = this.text.indexOf(">", this.at);
    if (end < 0 || end - this.at > 2000) return false;
    const inside = this.text.slice(this.at + 1, end);
    const href = /^[a-z]+:\S+$/i.test(inside) ? safeAddress(inside) : null;
    if (!href) return false;
    this.push({ kind: "link", href, children: [{ kind: "text", text: inside }] }, end + 1);
    return true;
  }

  address() {
    ADDRESS.lastIndex = this.at;
    const found = ADDRESS.exec(this.text)?.[0].replace(/[.,:;!?*_~)\]]+$/, "");
    const href = found && safeAddress(found);
    if (!found || !href) return false;
    this.push({ kind: "link", href, children: [{ kind: "text", text: found }] }, this.at + found.length);
    return true;
  }

  marked() {
    const { text, at } = this;
    const c = text[at];
    let n = 1;
    while (n < 3 && text[at + n] === c) n += 1;
    const isOpening = !/\s/.test(text[at + n] ?? " ") && !(c === "_" && /[\p{L}\p{N}]/u.test(text[at - 1] ?? ""));
    if (!isOpening || (c === "~" && n !== 2)) return this.skip(c.repeat(n));
    const mark = c.repeat(n);
    const end = this.unclosed.has(mark) ? -1 : this.closing(mark, at + n);
    if (end < 0) {
      this.unclosed.add(mark);
      return this.skip(mark);
    }
    const children = inlines(text.slice(at + n, end), this.depth + 1);
    /** @type {Inline} */
    let part = { kind: c === "~" ? "del" : n === 1 ? "em" : "strong", children };
    if (n === 3) part = { kind: "em", children: [part] };
    this.push(part, end + n);
    return true;
  }

  /** Where a mark is closed; code is no place for that. @param {string} mark @param {number} from */
  closing(mark, from) {
    const { text } = this;
    const c = mark[0];
    for (let i = from; i < text.length; i += 1) {
      if (text[i] === "\\") i += 1;
      else if (text[i] === "`") {
        const end = text.indexOf("`", i + 1);
        if (end > 0) i = end;
      } else if (text[i] === c) {
        let n = 1;
        while (text[i + n] === c) n += 1;
        const isWord = c === "_" && /[\p{L}\p{N}]/u.test(text[i + n] ?? "");
        if (n >= mark.length && (n === mark.length || n === 3) && !/\s/.test(text[i - 1]) && !isWord) {
          return i + n - mark.length;
        }
        i += n - 1;
      }
    }
    return -1;
  }
}

/** The address of a link, with or without angle brackets, and a title. */
const LINK_END = /\(\s*(?:<([^<>\n]*)>|((?:[^\s()\\]|\\.|\([^\s()]*\))*))(?:\s+(?:"[^"]*"|'[^']*'))?\s*\)/y;

/**
 * The address, if following it runs nothing and stays outside of this page.
 *
 * @param {string} text
 * @returns {string | null}
 */
export function safeAddress(text) {
  try {
    const url = new URL(text.trim());
    return ["http:", "https:", "mailto:"].includes(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}
