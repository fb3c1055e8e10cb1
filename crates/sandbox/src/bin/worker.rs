//! The child of this crate's tests; in the product it is a hidden command of `mynah`.

fn main() -> std::process::ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    mynah_sandbox::worker::main(&arguments)
}
