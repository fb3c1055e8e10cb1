//! Questions in SQL, friendly and hostile.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use mynah_store::sql::{Limits, Reader, Shape, SqlError, Table, Value};
use mynah_store::{SavedQuery, Store, Turn};
use support::{at, turn};

/// A file with some turns, and a reader of it that gives up when it has been asked often enough.
fn reader(limits: Limits) -> (tempfile::TempDir, PathBuf, Reader) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mynah.db");
    let mut store = Store::open(&path, at(0)).unwrap();
    for (i, prompt) in
        ["What is the capital of France?", "The capital of Peru?", "用一句话介绍北京"]
            .iter()
            .enumerate()
    {
        let turn = Turn { at: at(i as u64), ..turn("run", prompt, "Paris.") };
        store.record_turn(None, &turn).unwrap();
    }
    let looks = Arc::new(AtomicU32::new(0));
    let stop = move || looks.fetch_add(1, Ordering::Relaxed) > 10_000;
    let reader = Reader::open(&path, at(60), limits, stop).unwrap();
    (folder, path, reader)
}

fn answer(sql: &str) -> Result<Vec<Table>, SqlError> {
    let (_folder, _, reader) = reader(Limits { rows: 10, bytes: 1 << 20 });
    reader.answer(sql, &[])
}

fn one(sql: &str) -> Vec<Vec<Value>> {
    answer(sql).unwrap().pop().unwrap().rows
}

