//! Taking texts in: forms, licences, opt-outs, interruptions.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use mynah_corpus::{Add, Corpus, Error, Excluded};
use support::{add, is_stopped, licensed, places, texts, unlicensed};

fn open(folder: &Path) -> Corpus {
    Corpus::open_to_change(&folder.join("corpus")).unwrap()
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A small book: two chapters, the second named before the first in the archive.
fn epub(path: &Path) {
    let mut zip = zip::ZipWriter::new(File::create(path).unwrap());
    let mut put = |name: &str, text: &str| {
        let options = zip::write::SimpleFileOptions::default();
        zip.start_file(name, options).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    };
    put("mimetype", "application/epub+zip");
    put(
        "META-INF/container.xml",
        r#"<?xml version="1.0"?><container version="1.0"
           xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>
           <rootfile full-path="OEBPS/book.opf" media-type="application/oebps-package+xml"/>
           </rootfiles></container>"#,
    );
    put(
        "OEBPS/book.opf",
        r#"<?xml version="1.0"?><package xmlns="http://www.idpf.org/2007/opf" version="3.0">
           <metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>A book</dc:title>
           <dc:creator>A. Person</dc:creator>
           <dc:rights>https://creativecommons.org/licenses/by/4.0/</dc:rights></metadata>
           <manifest><item id="b" href="text/b.xhtml" media-type="application/xhtml+xml"/>
           <item id="a" href="text/a%20b.xhtml" media-type="application/xhtml+xml"/></manifest>
           <spine><itemref idref="a"/><itemref idref="b"/></spine></package>"#,
    );
    let chapter = |text: &str| {
        format!(
            "<html xmlns=\"http://www.w3.org/1999/xhtml\"><head><title>x</title></head><body>\
             <h1>Chapter</h1><p>{text}</p></body></html>"
        )
    };
    put("OEBPS/text/b.xhtml", &chapter("The end."));
    put("OEBPS/text/a b.xhtml", &chapter("The beginning."));
    zip.finish().unwrap();
}

#[test]
fn every_form_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("in");
    fs::create_dir_all(root.join("code")).unwrap();
    let put = |name: &str, bytes: &[u8]| fs::write(root.join(name), bytes).unwrap();
    put("a.txt", "第一篇。\r\n\r\nSecond paragraph.\n".as_bytes());
    put("b.md", b"---\ntitle: T\nlicense: mit\n---\n# Head\n\nBody.\n");
    put("c.html", "<title>P</title><p>网页上的字。</p><script>x()</script>".as_bytes());
    put(
        "d.jsonl",
        b"{\"text\": \"line one\", \"license\": \"cc-by-4.0\"}\n\n{\"content\": \"two\"}\n",
    );
    put(
        "e.json",
        r#"[{"title": "静夜思", "paragraphs": ["床前明月光", "疑是地上霜"]}, "bare"]"#.as_bytes(),
    );
    put("f.csv", b"id,text\n1,\"with, comma\"\n");
    put("g.txt.gz", &gzipped(b"packed\n<|endoftext|>\nand another\n"));
    put("code/h.rs", b"// SPDX-License-Identifier: MIT\nfn main() {}\n");
    put("j.bin", &[0, 159, 146, 150]);
    put("k", b"a text without a name's end");
    epub(&root.join("i.epub"));
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(11);
    header.set_mode(0o644);
    archive.append_data(&mut header, "data/x.txt", &b"in a tar ok"[..]).unwrap();
    put("l.tgz", &gzipped(&archive.into_inner().unwrap()));

    let mut corpus = open(folder.path());
    let added = add(&mut corpus, &licensed(&root, "in"));
    assert_eq!((added.documents, added.refused), (14, 1));
    assert_eq!(
        places(&corpus),
        [
            "a.txt",
            "b.md",
            "c.html",
            "code/h.rs",
            "d.jsonl#1",
            "d.jsonl#2",
            "e.json#1",
            "e.json#2",
            "f.csv#1",
            "g.txt.gz",
            "g.txt.gz#2",
            "i.epub#1",
            "k",
            "l.tgz/data/x.txt",
        ]
    );
    let texts = texts(&corpus);
    assert_eq!(texts[0], "第一篇。\n\nSecond paragraph.");
    assert_eq!(texts[1], "# Head\n\nBody.");
    assert_eq!(texts[2], "网页上的字。");
    assert_eq!(texts[6], "床前明月光\n疑是地上霜");
    assert_eq!((texts[9].as_str(), texts[10].as_str()), ("packed", "and another"));
    let (first, last) = (texts[11].find("The beginning."), texts[11].find("The end."));
    assert!(first.unwrap() < last.unwrap(), "{}", texts[11]);
    let documents: Vec<_> = corpus.documents(0).map(Result::unwrap).collect();
    let licence = |i: usize| documents[i].licence.as_deref().unwrap();
    assert_eq!(
        (licence(0), licence(1), licence(4), licence(3)),
        ("CC0-1.0", "MIT", "CC-BY-4.0", "MIT")
    );
    assert_eq!(licence(11), "CC-BY-4.0");
    assert_eq!(documents[11].title.as_deref(), Some("A book"));
    let refused = corpus.refused().unwrap();
    assert_eq!((refused[0].place.as_str(), refused[0].reason.as_str()), ("j.bin", "no text"));
}

