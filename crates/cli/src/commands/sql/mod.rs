//! `mynah sql`: questions about the log in SQL.

mod chart;
mod output;
mod table;

use std::fs;
use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context as _;
use mynah_store::SavedQuery;
use mynah_store::sql::{Limits, Reader, SqlError};

use self::output::Format;
use crate::failure::{Hint as _, Misuse};
use crate::log::{DatabaseArgs, tell_empty};
use crate::terminal::{Terminal, printable};
use crate::text;

/// How many seconds a question may take, if nobody says otherwise.
const TIMEOUT_S: u64 = 10;

/// Ask questions about what was kept, in SQL
///
/// Only reading is possible. Several queries may stand one after the other, with semicolons between
/// them. Results with columns of certain names are drawn: bar_label and bar_quantity; big_number and
/// label; wordcloud_word and wordcloud_count; completed_count and total_count; markdown; html.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  mynah sql --saved tag-cloud         the words of what was asked in the last year
  mynah sql --saved models            the models that answered most often
  mynah sql \"select model, avg(duration_ms) from turns group by model\"
  mynah sql --param day=2026-03-01 --csv \\
    \"select * from turns where datetime_utc >= :day\"
  mynah sql \"select * from mynah_answers\" --json    the samples of all experiments
  mynah sql \"select name, type from sqlite_master\"  what there is

mynah_words(text) gives the words of a text as a JSON array; mynah_now() is the time.")]
pub(crate) struct Args {
    /// The query; without one it comes from standard input
    #[arg(value_name = "SQL", conflicts_with_all = ["file", "saved", "list", "remove"])]
    sql: Option<String>,
    /// Read the query from a file
    #[arg(long, short, value_name = "FILE", conflicts_with_all = ["saved", "list", "remove"])]
    file: Option<PathBuf>,
    /// A value for :NAME in the query; may be given several times
    #[arg(long, short, value_name = "NAME=VALUE", value_parser = parameter)]
    param: Vec<(String, String)>,
    /// Print objects as JSON; of several results a list each
    #[arg(long, group = "format", help_heading = "Output")]
    json: bool,
    /// Print comma-separated values
    #[arg(long, group = "format", help_heading = "Output")]
    csv: bool,
    /// Print tab-separated values
    #[arg(long, group = "format", help_heading = "Output")]
    tsv: bool,
    /// Print a table, also where the columns ask for a chart
    #[arg(long, group = "format", help_heading = "Output")]
    table: bool,
    /// How many rows of a result are printed at most
    #[arg(long, value_name = "N", default_value_t = 1000, help_heading = "Limits")]
    #[arg(value_parser = crate::session::at_least_one)]
    limit: usize,
    /// How many seconds a query may take
    #[arg(long, value_name = "SECONDS", default_value_t = TIMEOUT_S, help_heading = "Limits")]
    timeout: u64,
    /// Keep the query under this name, and answer it
    #[arg(long, value_name = "NAME", help_heading = "Saved queries")]
    #[arg(conflicts_with_all = ["saved", "list", "remove"])]
    save: Option<String>,
    /// Answer a saved query
    #[arg(long, value_name = "NAME", help_heading = "Saved queries")]
    saved: Option<String>,
    /// List the saved queries
    #[arg(long, help_heading = "Saved queries", conflicts_with = "saved")]
    list: bool,
    /// Remove a saved query
    #[arg(long, value_name = "NAME", help_heading = "Saved queries")]
    #[arg(conflicts_with_all = ["saved", "list"])]
    remove: Option<String>,
    #[command(flatten)]
    database: DatabaseArgs,
}

/// Reads `NAME=VALUE`.
fn parameter(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("it must be NAME=VALUE")?;
    let name = name.trim().trim_start_matches([':', '@', '$']);
    if name.is_empty() {
        return Err("the name is missing".to_owned());
    }
    Ok((name.to_owned(), value.to_owned()))
}

