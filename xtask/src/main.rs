//! Developer tasks: `cargo xtask TASK`.

mod check;
mod clients;
mod docs;
mod fuzz;
mod instructions;
mod layers;
mod licences;
mod page;
mod process;
mod scan;
mod test;

use clap::Parser;

/// Developer tasks
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Task {
    /// Run every test, with the models that some of them read
    ///
    /// The models are fetched into the cache folder that mynah uses (MYNAH_HOME). One of them is
    /// under the Gemma Terms of Use, which must be accepted once.
    Test {
        /// Accept the licences of the test models; set also by CI=true
        #[arg(long, env = "CI", value_parser = clap::builder::FalseyValueParser::new())]
        accept_licence: bool,
        /// Passed on to the test runner
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Check everything but the tests: format, lints, documentation, layers, licences
    Check,
    /// Ask `mynah serve` with the clients that other programs use, unchanged
    ///
    /// Needs python3, node and npm; the clients are installed below the target folder.
    Clients,
    /// Check that dependencies point down, and that the engine opens no file and reads no clock
    Layers,
    /// Check the licences of all dependencies
    Licences,
    /// Count the instructions of kernels under callgrind, and compare with what was accepted
    Instructions {
        /// Accept what is counted now
        #[arg(long)]
        accept: bool,
    },
    /// Run the fuzz targets, each for so many seconds
    Fuzz {
        /// How long each runs
        #[arg(long, default_value_t = 60)]
        seconds: u32,
        /// Only these targets
        targets: Vec<String>,
    },
    /// Check the page: vendored libraries, types, and every view in a real browser
    ///
    /// Needs Node.js 20 and Chromium (CHROMIUM=PATH names another). Pictures of the views are kept in
    /// the target folder.
    Page {
        /// Leave out what needs a browser
        #[arg(long)]
        types: bool,
    },
    /// Write `docs/help.md` from the program's own help
    Docs {
        /// Only compare, and fail if it would change
        #[arg(long)]
        check: bool,
    },
}

fn main() -> anyhow::Result<()> {
    match Task::parse() {
        Task::Test { accept_licence, arguments } => test::run(accept_licence, &arguments),
        Task::Check => check::run_all(),
        Task::Clients => clients::run_all(),
        Task::Layers => layers::run(),
        Task::Licences => licences::run(),
        Task::Instructions { accept } => instructions::run_all(accept),
        Task::Fuzz { seconds, targets } => fuzz::run_all(seconds, &targets),
        Task::Page { types } => page::run_all(types),
        Task::Docs { check } => docs::run(check),
    }
}
