//! `mynah logs` and `mynah sql` as a person meets them: what they print, and how they end.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod program;

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use program::{ended, mynah};

use mynah_store::{Message, Role, Store, Turn};

/// Noon of 1 March 2026 and so many minutes.
fn at(minutes: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_772_366_400 + 60 * minutes)
}

/// A home with some answers in it.
fn home() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let mut store = Store::open(&home.path().join("mynah.db"), at(0)).unwrap();
    let said = [
        ("smollm2-135m", "What is the capital of France?", "The capital of France is Paris."),
        (
            "qwen2.5-coder-0.5b",
            "用一句话介绍北京",
            "北京是中国的首都，有着悠久的历史和丰富的文化。",
        ),
        ("smollm2-135m", "Two lines:\n```\nx\n```", "One.\n\x1b[2JTwo, \"quoted\"."),
        ("smollm2-135m", "What is the capital of Peru?", "Lima."),
    ];
    for (i, (model, prompt, answer)) in said.into_iter().enumerate() {
        let options = serde_json::json!({ "temperature": 0.8, "seed": 7 });
        let mut messages = vec![Message::new(Role::User, prompt)];
        if i == 0 {
            messages.insert(0, Message::new(Role::System, "Be brief."));
        }
        let turn = Turn {
            command: "run".to_owned(),
            model: model.to_owned(),
            fingerprint: Some("0123abcd".to_owned()),
            messages,
            answer: answer.to_owned(),
            sample: 0,
            seed: Some(7),
            temperature: Some(0.8),
            options: options.as_object().unwrap().clone(),
            schema: None,
            input_tokens: Some(12),
            cached_tokens: Some(0),
            output_tokens: Some(8),
            first_token: Some(Duration::from_millis(20)),
            duration: Some(Duration::from_millis(1500)),
            finish: "stop".to_owned(),
            at: at(i as u64),
        };
        store.record_turn(None, &turn).unwrap();
    }
    home
}

/// Status, standard output and standard error.
fn run(home: &Path, arguments: &[&str]) -> (i32, String, String) {
    ended(mynah(home, arguments).output().unwrap())
}

/// What a command that succeeds prints.
fn prints(home: &Path, arguments: &[&str]) -> String {
    let (status, out, err) = run(home, arguments);
    assert_eq!((status, err.as_str()), (0, ""), "{arguments:?}");
    out
}

/// Both streams of a command, for a snapshot.
fn shown(home: &Path, arguments: &[&str]) -> String {
    let (status, out, err) = run(home, arguments);
    let path = home.display().to_string();
    format!("{out}{err}status {status}\n").replace(&path, "HOME")
}

#[test]
fn answers_are_listed_shown_and_exported() {
    let home = home();
    let home = home.path();
    insta::assert_snapshot!("list", prints(home, &["logs"]));
    insta::assert_snapshot!("search", prints(home, &["logs", "-s", "capital"]));
    insta::assert_snapshot!("search_chinese", prints(home, &["logs", "list", "-s", "首都"]));
    insta::assert_snapshot!("show", prints(home, &["logs", "show"]));
    insta::assert_snapshot!("markdown", prints(home, &["logs", "export", "-f", "markdown"]));
    assert_eq!(prints(home, &["logs", "show", "--response"]), "Lima.\n");
    let (_, json, _) = run(home, &["logs", "--json", "-n", "0"]);
    let list: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(list.as_array().unwrap().len(), 4);
    assert_eq!((&list[3]["system"], &list[3]["seed"]), (&"Be brief.".into(), &7.into()));
    let id = list[3]["id"].as_str().unwrap();
    let first = prints(home, &["logs", "show", &id[18..]]);
    assert!(first.contains("Be brief.") && first.contains("SHA-256 0123abcd"), "{first}");
    let lines = prints(home, &["logs", "export", "--format", "jsonl", "--since", "2026-03-01"]);
    assert_eq!(lines.lines().count(), 4);
    let oldest: serde_json::Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert_eq!(oldest, list[3], "the oldest comes first");
    assert_eq!(
        run(home, &["logs", "--model", "gpt-x"]),
        (0, String::new(), "no answer fits\n".into())
    );
    assert_eq!(run(home, &["logs", "--since", "2999-01-01"]).2, "no answer fits\n");
}