#[test]
fn what_is_unlicensed_is_kept_apart_until_someone_decides() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.txt");
    fs::write(&file, "a text").unwrap();
    let mut corpus = open(folder.path());
    add(&mut corpus, &unlicensed(&file, "x"));
    assert!(corpus.source("x").unwrap().is_apart());
    assert_eq!(texts(&corpus), [""; 0]);
    assert_eq!(corpus.stats().unwrap().apart.documents, 1);
    corpus.allow("x", None, support::now()).unwrap();
    assert!(!corpus.source("x").unwrap().is_apart());
    assert_eq!(texts(&corpus), ["a text"]);
    let error = corpus.allow("x", Some("no licence"), support::now()).unwrap_err();
    assert!(error.hint().unwrap().contains("LicenseRef-"), "{error}");
    corpus.allow("1", Some("mit"), support::now()).unwrap();
    assert_eq!(corpus.source("x").unwrap().licence.as_deref(), Some("MIT"));
    assert!(matches!(corpus.source("y"), Err(Error::Unknown { .. })));
    // The licence that lies beside a file is found.
    fs::write(folder.path().join("LICENSE"), "CC0-1.0").unwrap();
    let added = add(&mut corpus, &unlicensed(&folder.path().join("x.txt"), "again"));
    assert_eq!(added.documents, 1);
    let source = corpus.source("again").unwrap();
    assert_eq!(source.licence.as_deref(), Some("CC0-1.0"));
    assert_eq!(source.licence_evidence.as_deref(), Some("LICENSE"));
}

#[test]
fn who_opted_out_is_left_out_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("site");
    fs::create_dir_all(root.join("private")).unwrap();
    fs::write(root.join("robots.txt"), "User-agent: GPTBot\nDisallow: /private/\n").unwrap();
    fs::write(root.join("private/a.txt"), "secret").unwrap();
    fs::write(root.join("b.html"), "<meta name=tdm-reservation content=1><p>reserved</p>").unwrap();
    fs::write(
        root.join("c.jsonl"),
        "{\"text\": \"by her\", \"author\": \"A. Person\"}\n{\"text\": \"by him\"}\n",
    )
    .unwrap();
    let excluded = Excluded::parse("a. person\n");
    let mut corpus = open(folder.path());
    let add = Add { excluded: &excluded, ..licensed(&root, "site") };
    let added = support::add(&mut corpus, &add);
    assert_eq!((added.documents, added.refused), (1, 3));
    assert_eq!(texts(&corpus), ["by him"]);
    let refused = corpus.refused().unwrap();
    let reasons: Vec<&str> = refused.iter().map(|one| one.reason.as_str()).collect();
    assert_eq!(reasons, ["reservation", "excluded", "robots.txt"]);
    assert!(refused[2].evidence.ends_with("robots.txt says gptbot: /private/"));
}

/// A file with enough text for several blocks.
fn large(folder: &Path) -> std::path::PathBuf {
    let path = folder.join("large.jsonl");
    let mut out = File::create(&path).unwrap();
    for i in 0..400 {
        let text = format!("document {i} {}", "words and more words ".repeat(500));
        writeln!(out, "{}", serde_json::json!({ "text": text })).unwrap();
    }
    path
}

