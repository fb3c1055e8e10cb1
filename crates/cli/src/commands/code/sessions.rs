//! Sessions, as the command line names them.

use std::io::Write as _;

use mynah_agent::session::{Session, SessionError, Sessions};

use crate::environment;
use crate::failure::{Hint as _, Misuse};
use crate::terminal::Terminal;
use crate::text;

/// Flags about conversations whose variables live on.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Session")]
pub(super) struct SessionArgs {
    /// Go on with the session of this name, or begin it: variables of its programs are still there
    #[arg(long, value_name = "NAME")]
    session: Option<String>,
    /// List the sessions
    #[arg(long, conflicts_with_all = ["session", "end", "task"])]
    pub(super) sessions: bool,
    /// End a session: what was kept of it is removed
    #[arg(long, value_name = "NAME", conflicts_with_all = ["session", "task"])]
    end: Option<String>,
}

impl SessionArgs {
    /// Whether sessions are listed or ended, and nothing is written.
    pub(super) fn is_about_sessions(&self) -> bool {
        self.sessions || self.end.is_some()
    }

    /// Opens the session that is named.
    ///
    /// # Errors
    /// If it cannot be gone on with.
    pub(super) fn open(&self, interpreter: &str) -> anyhow::Result<Option<Session>> {
        let Some(name) = &self.session else { return Ok(None) };
        match sessions()?.open(name, interpreter) {
            Ok(session) => Ok(Some(session)),
            Err(error @ SessionError::Name(_)) => Err(Misuse(error.to_string()).into()),
            Err(error @ SessionError::Interpreter { .. }) => Err(error)
                .hint(format!("use the same --sandbox, or end it: `mynah code --end {name}`")),
            Err(error) => Err(error.into()),
        }
    }
}

/// Sessions are kept where the file of answers is.
fn sessions() -> anyhow::Result<Sessions> {
    Ok(Sessions::new(environment::database()?.with_file_name("code")))
}

/// Lists sessions, or ends one.
pub(super) fn manage(args: &SessionArgs, json: bool, terminal: &Terminal) -> anyhow::Result<()> {
    let sessions = sessions()?;
    if let Some(name) = &args.end {
        if sessions.end(name)? {
            terminal.note(&format!("ended {name}"));
            return Ok(());
        }
        return Err(anyhow::anyhow!("there is no session {name}"))
            .hint("`mynah code --sessions` lists them");
    }
    let listed = sessions.list()?;
    if json {
        return terminal.json(&listed);
    }
    if listed.is_empty() {
        terminal.note("there are no sessions");
        terminal.hint("`mynah code --session NAME \"…\"` begins one");
    }
    let mut out = terminal.out();
    let columns = listed.iter().map(|one| text::width(&one.name)).max().unwrap_or(0);
    for one in &listed {
        let turns = format!("{} turn{}", one.turns, if one.turns == 1 { "" } else { "s" });
        let last = text::line(one.last.as_deref().unwrap_or(""));
        let last = text::shortened(&last, 60);
        writeln!(out, "{}  {turns:>9}  {last}", text::left(&one.name, columns))?;
    }
    Ok(out.flush()?)
}