pub(crate) fn run(args: &Args, terminal: &mut Terminal) -> anyhow::Result<()> {
    if let Some(name) = &args.remove {
        return args.database.open()?.remove_query(name).hint("`mynah sql --list` shows them");
    }
    if args.list {
        return list(args, terminal);
    }
    // What is asked comes first: an empty log has no answer to a faulty question either.
    let sql = read_query(args)?;
    // Makes the file new, if it is of an earlier version; a reader could not.
    let Some(mut store) = args.database.open_existing()? else {
        return tell_empty(&args.database, terminal);
    };
    if let Some(name) = &args.save {
        store.save_query(name, &sql, SystemTime::now())?;
        terminal.note(&format!("saved as {name}"));
    }
    drop(store);
    let limits = Limits { rows: args.limit, ..Limits::default() };
    let deadline = Instant::now() + Duration::from_secs(args.timeout.min(86_400));
    let path = args.database.path()?;
    let is_late = move || Instant::now() >= deadline;
    let reader = Reader::open(&path, SystemTime::now(), limits, is_late)?;
    let tables = match reader.answer(&sql, &args.param) {
        Ok(tables) => tables,
        Err(error) => return explain(error, &sql, args.timeout),
    };
    output::print(&tables, Format::of(args), terminal)?;
    if tables.iter().any(|table| table.is_cut) {
        terminal.note(&format!("there are more rows than {}; --limit N shows more", args.limit));
    }
    Ok(())
}

/// Answers a question about the tables of a file that is not the log.
pub(crate) fn ask(path: &Path, sql: &str, json: bool, terminal: &Terminal) -> anyhow::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(TIMEOUT_S);
    let is_late = move || Instant::now() >= deadline;
    let reader = Reader::open(path, SystemTime::now(), Limits::default(), is_late)?;
    let tables = match reader.answer(sql, &[]) {
        Ok(tables) => tables,
        Err(error) => return explain(error, sql, TIMEOUT_S),
    };
    output::print(&tables, if json { Format::Json } else { Format::Drawn }, terminal)?;
    if tables.iter().any(|table| table.is_cut) {
        terminal.note("there are more rows than 1000; `limit` and `offset` show them");
    }
    Ok(())
}

fn read_query(args: &Args) -> anyhow::Result<String> {
    if let Some(name) = &args.saved {
        let query = match args.database.open_existing()? {
            Some(store) => store.query(name).hint("`mynah sql --list` shows them")?,
            None => SavedQuery::built_in(name)
                .with_context(|| format!("there is no query {name:?}"))
                .hint("`mynah sql --list` shows them")?,
        };
        return Ok(query.sql);
    }
    if let Some(path) = &args.file {
        return fs::read_to_string(path)
            .map_err(|error| Misuse(format!("cannot read {}: {error}", path.display())).into());
    }
    if let Some(sql) = &args.sql {
        return Ok(sql.clone());
    }
    if io::stdin().is_terminal() {
        return Err(Misuse("there is no query".to_owned()))
            .hint("`mynah sql \"select count(*) from turns\"`, or `mynah sql --list`");
    }
    let mut sql = String::new();
    io::stdin()
        .read_to_string(&mut sql)
        .map_err(|error| Misuse(format!("cannot read standard input: {error}")))?;
    Ok(sql)
}

fn list(args: &Args, terminal: &Terminal) -> anyhow::Result<()> {
    let queries = match args.database.open_existing()? {
        Some(store) => store.queries()?,
        None => mynah_store::Store::in_memory(SystemTime::now())?.queries()?,
    };
    if args.json {
        return terminal.json(&queries);
    }
    let widest = queries.iter().map(|query| text::width(&query.name)).max().unwrap_or(0);
    let mut out = terminal.out();
    for query in &queries {
        let name = terminal.bold(&text::left(&text::line(&query.name), widest));
        let about = query.description.as_deref().unwrap_or(&query.sql);
        let about = text::shortened(text::line(about).trim(), 100);
        writeln!(out, "{name}  {about}")?;
    }
    Ok(out.flush()?)
}

