//! The commands, one file each: what it is called with, and what it does with the crates below.
//!
//! A new command is a file with `Args` and `run`, a `mod` line and a line in the table.

mod bench;
mod chat;
mod code;
mod completions;
mod convert;
mod corpus;
mod embed;
mod label;
mod list;
mod logs;
mod man;
mod plan;
mod pull;
mod quantize;
mod rm;
mod run;
mod serve;
mod show;
mod sql;
mod train;
mod r#try;

use crate::terminal::Terminal;

/// Makes the enumeration that clap reads, and the way from its variants to the files.
macro_rules! commands {
    ($($variant:ident => $module:ident,)*) => {
        /// What mynah can do. The text of each is the documentation of its `Args`.
        #[derive(clap::Subcommand)]
        pub(crate) enum Command {
            $($variant($module::Args),)*
        }

        impl Command {
            /// Does what was asked for.
            pub(crate) fn run(&self, terminal: &mut Terminal) -> anyhow::Result<()> {
                match self {
                    $(Self::$variant(args) => $module::run(args, terminal),)*
                }
            }
        }
    };
}

commands! {
    Run => run,
    Chat => chat,
    Code => code,
    Embed => embed,
    Train => train,
    Serve => serve,
    Try => r#try,
    Corpus => corpus,
    Plan => plan,
    Bench => bench,
    Logs => logs,
    Sql => sql,
    Pull => pull,
    Label => label,
    List => list,
    Show => show,
    Rm => rm,
    Convert => convert,
    Quantize => quantize,
    Completions => completions,
    Man => man,
}