#[test]
fn every_kind_of_value_comes_back() {
    let rows = one("select null, 1, 1.5, 'é', x'00ff', cast(x'c328' as text) as broken");
    let expected = [
        Value::Null,
        Value::Integer(1),
        Value::Real(1.5),
        Value::Text("é".into()),
        Value::Blob(vec![0, 255]),
        Value::Text("\u{fffd}(".into()),
    ];
    assert_eq!(rows, [expected]);
    assert_eq!(answer("select 1 as a; select 2 as b;").unwrap().len(), 2);
    assert_eq!(one("select count(*) from turns"), [[Value::Integer(3)]]);
    let found =
        one("select q.id, bm25(turn_search_fts) < 0, snippet(turn_search_fts, 0, '', '', '', 2)
        from turn_search_fts join turn_search as q on q.id = turn_search_fts.rowid
        where turn_search_fts match 'peru'");
    assert_eq!(found[0][..2], [Value::Integer(2), Value::Integer(1)]);
    assert!(!one("select * from pragma_table_info('turns')").is_empty());
    assert!(!one("pragma table_info(turns)").is_empty());
    assert_eq!(
        one("with recursive n(i) as (select 1 union all select i + 1 from n where i < 4)
        select sum(i) from n"),
        [[Value::Integer(10)]]
    );
}

#[test]
fn nothing_but_reading_is_allowed() {
    for sql in [
        "insert into turns (id) values ('x')",
        "update turns set model = 'x'",
        "delete from turns",
        "drop table turns",
        "create table t (x)",
        "create temp table t (x)",
        "create temp view v as select 1",
        "attach '/tmp/other.db' as other",
        "attach ':memory:' as other",
        "detach main",
        "vacuum into '/tmp/copy.db'",
        "vacuum",
        "reindex",
        "analyze",
        "begin",
        "savepoint s",
        "pragma journal_mode = delete",
        "pragma journal_mode",
        "pragma user_version = 9",
        "pragma query_only = off",
        "pragma writable_schema = on",
        "pragma temp_store_directory = '/tmp'",
        "pragma hard_heap_limit = 0",
        "select load_extension('/tmp/x.so')",
        "select fts3_tokenizer('simple')",
        "insert into turn_search_fts (turn_search_fts) values ('rebuild')",
        "create virtual table v using fts5 (x)",
        "select 1; delete from turns",
        "explain delete from turns; delete from turns",
        "with x as (select 1) delete from turns",
        "select * from turns; alter table turns rename to t",
    ] {
        let (_folder, path, reader) = reader(Limits::default());
        let error = reader.answer(sql, &[]).unwrap_err();
        assert!(matches!(error, SqlError::Forbidden { .. }), "{sql}: {error:?}");
        let store = Store::open(&path, at(0)).unwrap();
        assert_eq!(store.counts().unwrap().0, 3, "{sql}");
    }
}

#[test]
fn a_question_without_end_is_stopped() {
    let endless = "with recursive n(i) as (select 1 union all select i + 1 from n)";
    for sql in [
        format!("{endless} select max(i) from n"),
        format!("{endless} select i from n order by -i"),
        "select count(*) from turns a, turns b, turns c, turns d, turns e, turns f, turns g, turns h,
         turns i, turns j, turns k, turns l, turns m, turns n, turns o, turns p, turns q, turns r"
            .to_owned(),
    ] {
        assert!(matches!(answer(&sql), Err(SqlError::Stopped)), "{sql}");
    }
    // Rows that come without end are cut and not waited for.
    let table = answer(&format!("{endless} select i from n")).unwrap().pop().unwrap();
    assert_eq!((table.rows.len(), table.is_cut), (10, true));
    assert!(!answer("select 1").unwrap()[0].is_cut);
}

#[test]
fn a_result_beyond_the_limit_is_refused() {
    for sql in [
        "select zeroblob(1000000000)",
        "select hex(zeroblob(300000))",
        "select printf('%.*c', 500000000, 'x')",
        "select replace(hex(zeroblob(10000)), '0', hex(zeroblob(10000)))",
        "select zeroblob(200000) union all select zeroblob(200001) union all
         select zeroblob(200002) union all select zeroblob(200003) union all
         select zeroblob(200004) union all select zeroblob(200005)",
    ] {
        let error = answer(sql).unwrap_err();
        assert!(matches!(error, SqlError::TooLarge), "{sql}: {error:?}");
    }
    let deep = format!("select {}1{}", "(".repeat(5000), ")".repeat(5000));
    assert!(answer(&deep).is_err());
    let long = format!("select '{}'", "x".repeat(2 << 20));
    assert!(answer(&long).is_err());
}

#[test]
fn errors_say_where() {
    let place = |sql: &str| match answer(sql).unwrap_err() {
        SqlError::Syntax { message, offset } => (message, offset),
        other => panic!("{other:?}"),
    };
    assert_eq!(place("select modell from turns"), ("no such column: modell".into(), Some(7)));
    assert_eq!(place("select 1; select é, x'0'").1, Some(21), "counted from the beginning");
    assert_eq!(place("selec 1"), ("near \"selec\": syntax error".into(), Some(0)));
    assert_eq!(place("select * from none").0, "no such table: none");
    assert_eq!(place("select (").0, "incomplete input");
    assert!(matches!(answer(" -- nothing\n ;"), Err(SqlError::Empty)));
    assert!(matches!(answer(""), Err(SqlError::Empty)));
}

#[test]
fn parameters_are_values_and_never_sql() {
    let (_folder, _, reader) = reader(Limits::default());
    let ask = |sql: &str, name: &str, value: &str| {
        reader
            .answer(sql, &[(name.into(), value.into())])
            .map(|mut tables| tables.pop().unwrap().rows)
    };
    let hostile = "x' union select 1 --";
    assert_eq!(ask("select :a", "a", hostile).unwrap(), [[Value::Text(hostile.into())]]);
    assert_eq!(ask("select :a + 1", "a", "41").unwrap(), [[Value::Integer(42)]]);
    assert_eq!(ask("select @a, $a", "a", "0.5").unwrap(), [[Value::Real(0.5), Value::Real(0.5)]]);
    assert_eq!(ask("select :a", "a", "inf").unwrap(), [[Value::Text("inf".into())]]);
    assert!(matches!(ask("select :b", "a", "1"), Err(SqlError::Unbound { name }) if name == ":b"));
    assert!(matches!(ask("select ?", "a", "1"), Err(SqlError::Unbound { name }) if name == "?"));
    assert!(
        matches!(ask("select 1", "a", "1"), Err(SqlError::NoParameter { name }) if name == "a")
    );
}

#[test]
fn parameters_are_known_before_they_have_values() {
    let (_folder, _, reader) = reader(Limits::default());
    let names = reader.parameters("select ':no', :a, @b; -- :no\nselect $a, :c;").unwrap();
    assert_eq!(names, ["a", "b", "c"]);
    assert!(matches!(reader.parameters("drop table turns"), Err(SqlError::Forbidden { .. })));
    assert!(matches!(reader.parameters("select :a from"), Err(SqlError::Syntax { .. })));
}

#[test]
fn the_queries_that_mynah_brings_can_be_drawn() {
    let (_folder, path, reader) = reader(Limits::default());
    let store = Store::open(&path, at(0)).unwrap();
    for SavedQuery { name, sql, .. } in store.queries().unwrap() {
        let tables = reader.answer(&sql, &[]).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        let is_table = matches!(tables[0].shape(), Shape::Table);
        assert_eq!(is_table, ["prompts", "months"].contains(&name.as_str()), "{name}");
        assert!(tables.iter().all(|table| !table.rows.is_empty()), "{name}");
        if name == "year" {
            let shapes = tables.iter().map(|table| matches!(table.shape(), Shape::Table));
            assert_eq!(shapes.filter(|&is_table| is_table).count(), 1, "all but the prompts");
        }
    }
    let cloud = SavedQuery::built_in("tag-cloud").unwrap();
    let rows = reader.answer(&cloud.sql, &[]).unwrap().pop().unwrap().rows;
    assert_eq!(rows[0], [Value::Text("capital".into()), Value::Integer(2)]);
    assert!(rows.iter().any(|row| row[0] == Value::Text("北京".into())), "{rows:?}");
    // A year later nothing was asked in the last year.
    let late = Reader::open(&path, at(400 * 86_400), Limits::default(), || false).unwrap();
    assert!(late.answer(&cloud.sql, &[]).unwrap()[0].rows.is_empty());
}