#[test]
fn the_log_is_switched_and_says_where_it_is() {
    let home = home();
    let home = home.path();
    let file = home.join("mynah.db").display().to_string();
    assert_eq!(prints(home, &["logs", "path"]), format!("{file}\n"));
    let status = || -> serde_json::Value {
        serde_json::from_str(&prints(home, &["logs", "status", "--json"])).unwrap()
    };
    assert_eq!((&status()["records"], &status()["answers"]), (&true.into(), &4.into()));
    assert_eq!(run(home, &["logs", "off"]).0, 0);
    assert_eq!(status()["records"], false);
    assert!(prints(home, &["logs", "status"]).starts_with("answers are not kept\n"));
    assert_eq!(run(home, &["logs", "on"]).0, 0);
    assert_eq!(status()["records"], true);
    // Another file, by an option or by a variable.
    let copy = home.join("copies/copy.db");
    let copy = copy.to_str().unwrap();
    assert_eq!(prints(home, &["logs", "backup", copy]), "");
    assert_eq!(prints(home, &["logs", "path", "--database", copy]), format!("{copy}\n"));
    let mut command = mynah(home, &["logs", "show", "-r"]);
    let output = command.env("MYNAH_DATABASE", copy).output().unwrap();
    assert_eq!(output.stdout, b"Lima.\n", "{}", String::from_utf8_lossy(&output.stderr));
    // Nothing is made by looking.
    let empty = tempfile::tempdir().unwrap();
    let (status, out, err) = run(empty.path(), &["logs"]);
    assert_eq!((status, out.as_str()), (0, ""));
    assert!(err.starts_with("nothing is kept yet in "), "{err}");
    assert_eq!(run(empty.path(), &["logs", "status"]).0, 0);
    assert_eq!(run(empty.path(), &["sql", "select 1"]).0, 0);
    assert_eq!(run(empty.path(), &["logs", "backup", copy]).0, 1);
    assert_eq!(fs::read_dir(empty.path()).unwrap().count(), 0);
    // Without MYNAH_HOME it lies with the person's data.
    let mut command = mynah(empty.path(), &["logs", "path"]);
    let output = command.env_remove("MYNAH_HOME").env("XDG_DATA_HOME", "/data").output().unwrap();
    assert_eq!(output.stdout, b"/data/mynah/mynah.db\n");
}

#[test]
fn nothing_is_deleted_by_accident() {
    let home = home();
    let home = home.path();
    for (arguments, says) in [
        (&["logs", "delete"][..], "it is not said what to delete"),
        (&["logs", "delete", "--all"], "nobody is there to say whether 4 answers may be deleted"),
        (&["logs", "delete", "-s", "capital"], "nobody is there to say whether 2 answers"),
    ] {
        let (status, _, err) = run(home, arguments);
        assert_eq!(status, 2, "{err}");
        assert!(err.contains(says) && err.contains("hint: "), "{err}");
    }
    let (status, _, err) = run(home, &["logs", "delete", "zzzzzz", "--yes"]);
    assert_eq!(status, 1, "{err}");
    assert_eq!(run(home, &["logs", "delete", "-y", "-s", "capital"]).2, "deleted 2 answers\n");
    assert_eq!(prints(home, &["logs"]).lines().count(), 2 * 3);
    assert_eq!(run(home, &["logs", "delete", "--yes", "--all"]).2, "deleted 2 answers\n");
    assert_eq!(run(home, &["logs"]).2, "no answer fits\n");
}

