// Reads just enough of SQL to take a text apart: statements, titles, names of parameters.

/** A text, a quoted name, or a comment, whose inside means nothing here; or a semicolon; or a parameter. */
const TOKENS = /'(?:[^']|'')*'?|"(?:[^"]|"")*"?|`[^`]*`?|\[[^\]]*\]?|--[^\n]*|\/\*[^]*?(?:\*\/|$)|;|[:@$][A-Za-z_]\w*/g;

/**
 * The statements of a text, each with the comments before it.
 *
 * @param {string} sql
 */
export function statements(sql) {
  const found = [];
  let from = 0;
  for (const token of sql.matchAll(TOKENS)) {
    if (token[0] !== ";") continue;
    found.push(sql.slice(from, token.index).trim());
    from = token.index + 1;
  }
  found.push(sql.slice(from).trim());
  return found.filter((statement) => bare(statement) !== "");
}

/** A statement without its comments. @param {string} sql */
function bare(sql) {
  return sql.replace(TOKENS, (token) => (token.startsWith("--") || token.startsWith("/*") ? " " : token)).trim();
}

/**
 * The names of the parameters of a text, without their colons, each once.
 *
 * @param {string} sql
 */
export function parameters(sql) {
  const names = [...sql.matchAll(TOKENS)].filter(([token]) => /^[:@$]/.test(token)).map(([token]) => token.slice(1));
  return [...new Set(names)];
}

/** What a statement is called: the comment before it. @param {string} sql */
export function title(sql) {
  return /^\s*--\s*(.*)/.exec(sql)?.[1].trim() ?? "";
}

/** Statements as one text, which `mynah sql` understands. @param {string[]} statements */
export function joined(statements) {
  return statements.map((statement) => statement.trim().replace(/;\s*$/, "")).filter(Boolean).map((one) => `${one};\n`).join("\n");
}
