//! Files from a server that behaves badly: what arrives is right, or nothing does.

mod support;

use std::fs;
use std::path::PathBuf;

use mynah_hub::{Config, Error, HttpError, Hub, Model, Reference, Sum};
use support::pulls::{Notes, config, content, pull, pull_once, pull_with, visible};
use support::server::{Fault, Page, Server, model};

const LENGTH: usize = 200_000;

#[test]
fn a_file_arrives_and_stays() {
    let (server, home) = (Server::start(), tempfile::tempdir().unwrap());
    let bytes = model(LENGTH, 1);
    server.put("/m.gguf", Page::new(bytes.clone()));
    let url = format!("{}#sha256={}", server.url("/m.gguf"), Sum::of(&bytes));
    let kept = pull(home.path(), &server, &url).unwrap();
    assert_eq!(content(&kept), bytes);
    assert_eq!(kept.manifest.files[0].sha256, Sum::of(&bytes));
    assert_eq!(mynah_hub::open(&kept.path()).unwrap().gguf_parts(), [&bytes[..]]);
    assert!(fs::metadata(kept.path()).unwrap().permissions().readonly());
    let again = pull(home.path(), &server, &url).unwrap();
    assert_eq!(again, kept);
    assert_eq!(server.log().len(), 1);
}

#[test]
fn a_transfer_goes_on_where_it_was_cut_in_one_process() {
    let (server, home) = (Server::start(), tempfile::tempdir().unwrap());
    let bytes = model(LENGTH, 2);
    server.put("/m.gguf", Page::new(bytes.clone()));
    server.fail("/m.gguf", (0..3).map(|_| Fault::Cut(LENGTH / 4)));
    let kept = pull(home.path(), &server, &server.url("/m.gguf")).unwrap();
    assert_eq!(content(&kept), bytes);
    let ranges: Vec<String> =
        server.log().iter().map(|request| request.header("range").to_owned()).collect();
    assert_eq!(ranges, ["", "bytes=50000-", "bytes=100000-", "bytes=150000-"]);
    let tag = server.log()[1].header("if-range").to_owned();
    assert!(tag.starts_with('"'), "{tag:?}");
}

#[test]
fn a_transfer_goes_on_where_it_was_cut_in_another_process() {
    for quarter in 1..4 {
        let (server, home) = (Server::start(), tempfile::tempdir().unwrap());
        let bytes = model(LENGTH, 3);
        server.put("/m.gguf", Page::new(bytes.clone()));
        let cut = quarter * LENGTH / 4;
        server.fail("/m.gguf", [Fault::Cut(cut)]);
        let url = server.url("/m.gguf");
        assert!(pull_once(home.path(), &server, &url).is_err());
        assert_eq!(visible(home.path()), Vec::<PathBuf>::new(), "half a file under its name");
        let kept = pull_once(home.path(), &server, &url).unwrap();
        assert_eq!(content(&kept), bytes);
        assert_eq!(server.log()[1].header("range"), format!("bytes={cut}-"));
    }
}

#[test]
fn a_file_that_changed_meanwhile_is_fetched_anew() {
    let (server, home) = (Server::start(), tempfile::tempdir().unwrap());
    server.put("/m.gguf", Page::new(model(LENGTH, 4)));
    server.fail("/m.gguf", [Fault::Cut(LENGTH / 2)]);
    let url = server.url("/m.gguf");
    assert!(pull_once(home.path(), &server, &url).is_err());
    let new = model(LENGTH, 5);
    server.put("/m.gguf", Page::new(new.clone()));
    let notes = Notes::default();
    let kept = pull_with(config(home.path(), &server), &url, &notes).unwrap();
    assert_eq!(content(&kept), new);
    assert!(notes.has("StartingOver"), "{:?}", notes.0);
}

#[test]
fn without_a_version_only_a_checksum_lets_a_transfer_go_on() {
    let bytes = model(LENGTH, 6);
    for (is_checked, expected) in [(true, "bytes=100000-"), (false, "")] {
        let (server, home) = (Server::start(), tempfile::tempdir().unwrap());
        server.put("/m.gguf", Page::new(bytes.clone()).without_version());
        server.fail("/m.gguf", [Fault::Cut(LENGTH / 2)]);
        let sum = format!("#sha256={}", Sum::of(&bytes));
        let url = server.url("/m.gguf") + if is_checked { &sum } else { "" };
        assert!(pull_once(home.path(), &server, &url).is_err());
        assert_eq!(content(&pull_once(home.path(), &server, &url).unwrap()), bytes);
        assert_eq!(server.log().last().unwrap().header("range"), expected);
    }
}