#[test]
fn an_interrupted_add_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = large(folder.path());
    let mut whole = Corpus::open_to_change(&folder.path().join("whole")).unwrap();
    add(&mut whole, &licensed(&path, "large"));
    let mut corpus = open(folder.path());
    let mut n = 0;
    let stopped = corpus.add(&licensed(&path, "large"), &mut |_| {
        n += 1;
        n < 2
    });
    assert!(is_stopped(&stopped));
    let before = corpus.size().unwrap().0;
    assert!(before > 0 && before < 400);
    assert!(!corpus.source("large").unwrap().is_complete);
    drop(corpus);
    // A process that was killed may leave the beginning of a block behind.
    let shard = folder.path().join("corpus/texts-000001.gz");
    let mut bytes = fs::read(&shard).unwrap();
    bytes.extend_from_slice(b"half a block");
    fs::write(&shard, bytes).unwrap();
    fs::write(folder.path().join("corpus/texts-000009.gz"), b"stray").unwrap();
    let mut corpus = open(folder.path());
    let added = add(&mut corpus, &licensed(&path, "large"));
    assert_eq!((added.kept, added.kept + added.documents), (before, 400));
    assert_eq!(texts(&corpus), texts(&whole));
    assert_eq!(corpus.fingerprint().unwrap(), whole.fingerprint().unwrap());
    assert!(!folder.path().join("corpus/texts-000009.gz").exists());
    assert!(add(&mut corpus, &licensed(&path, "large")).was_here);
    // The shard is a plain gzip file.
    let mut text = String::new();
    let shard = File::open(&shard).unwrap();
    std::io::Read::read_to_string(&mut flate2::read::MultiGzDecoder::new(shard), &mut text)
        .unwrap();
    assert_eq!(text.lines().count(), 400);
}

#[test]
fn a_source_that_changed_is_not_mixed_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = large(folder.path());
    let mut corpus = open(folder.path());
    assert!(is_stopped(&corpus.add(&licensed(&path, "large"), &mut |_| false)));
    fs::write(&path, "{\"text\": \"other\"}\n").unwrap();
    let error = corpus.add(&licensed(&path, "large"), &mut |_| true).unwrap_err().to_string();
    assert!(error.contains("has changed since adding large was begun"), "{error}");
    corpus.remove("large").unwrap();
    add(&mut corpus, &licensed(&path, "large"));
    assert_eq!(texts(&corpus), ["other"]);
    fs::write(&path, "{\"text\": \"third\"}\n").unwrap();
    let error = corpus.add(&licensed(&path, "large"), &mut |_| true).unwrap_err().to_string();
    assert!(error.contains("has changed since"), "{error}");
}

#[test]
fn what_is_removed_is_gone_from_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let mut corpus = open(folder.path());
    for name in ["one", "two"] {
        let path = folder.path().join(name);
        fs::write(&path, format!("the text of {name}")).unwrap();
        let add = Add { path: &path, ..licensed(&path, name) };
        support::add(&mut corpus, &add);
    }
    corpus.remove("one").unwrap();
    assert_eq!(texts(&corpus), ["the text of two"]);
    let shards = fs::read_dir(folder.path().join("corpus")).unwrap();
    let shards = shards.filter(|entry| {
        entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("texts-")
    });
    assert_eq!(shards.count(), 1);
}

#[test]
fn bad_input_is_named_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let mut corpus = open(folder.path());
    for (name, bytes, complaint) in [
        ("a.jsonl", &b"{\"text\": \"ok\"}\n{\"text\": \n"[..], "a.jsonl, line 2: EOF"),
        ("b.jsonl", b"{\"words\": \"x\"}\n", "b.jsonl, line 1: a record has none of text"),
        ("c.json", b"[1]", "c.json, record 1: a record is neither"),
        ("d.txt", b"caf\xe9 au lait\n", "d.txt, line 1: it is not UTF-8"),
        ("e.epub", b"PK nonsense", "e.epub: "),
        ("f.zst", b"not packed", "f.zst: it is not Zstandard"),
        ("g.json", b"[\"a\",", "g.json, line 1: EOF"),
    ] {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        let error = corpus.add(&licensed(&path, name), &mut |_| true).unwrap_err().to_string();
        assert!(error.contains(complaint), "{name}: {error}");
    }
    let path = folder.path().join("b.jsonl");
    let fields = ["words".to_owned()];
    let add = Add { fields: &fields, ..licensed(&path, "b.jsonl") };
    assert_eq!(support::add(&mut corpus, &add).documents, 1);
}

#[cfg(not(feature = "parquet"))]
#[test]
fn without_parquet_the_error_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.parquet");
    fs::write(&path, b"PAR1").unwrap();
    let error = open(folder.path()).add(&licensed(&path, "x"), &mut |_| true).unwrap_err();
    assert!(error.hint().unwrap().contains("--features parquet"));
}

#[test]
fn a_corpus_is_changed_by_one_and_is_no_other_file() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(Corpus::open(folder.path()), Err(Error::NoCorpus { .. })));
    let corpus = open(folder.path());
    let other = Corpus::open_to_change(&folder.path().join("corpus"));
    assert!(matches!(other, Err(Error::InUse { .. })));
    assert_eq!(Corpus::open(&folder.path().join("corpus")).unwrap().sources().unwrap(), []);
    drop(corpus);
    fs::create_dir(folder.path().join("not")).unwrap();
    fs::write(folder.path().join("not/corpus.db"), b"a text and no database at all").unwrap();
    assert!(Corpus::open(&folder.path().join("not")).is_err());
}