/// Shows where in the query the fault is, and what can be done.
fn explain<T>(error: SqlError, sql: &str, timeout: u64) -> anyhow::Result<T> {
    let hint = match &error {
        SqlError::Syntax { message, offset } => {
            let hint = if message.starts_with("no such table") {
                "`mynah sql \"select name from sqlite_master\"` shows what there is"
            } else if message.starts_with("no such column") {
                "`mynah sql \"pragma table_info(turns)\"` shows the columns of a table; \
                 texts stand between single quotes"
            } else {
                "the language is SQLite's: https://sqlite.org/lang.html"
            };
            let shown = offset.map_or(String::new(), |offset| place(sql, offset));
            return Err(Misuse(format!("{message}{shown}"))).hint(hint);
        }
        SqlError::Forbidden { .. } => {
            "`mynah logs delete` deletes; `sqlite3 FILE` does whatever you say".to_owned()
        }
        SqlError::Stopped => {
            format!("it may take {timeout} s; --timeout N allows more")
        }
        SqlError::TooLarge => "ask for less at once: fewer columns, substr(), limit".to_owned(),
        SqlError::Unbound { name } => {
            format!("--param {}=VALUE gives it one", name.trim_start_matches([':', '@', '$']))
        }
        SqlError::NoParameter { .. } => "parameters are written :name in the query".to_owned(),
        SqlError::Empty => "`mynah sql --list` shows queries that are there".to_owned(),
        SqlError::Sqlite(_) => return Err(error.into()),
    };
    Err(Misuse(error.to_string())).hint(hint)
}

/// The line of a text with a place in it, and a caret below the place.
fn place(sql: &str, offset: usize) -> String {
    let start = sql[..offset].rfind('\n').map_or(0, |i| i + 1);
    let end = sql[offset..].find('\n').map_or(sql.len(), |i| offset + i);
    let n_line = sql[..start].matches('\n').count() + 1;
    // Tabs are as wide as the terminal likes.
    let before = printable(&sql[start..offset].replace('\t', " "));
    let line = printable(&sql[start..end].trim_end().replace('\t', " "));
    let label = if sql.trim().contains('\n') { format!("line {n_line}: ") } else { String::new() };
    // A long line is cut around the place.
    let (before, line) = match text::width(&before).saturating_sub(60) {
        0 => (before, line),
        _ => {
            let kept: String = before.chars().rev().take(50).collect();
            let kept: String = kept.chars().rev().collect();
            let rest = line.get(before.len()..).unwrap_or_default();
            (format!("…{kept}"), format!("…{kept}{rest}"))
        }
    };
    let indent = " ".repeat(text::width(&label) + text::width(&before));
    format!("\n  {label}{}\n  {indent}^", text::shortened(&line, 100))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caret_stands_below_the_place() {
        assert_eq!(
            place("select modell from turns", 7),
            "\n  select modell from turns\n         ^"
        );
        let sql = "select 1,\n\t'北京' x y z\nfrom t";
        let offset = sql.find("y z").unwrap();
        assert_eq!(place(sql, offset), "\n  line 2:  '北京' x y z\n                    ^");
        assert_eq!(place("select", 6), "\n  select\n        ^");
        let long = format!("select {}, nothing", "a".repeat(200));
        let shown = place(&long, 209);
        assert!(shown.lines().nth(1).unwrap().ends_with("a, nothing"), "{shown}");
        let caret = text::width(shown.lines().nth(2).unwrap()) - 1;
        assert_eq!(shown.lines().nth(1).unwrap().chars().nth(caret), Some('n'));
    }

    #[test]
    fn parameters_have_names() {
        assert_eq!(parameter(":a=b=c"), Ok(("a".into(), "b=c".into())));
        assert_eq!(parameter("a="), Ok(("a".into(), String::new())));
        assert!(parameter("=b").is_err() && parameter("ab").is_err());
    }
}
