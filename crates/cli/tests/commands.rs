//! The program as a person or a script meets it: what it prints where, and how it ends.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod program;
#[path = "../../hub/tests/support/server.rs"]
mod server;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command};

use program::{ended, mynah};
use server::{Fault, Page, Server, model};

fn run(home: &Path, arguments: &[&str]) -> (i32, String, String) {
    ended(mynah(home, arguments).output().unwrap())
}

/// A catalogue with the one model `m`.
fn with_model(home: &Path, server: &Server, bytes: &[u8]) {
    server.put("/m.gguf", Page::new(bytes));
    let text = format!(
        "default = \"m\"\n[[model]]\nname = \"m\"\ndescription = \"small\"\nlicence = \"MIT\"\n\
         licence_url = \"https://h/\"\n[[model.file]]\nname = \"m.gguf\"\nbytes = {}\n\
         sha256 = \"{}\"\n[[model.source]]\nfrom = \"{}\"\n",
        bytes.len(),
        mynah_hub::Sum::of(bytes),
        server.url("/m.gguf"),
    );
    fs::write(home.join("catalogue.toml"), text).unwrap();
}

#[test]
fn a_pull_prints_the_path_and_says_what_it_does() {
    let (server, home) = (Server::start(), tempfile::tempdir().unwrap());
    let bytes = model(2000, 1);
    with_model(home.path(), &server, &bytes);
    let (status, out, err) = run(home.path(), &["pull"]);
    assert_eq!(status, 0, "{err}");
    let path = out.strip_suffix('\n').unwrap();
    assert_eq!(fs::read(path).unwrap(), bytes);
    let source = server.url("/m.gguf");
    assert_eq!(err, format!("fetching m, 2.00 kB, licence MIT, from {source}\n"));
    assert_eq!(run(home.path(), &["pull", "m"]), (0, out.clone(), "m is here already\n".into()));
    assert_eq!(run(home.path(), &["-q", "pull", "m"]), (0, out.clone(), String::new()));
    let (_, json, _) = run(home.path(), &["pull", "--json", "m"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json[0]["path"], path);
    assert_eq!(json[0]["was_here"], true);
    assert_eq!(json[0]["licence"]["name"], "MIT");
    let (status, _, err) = run(home.path(), &["pull", "--check", "m"]);
    assert_eq!((status, err.as_str()), (0, "m: every checksum is right\n"));
}

#[test]
fn models_are_listed_and_removed() {
    let (server, home) = (Server::start(), tempfile::tempdir().unwrap());
    with_model(home.path(), &server, &model(2000, 2));
    let (status, out, err) = run(home.path(), &["list"]);
    assert_eq!((status, out.as_str()), (0, ""));
    assert!(err.starts_with("no models are here yet\nhint: "), "{err}");
    let (_, out, _) = run(home.path(), &["list", "--all"]);
    assert!(out.starts_with("  m  ") && out.contains("\n  smollm2-135m "), "{out}");
    run(home.path(), &["pull", "m"]);
    let (_, out, _) = run(home.path(), &["list"]);
    assert_eq!(out, "m  2.00 kB  MIT  small\n");
    let (_, out, _) = run(home.path(), &["list", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&json[0]["name"], &json[0]["bytes"]), (&"m".into(), &2000.into()));
    let (status, out, err) = run(home.path(), &["rm", "m"]);
    assert_eq!((status, out.as_str()), (0, ""));
    assert_eq!(err, "removed m, 2.00 kB are free again\n");
    let (status, _, err) = run(home.path(), &["rm", "m"]);
    assert_eq!(status, 1);
    assert_eq!(err, "error: m is not in the cache\nhint: `mynah pull m` fetches it\n");
}

#[test]
fn errors_say_what_and_what_to_do() {
    let home = tempfile::tempdir().unwrap();
    for (arguments, expected, says, hints) in [
        (&["pull", "smolm2"][..], 1, "no model named \"smolm2\"", "did you mean smollm2-135m?"),
        (&["pull", "s3:x"], 1, "\"s3\" is not a place", "write NAME"),
        (&["pull", "http://example.org/m.gguf"], 1, "is not https", "use https"),
        (&["--offline", "pull", "smollm2-135m"], 1, "mynah is offline", "leave out --offline"),
        (&["show", "smollm2-135m"], 1, "is not in the cache", "`mynah pull smollm2-135m`"),
        (&["show", "./none.gguf"], 1, "cannot read ./none.gguf", "check the path"),
        (&["pull", "./none.gguf"], 1, "cannot read ./none.gguf", ""),
        (&["frobnicate"], 2, "unrecognized subcommand", ""),
        (&["rm"], 2, "required arguments", ""),
    ] {
        let (status, out, err) = run(home.path(), arguments);
        assert_eq!((status, out.as_str()), (expected, ""), "{arguments:?}");
        assert!(err.starts_with("error: ") && err.contains(says), "{arguments:?}: {err}");
        assert!(err.contains(&format!("hint: {hints}")) || hints.is_empty(), "{err}");
        assert!(!err.contains('\x1b'), "colour where no terminal is: {err}");
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let home = tempfile::tempdir().unwrap();
    for arguments in [&["completions", "bash"][..], &["man"], &["list", "--all"], &["--help"]] {
        let mut child = mynah(home.path(), arguments).spawn().unwrap();
        drop(child.stdout.take());
        let status = child.wait().unwrap();
        let mut err = String::new();
        child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        assert_eq!(status.code(), Some(0), "{arguments:?}: {err}");
        assert!(!err.contains("panicked") && !err.contains("error"), "{arguments:?}: {err}");
    }
}

/// A pull that has half of its file and gets no more.
fn stalled(home: &Path, server: &Server, bytes: &[u8]) -> Child {
    with_model(home, server, bytes);
    server.fail("/m.gguf", [Fault::Stall(bytes.len() / 2)]);
    let child = mynah(home, &["pull", "m"]).spawn().unwrap();
    let unfinished = home.join("partial/m/files/m.gguf");
    while fs::metadata(&unfinished).map_or(0, |file| file.len()) < bytes.len() as u64 / 2 {
        std::thread::yield_now();
    }
    child
}

#[test]
fn a_pull_that_is_killed_leaves_nothing_under_the_name_and_goes_on() {
    let (server, home) = (Server::start(), tempfile::tempdir().unwrap());
    let bytes = model(100_000, 3);
    let mut child = stalled(home.path(), &server, &bytes);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!home.path().join("models").exists());
    let (status, out, err) = run(home.path(), &["pull", "m"]);
    assert_eq!(status, 0, "{err}");
    assert!(err.contains("m.gguf: going on at 50.0 kB of 100 kB"), "{err}");
    assert_eq!(fs::read(out.trim_end()).unwrap(), bytes);
    assert_eq!(server.log_of("/m.gguf")[1].header("range"), "bytes=50000-");
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_a_pull_with_its_own_status() {
    let (server, home) = (Server::start(), tempfile::tempdir().unwrap());
    let child = stalled(home.path(), &server, &model(100_000, 4));
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let (status, out, _) = ended(child.wait_with_output().unwrap());
    assert_eq!((status, out.as_str()), (130, ""));
}

#[test]
fn a_second_pull_waits_for_the_first() {
    let (server, home) = (Server::start(), tempfile::tempdir().unwrap());
    let bytes = model(100_000, 5);
    let mut first = stalled(home.path(), &server, &bytes);
    let mut second = mynah(home.path(), &["pull", "m"]).spawn().unwrap();
    let mut lines = BufReader::new(second.stderr.take().unwrap()).lines();
    let line = lines.next().unwrap().unwrap();
    assert_eq!(line, "another mynah is fetching m; waiting for it");
    let (status, _, err) = run(home.path(), &["rm", "m"]);
    assert_eq!((status, err.lines().next().unwrap()), (1, "error: m is in use by another mynah"));
    first.kill().unwrap();
    first.wait().unwrap();
    let (status, out, _) = ended(second.wait_with_output().unwrap());
    assert_eq!(status, 0);
    assert_eq!(fs::read(out.trim_end()).unwrap(), bytes);
}

#[test]
fn the_environment_names_servers() {
    let (server, home) = (Server::start(), tempfile::tempdir().unwrap());
    let bytes = model(2000, 6);
    let list = r#"{"sha": "abc", "siblings": [{"rfilename": "m.gguf", "size": 2000}]}"#;
    server.put("/hf/api/models/o/r/revision/main?blobs=true", Page::new(list));
    server.put("/hf/o/r/resolve/abc/m.gguf", Page::new(bytes.clone()));
    let mut pull = mynah(home.path(), &["pull", "hf:o/r"]);
    pull.env("HF_ENDPOINT", server.url("/hf")).env("HF_TOKEN", "hf_secret");
    let (status, out, err) = ended(pull.output().unwrap());
    assert_eq!(status, 0, "{err}");
    assert_eq!(fs::read(out.trim_end()).unwrap(), bytes);
    assert_eq!(server.log()[0].header("authorization"), "Bearer hf_secret");
    // A proxy sees a request for another host whole.
    let mut pull = mynah(home.path(), &["pull", "hf:o/other"]);
    pull.env("HF_ENDPOINT", "http://mirror.invalid").env("ALL_PROXY", server.url(""));
    let (status, _, _) = ended(pull.output().unwrap());
    assert_eq!(status, 1);
    let asked = server.log().pop().unwrap();
    assert!(asked.path.contains("mirror.invalid"), "{asked:?}");
    // pip's own configuration file, where no variable names an index.
    let config = home.path().join(".config/pip");
    fs::create_dir_all(&config).unwrap();
    let index = format!("[global]\nindex-url = {}\n", server.url("/simple"));
    fs::write(config.join("pip.conf"), index).unwrap();
    let (status, _, err) = run(home.path(), &["pull", "pypi:p"]);
    assert_eq!(status, 1);
    assert!(err.contains(&server.url("/simple/p/")), "{err}");
}

#[test]
fn manual_pages_and_completions_are_written() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("man");
    let (status, _, err) = run(home.path(), &["man", "--folder", folder.to_str().unwrap()]);
    assert_eq!(status, 0, "{err}");
    let page = fs::read_to_string(folder.join("mynah-pull.1")).unwrap();
    assert!(page.contains("Where models come from"), "{page}");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let (status, out, _) = run(home.path(), &["completions", shell]);
        assert!(status == 0 && out.contains("accept-licence"), "{shell}");
    }
}