#[test]
fn kept_bytes_that_are_wrong_are_fetched_anew() {
    let (server, home) = (Server::start(), tempfile::tempdir().unwrap());
    let bytes = model(LENGTH, 7);
    server.put("/m.gguf", Page::new(bytes.clone()));
    server.fail("/m.gguf", [Fault::Cut(LENGTH / 2)]);
    let url = format!("{}#sha256={}", server.url("/m.gguf"), Sum::of(&bytes));
    assert!(pull_once(home.path(), &server, &url).is_err());
    let partial = home.path().join("partial");
    let folder = fs::read_dir(&partial).unwrap().next().unwrap().unwrap().path();
    let unfinished = folder.join("files/m.gguf");
    let mut damaged = fs::read(&unfinished).unwrap();
    damaged[1000] ^= 1;
    fs::write(&unfinished, damaged).unwrap();
    let notes = Notes::default();
    let kept = pull_with(config(home.path(), &server), &url, &notes).unwrap();
    assert_eq!(content(&kept), bytes);
    assert!(notes.has("what was kept of it is damaged"), "{:?}", notes.0);
}

#[test]
fn a_wrong_checksum_names_both_sums_and_leaves_nothing() {
    let (server, home) = (Server::start(), tempfile::tempdir().unwrap());
    let bytes = model(LENGTH, 8);
    let mut flipped = bytes.clone();
    flipped[LENGTH - 1] ^= 0x55;
    server.put("/m.gguf", Page::new(bytes.clone()));
    server.fail("/m.gguf", [Fault::Flip(LENGTH - 1)]);
    let url = format!("{}#sha256={}", server.url("/m.gguf"), Sum::of(&bytes));
    let error = pull(home.path(), &server, &url).unwrap_err();
    let text = error.to_string();
    assert!(text.contains(&Sum::of(&bytes).to_string()), "{text}");
    assert!(text.contains(&Sum::of(&flipped).to_string()), "{text}");
    assert_eq!(visible(home.path()), Vec::<PathBuf>::new());
    assert_eq!(content(&pull(home.path(), &server, &url).unwrap()), bytes);
    assert_eq!(server.log()[1].header("range"), "", "the bad bytes were kept");
}

#[test]
fn a_server_in_trouble_is_asked_again_as_it_wishes() {
    let (server, home) = (Server::start(), tempfile::tempdir().unwrap());
    let bytes = model(1000, 9);
    server.put("/m.gguf", Page::new(bytes.clone()));
    let after = |seconds: &str| vec![("Retry-After".to_owned(), seconds.to_owned())];
    server.fail(
        "/m.gguf",
        [
            Fault::Status(429, after("7")),
            Fault::Status(503, after("soon")),
            Fault::Status(502, Vec::new()),
        ],
    );
    let notes = Notes::default();
    let kept = pull_with(config(home.path(), &server), &server.url("/m.gguf"), &notes).unwrap();
    assert_eq!(content(&kept), bytes);
    assert!(notes.has("asked: Some(7s)"), "{:?}", notes.0);
    assert_eq!(server.log().len(), 4);
}

#[test]
fn a_server_that_stays_in_trouble_is_given_up() {
    let (server, home) = (Server::start(), tempfile::tempdir().unwrap());
    server.put("/m.gguf", Page::new(model(1000, 9)));
    server.fail("/m.gguf", (0..9).map(|_| Fault::Status(500, Vec::new())));
    let error = pull(home.path(), &server, &server.url("/m.gguf")).unwrap_err();
    assert!(matches!(error, Error::Http(HttpError::Status { status: 500, .. })), "{error}");
    assert_eq!(server.log().len(), 5);
}

#[test]
fn what_is_not_there_is_not_asked_for_twice() {
    let (server, home) = (Server::start(), tempfile::tempdir().unwrap());
    let error = pull(home.path(), &server, &server.url("/none.gguf")).unwrap_err();
    assert_eq!(error.to_string(), format!("{} answers 404 (not found)", server.url("/none.gguf")));
    assert_eq!(server.log().len(), 1);
    assert_eq!(fs::read_dir(home.path().join("partial")).unwrap().count(), 0);
}