#[test]
fn questions_are_answered_as_tables_charts_and_data() {
    let home = home();
    let home = home.path();
    let table = "select substr(datetime_utc, 12, 5) as time, prompt, length(response) as n, null
        from turns join turn_search as q on q.turn_id = turns.id order by time";
    insta::assert_snapshot!("table", prints(home, &["sql", table]));
    insta::assert_snapshot!("json", prints(home, &["sql", "--json", "select 1 as a, 'x' as b"]));
    insta::assert_snapshot!("tag_cloud_all", {
        let cloud = "select value as wordcloud_word, count(*) as wordcloud_count from turn_search,
            json_each(mynah_words(prompt)) group by value";
        prints(home, &["sql", cloud])
    });
    insta::assert_snapshot!("models", prints(home, &["sql", "--saved", "models"]));
    insta::assert_snapshot!("months", prints(home, &["sql", "--saved", "months"]));
    insta::assert_snapshot!("prompts", prints(home, &["sql", "--saved", "prompts"]));
    insta::assert_snapshot!("totals", prints(home, &["sql", "--saved", "totals"]));
    let drawn = "select '# Title' || char(10) || 'text' as markdown; select '<b>x</b>' as html;
        select 3 as completed_count, 8 as total_count;
        select 'down' as bar_label, -2 as bar_quantity union all select 'up', 4.5";
    insta::assert_snapshot!("charts", prints(home, &["sql", drawn]));
    let charts = "select 'a' as bar_label, 2 as bar_quantity";
    assert_eq!(prints(home, &["sql", "--csv", charts]), "bar_label,bar_quantity\na,2\n");
    assert!(prints(home, &["sql", "--table", charts]).starts_with("bar_label  bar_quantity\n"));
    let tsv = ["sql", "--tsv", "--param", "x=1", "select :x + 1 as y"];
    assert_eq!(prints(home, &tsv), "y\n2\n");
    let (_, out, err) = run(home, &["sql", "--limit", "2", "--csv", "select id from turns"]);
    assert_eq!(out.lines().count(), 3);
    assert_eq!(err, "there are more rows than 2; --limit N shows more\n");
    let mut child = mynah(home, &["sql", "--csv"]).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"select 2 as two").unwrap();
    assert_eq!(child.wait_with_output().unwrap().stdout, b"two\n2\n");
}

#[test]
fn a_faulty_question_is_shown_with_its_fault() {
    let home = home();
    let home = home.path();
    let faults = [
        "select modell from turns",
        "select 1,\n  '北京' + nothing\nfrom turns",
        "selec 1",
        "select * from answers",
        "delete from turns",
        "select :day",
        "with recursive n(i) as (select 1 union all select i + 1 from n) select max(i) from n",
        "",
    ];
    let shown: Vec<String> =
        faults.iter().map(|sql| shown(home, &["sql", "--timeout", "0", sql])).collect();
    insta::assert_snapshot!("faults", shown.join("\n"));
    let two = run(home, &["sql", "--csv", "select 1; select 2"]);
    assert_eq!((two.0, two.1.as_str()), (2, ""));
}

#[test]
fn queries_are_saved_listed_and_removed() {
    let home = home();
    let home = home.path();
    let (status, out, err) =
        run(home, &["sql", "--csv", "--save", "n", "select count(*) n from turns"]);
    assert_eq!((status, out.as_str(), err.as_str()), (0, "n\n4\n", "saved as n\n"));
    assert_eq!(prints(home, &["sql", "--csv", "--saved", "n"]), "n\n4\n");
    insta::assert_snapshot!("queries", prints(home, &["sql", "--list"]));
    assert_eq!(run(home, &["sql", "--remove", "n"]).0, 0);
    for arguments in
        [["sql", "--saved", "n"], ["sql", "--remove", "n"], ["sql", "--remove", "models"]]
    {
        let (status, _, err) = run(home, &arguments);
        assert!(status == 1 && err.contains("hint: `mynah sql --list`"), "{err}");
    }
}

#[test]
fn a_file_that_is_not_ours_is_refused_in_words() {
    let home = home();
    let home = home.path();
    let other = home.join("other.db");
    fs::write(&other, "not a database, whatever its name may say. ".repeat(100)).unwrap();
    for arguments in [&["logs"][..], &["sql", "select 1"], &["logs", "off"]] {
        let mut arguments = arguments.to_vec();
        arguments.extend(["--database", other.to_str().unwrap()]);
        let (status, out, err) = run(home, &arguments);
        assert_eq!((status, out.as_str()), (1, ""), "{err}");
        assert!(err.contains("other.db is damaged, or no database at all"), "{err}");
        assert!(err.contains("\nhint: move "), "{err}");
    }
    let (status, _, err) = run(home, &["logs", "-s", "\"open"]);
    assert_eq!(status, 1);
    assert!(err.contains("cannot be understood") && err.contains("hint: "), "{err}");
}
