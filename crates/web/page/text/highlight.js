// Colours code: comments, texts, numbers, keywords. It reads tokens, not grammar, and fetches nothing.

const C_LIKE = "auto break case catch class const continue default delete do else enum export extends extern false final finally for friend func function goto if implements import in inline instanceof interface let long map namespace new null nullptr operator package private protected public range return select short signed sizeof static struct super switch template this throw throws try type typedef typename union unsigned using var virtual void volatile while with yield async await of true undefined defer go chan fallthrough int char float double bool boolean string byte";
const WORDS = {
  c: C_LIKE,
  python: "and as assert async await break case class continue def del elif else except finally for from global if import in is lambda match nonlocal not or pass raise return try while with yield True False None self",
  rust: "as async await break const continue crate dyn else enum extern false fn for if impl in let loop match mod move mut pub ref return self Self static struct super trait true type unsafe use where while",
  shell: "if then else elif fi for while until do done case esac in function return local export set unset source alias exit echo cd sudo",
  sql: "select from where group by order having limit offset join left right inner outer on as and or not in is null like between union all distinct insert into values update set delete create table view index drop alter primary key references with recursive case when then else end exists cast asc desc over partition",
  data: "true false null yes no on off",
};

/** @typedef {{ words: string, line: string, isLoose?: boolean }} Family */

/** @type {Record<string, Family>} */
const FAMILIES = {
  c: { words: WORDS.c, line: "//" },
  python: { words: WORDS.python, line: "#" },
  rust: { words: WORDS.rust, line: "//" },
  shell: { words: WORDS.shell, line: "#" },
  sql: { words: WORDS.sql, line: "--", isLoose: true },
  data: { words: WORDS.data, line: "#" },
};

/** @type {Record<string, string>} */
const NAMES = {
  js: "c", javascript: "c", ts: "c", typescript: "c", jsx: "c", tsx: "c", java: "c", c: "c", cpp: "c", "c++": "c",
  h: "c", cs: "c", csharp: "c", go: "c", swift: "c", kotlin: "c", php: "c", scala: "c", dart: "c", css: "c",
  py: "python", python: "python", python3: "python", ruby: "python", rb: "python", julia: "python", r: "python",
  rs: "rust", rust: "rust", sh: "shell", bash: "shell", shell: "shell", zsh: "shell", console: "shell",
  dockerfile: "shell", make: "shell", makefile: "shell", sql: "sql", sqlite: "sql", json: "data", jsonl: "data",
  yaml: "data", yml: "data", toml: "data", ini: "data",
};

/** @type {Map<string, { pattern: RegExp, words: Set<string>, isLoose: boolean }>} */
const READY = new Map();

/** @param {string} name */
function family(name) {
  const ready = READY.get(name);
  if (ready) return ready;
  const { words, line, isLoose = false } = FAMILIES[name];
  const comment = line === "//" ? String.raw`\/\/[^\n]*|\/\*[^]*?(?:\*\/|$)` : `${line}[^\\n]*`;
  const long = name === "python" ? String.raw`"""[^]*?(?:"""|$)|'''[^]*?(?:'''|$)|` : "";
  // A lifetime of Rust is no text; a quotation mark within a word of a shell's text may be anything.
  const single = name === "rust" ? String.raw`'(?:[^'\\\n]|\\.)'` : String.raw`'(?:[^'\\\n]|\\.)*'`;
  const back = name === "c" ? "|`(?:[^`\\\\]|\\\\.)*`" : "";
  const texts = String.raw`${long}"(?:[^"\\\n]|\\.)*"|${single}${back}`;
  const numbers = String.raw`\b(?:0[xXbBoO][\da-fA-F_]+|\d[\d_]*(?:\.\d+)?(?:[eE][+-]?\d+)?)`;
  const names = String.raw`[A-Za-z_]\w*`;
  const pattern = new RegExp(`(${comment})|(${texts})|(${numbers})|(${names})`, "g");
  const made = { pattern, words: new Set(words.split(" ")), isLoose };
  READY.set(name, made);
  return made;
}

/**
 * The code in pieces: what kind each is ("" for none) and its text.
 *
 * @param {string} code
 * @param {string} language
 * @returns {[kind: string, text: string][]}
 */
export function highlight(code, language) {
  const name = NAMES[language.toLowerCase()];
  if (!name || code.length > 100_000) return [["", code]];
  const { pattern, words, isLoose } = family(name);
  /** @type {[string, string][]} */
  const pieces = [];
  let at = 0;
  for (const found of code.matchAll(pattern)) {
    const [text, comment, quoted, number, word] = found;
    let kind = "";
    if (comment !== undefined) kind = "comment";
    else if (quoted !== undefined) kind = "text";
    else if (number !== undefined) kind = "number";
    else if (words.has(isLoose ? word.toLowerCase() : word)) kind = "word";
    else if (code[found.index + text.length] === "(") kind = "call";
    if (!kind) continue;
    if (found.index > at) pieces.push(["", code.slice(at, found.index)]);
    pieces.push([kind, text]);
    at = found.index + text.length;
  }
  if (at < code.length) pieces.push(["", code.slice(at)]);
  return pieces;
}