#[test]
fn redirects_are_followed_and_end() {
    let (server, home) = (Server::start(), tempfile::tempdir().unwrap());
    let bytes = model(1000, 10);
    server.put("/a.gguf", Page::redirect("b/c.gguf"));
    server.put("/b/c.gguf", Page::redirect(&server.url("/d")));
    server.put("/d", Page::new(bytes.clone()));
    assert_eq!(content(&pull(home.path(), &server, &server.url("/a.gguf")).unwrap()), bytes);
    server.put("/loop.gguf", Page::redirect("/loop.gguf"));
    let error = pull(home.path(), &server, &server.url("/loop.gguf")).unwrap_err();
    assert!(matches!(error, Error::Http(HttpError::Redirects { .. })), "{error}");
    server.put("/out.gguf", Page::redirect("http://192.0.2.1/x.gguf"));
    let error = pull(home.path(), &server, &server.url("/out.gguf")).unwrap_err();
    assert!(matches!(error, Error::Http(HttpError::NotHttps { .. })), "{error}");
    server.put("/file.gguf", Page::redirect("file:///etc/passwd"));
    let error = pull(home.path(), &server, &server.url("/file.gguf")).unwrap_err();
    assert!(matches!(error, Error::Http(HttpError::NotHttps { .. })), "{error}");
}

#[test]
fn a_body_without_a_length_is_taken_to_its_end() {
    let (server, home) = (Server::start(), tempfile::tempdir().unwrap());
    let bytes = model(LENGTH, 11);
    server.put("/m.gguf", Page { tells_length: false, ..Page::new(bytes.clone()) });
    assert_eq!(content(&pull(home.path(), &server, &server.url("/m.gguf")).unwrap()), bytes);
}

#[test]
fn a_file_that_is_too_large_is_refused() {
    for tells_length in [true, false] {
        let (server, home) = (Server::start(), tempfile::tempdir().unwrap());
        server.put("/m.gguf", Page { tells_length, ..Page::new(model(LENGTH, 12)) });
        let mut config = config(home.path(), &server);
        config.largest_file_bytes = LENGTH as u64 - 1;
        let error = pull_with(config, &server.url("/m.gguf"), &Notes::default()).unwrap_err();
        assert!(matches!(error, Error::TooLarge { .. }), "{error}");
    }
}

#[test]
fn what_is_no_model_is_not_kept() {
    let (server, home) = (Server::start(), tempfile::tempdir().unwrap());
    server.put("/m.gguf", Page::new("<html>please log in</html>"));
    let error = pull(home.path(), &server, &server.url("/m.gguf")).unwrap_err();
    assert!(matches!(error, Error::NotAModel { .. }), "{error}");
    assert_eq!(visible(home.path()), Vec::<PathBuf>::new());
    assert_eq!(fs::read_dir(home.path().join("partial")).unwrap().count(), 0);
}

