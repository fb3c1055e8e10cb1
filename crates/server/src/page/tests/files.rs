//! The page's files: how many bytes they are, and what browsers are told beside them.

use axum::body::Body;
use axum::http::{StatusCode, header};

use super::super::assets::{POLICY, assets};
use super::{Served, request};

/// What the page may take before any model, all its views together.
const BUDGET: usize = 100_000;

#[test]
fn the_whole_page_takes_less_than_100_kb() {
    let assets = assets();
    let sent: usize = assets.values().map(|asset| asset.packed.len()).sum();
    assert!(assets.contains_key("index.html") && assets.contains_key("app.js"));
    // What a response says before its body takes some 400 bytes.
    let with_headers = sent + assets.len() * 400;
    assert!(with_headers <= BUDGET, "{with_headers} bytes in {} files", assets.len());
}

#[test]
fn every_file_that_is_named_is_there_and_nothing_runs_that_is_not_a_file() {
    let assets = assets();
    let text = |path: &str| String::from_utf8(assets[path].plain.to_vec()).unwrap();
    let quoted = |text: &str, before: &str| -> Vec<String> {
        let parts = text.split(before).skip(1);
        parts.filter_map(|part| part.split('"').next()).map(str::to_owned).collect()
    };
    let index = text("index.html");
    for path in quoted(&index, "=\"page/") {
        assert!(assets.contains_key(&path), "index.html names {path}");
    }
    assert!(!index.contains("<style") && !index.contains(" style=") && !index.contains(" on"));
    assert!(index.matches("<script").count() == index.matches("></script>").count());
    for path in
        assets.keys().filter(|path| path.rsplit_once('.').is_some_and(|(_, end)| end == "js"))
    {
        let source = text(path);
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        for named in quoted(&source, "from \"").into_iter().chain(quoted(&source, "import(\"")) {
            if !named.starts_with('.') {
                continue;
            }
            let mut whole: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
            for part in named.split('/') {
                match part {
                    "." => {}
                    ".." => drop(whole.pop()),
                    part => whole.push(part),
                }
            }
            let whole = whole.join("/");
            // Comments name files of types with the same words.
            let is_there = assets.contains_key(&whole);
            assert!(is_there, "{path} names {named}");
        }
        if !path.starts_with("vendor/") {
            for way in ["innerHTML", "outerHTML", "insertAdjacentHTML", "eval(", "Function("] {
                assert!(!source.contains(way), "{path} has {way}");
            }
            assert!(!source.contains("https://") || !source.contains("fetch(\"https://"), "{path}");
        }
    }
}

#[tokio::test]
async fn files_come_packed_and_are_not_sent_twice() {
    let served = Served::new();
    let plain = served.get("/page/app.js").await;
    assert_eq!(plain.header(header::CONTENT_TYPE), "text/javascript; charset=utf-8");
    let asked = || request("GET", "/page/app.js").header(header::ACCEPT_ENCODING, "br, gzip;q=0.8");
    let packed = served.send(asked().body(Body::empty()).unwrap()).await;
    assert_eq!(packed.header(header::CONTENT_ENCODING), "gzip");
    assert!(packed.body.len() < plain.body.len() / 2);
    let again = asked().header(header::IF_NONE_MATCH, packed.header(header::ETAG));
    let again = served.send(again.body(Body::empty()).unwrap()).await;
    assert_eq!((again.status, again.body.len()), (StatusCode::NOT_MODIFIED, 0));
    let other = asked().header(header::IF_NONE_MATCH, "\"0000\"");
    assert_eq!(served.send(other.body(Body::empty()).unwrap()).await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_policy_lets_nothing_run_but_the_page() {
    let served = Served::new();
    for path in ["/", "/page/index.html", "/page/icon.svg"] {
        let answer = served.get(path).await;
        assert_eq!(answer.header(header::CONTENT_SECURITY_POLICY), POLICY, "{path}");
        assert_eq!(answer.header(header::REFERRER_POLICY), "no-referrer");
    }
    for path in ["/", "/page/app.js", "/page/style.css", "/page/icon.svg"] {
        let answer = served.get(path).await;
        assert_eq!(answer.header(header::X_CONTENT_TYPE_OPTIONS), "nosniff", "{path}");
    }
    assert!(!POLICY.contains("unsafe") && !POLICY.contains("http"));
    for path in
        ["/page/none.js", "/page/../Cargo.toml", "/page/vendor/LICENCE-preact.txt", "/page/"]
    {
        assert_eq!(served.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}
