//! Everything that is checked but the tests.

use crate::process::{cargo, run};
use crate::{docs, layers, licences};

pub(crate) fn run_all() -> anyhow::Result<()> {
    run(&mut cargo(&["fmt", "--all", "--check"]))?;
    run(&mut cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    run(cargo(&["doc", "--workspace", "--no-deps", "--document-private-items"])
        .env("RUSTDOCFLAGS", "-D warnings"))?;
    layers::run()?;
    licences::run()?;
    docs::run(true)
}