#[test]
fn two_pulls_at_once_fetch_once() {
    let (server, home) = (Server::start(), tempfile::tempdir().unwrap());
    let bytes = model(LENGTH, 13);
    server.put("/m.gguf", Page::new(bytes.clone()));
    let url = server.url("/m.gguf");
    let models: Vec<Model> = std::thread::scope(|scope| {
        let one = || pull(home.path(), &server, &url).unwrap();
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(one)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(models.iter().all(|model| content(model) == bytes));
    assert_eq!(server.log().len(), 1);
}

#[test]
fn a_model_is_replaced_only_when_the_new_one_is_whole() {
    let (server, home) = (Server::start(), tempfile::tempdir().unwrap());
    let (old, new) = (model(LENGTH, 14), model(LENGTH, 15));
    server.put("/m.gguf", Page::new(old.clone()));
    let url = server.url("/m.gguf");
    let kept = pull(home.path(), &server, &url).unwrap();
    let mapped = mynah_hub::open(&kept.path()).unwrap();
    server.put("/m.gguf", Page::new(new.clone()));
    let hub = Hub::new(config(home.path(), &server)).unwrap();
    let reference: Reference = url.parse().unwrap();
    server.fail("/m.gguf", (0..9).map(|_| Fault::Cut(10)));
    assert!(hub.pull(&reference, true, &Notes::default()).is_err());
    assert_eq!(content(&kept), old);
    let again = loop {
        // The faults that are left are used up.
        if let Ok(pulled) = hub.pull(&reference, true, &Notes::default()) {
            break pulled;
        }
    };
    assert!(!again.was_here);
    assert_eq!(content(&kept), new);
    assert_eq!(mapped.gguf_parts(), [&old[..]], "a map changed under its reader");
    hub.verify(&again.model, &Notes::default()).unwrap();
}

#[test]
fn models_are_listed_and_removed() {
    let (server, home) = (Server::start(), tempfile::tempdir().unwrap());
    for name in ["b", "a"] {
        server.put(&format!("/{name}.gguf"), Page::new(model(100, 16)));
    }
    let (a, b) = (server.url("/a.gguf"), server.url("/b.gguf"));
    pull(home.path(), &server, &b).unwrap();
    let model = pull(home.path(), &server, &a).unwrap();
    let hub = Hub::new(config(home.path(), &server)).unwrap();
    let names = || -> Vec<String> {
        hub.list().unwrap().into_iter().map(|model| model.unwrap().manifest.name).collect()
    };
    assert_eq!(names(), [a.clone(), b.clone()]);
    let reference: Reference = a.parse().unwrap();
    assert_eq!(hub.find(&reference).unwrap(), Some(model.clone()));
    assert_eq!(hub.remove(&reference).unwrap(), Some(model));
    assert_eq!(names(), [b]);
    assert!(matches!(hub.remove(&reference), Err(Error::NotHere { .. })));
    assert_eq!(fs::read_dir(home.path().join("partial")).unwrap().count(), 0);
}

#[test]
fn a_changed_file_is_noticed() {
    let (server, home) = (Server::start(), tempfile::tempdir().unwrap());
    server.put("/m.gguf", Page::new(model(100, 17)));
    let kept = pull(home.path(), &server, &server.url("/m.gguf")).unwrap();
    let hub = Hub::new(config(home.path(), &server)).unwrap();
    hub.verify(&kept, &Notes::default()).unwrap();
    fs::remove_file(kept.path()).unwrap();
    fs::write(kept.path(), model(100, 18)).unwrap();
    assert!(matches!(hub.verify(&kept, &Notes::default()), Err(Error::Changed { .. })));
    fs::remove_file(kept.path()).unwrap();
    let again = pull(home.path(), &server, &server.url("/m.gguf")).unwrap();
    assert_eq!(content(&again), model(100, 17), "a missing file is fetched again");
}

#[test]
fn a_file_on_this_machine_is_copied() {
    let (server, home) = (Server::start(), tempfile::tempdir().unwrap());
    let elsewhere = tempfile::tempdir().unwrap();
    let bytes = model(LENGTH, 19);
    let path = elsewhere.path().join("smollm2-135m.gguf");
    fs::write(&path, &bytes).unwrap();
    let kept = pull(home.path(), &server, path.to_str().unwrap()).unwrap();
    assert_eq!(kept.manifest.name, "smollm2-135m-own", "the catalogue's name stays its own");
    fs::remove_file(&path).unwrap();
    assert_eq!(content(&kept), bytes);
    for name in ["x-00001-of-00002.gguf", "x-00002-of-00002.gguf"] {
        fs::write(elsewhere.path().join(name), model(100, 20)).unwrap();
    }
    let part = elsewhere.path().join("x-00002-of-00002.gguf");
    let kept = pull(home.path(), &server, part.to_str().unwrap()).unwrap();
    assert_eq!(kept.manifest.name, "x");
    assert_eq!(mynah_hub::open(&kept.path()).unwrap().gguf_parts().len(), 2);
    let text = elsewhere.path().join("words.txt");
    fs::write(&text, "words").unwrap();
    let error = pull(home.path(), &server, text.to_str().unwrap()).unwrap_err();
    assert!(matches!(error, Error::NotAModel { .. }), "{error}");
}

#[test]
fn offline_uses_what_is_here() {
    let (server, home) = (Server::start(), tempfile::tempdir().unwrap());
    server.put("/m.gguf", Page::new(model(100, 21)));
    let url = server.url("/m.gguf");
    let offline = || Config { offline: true, ..config(home.path(), &server) };
    let error = pull_with(offline(), &url, &Notes::default()).unwrap_err();
    assert!(matches!(error, Error::Offline { .. }), "{error}");
    assert_eq!(server.log(), []);
    let kept = pull(home.path(), &server, &url).unwrap();
    assert_eq!(pull_with(offline(), &url, &Notes::default()).unwrap(), kept);
}
