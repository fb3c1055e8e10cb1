//! Deleting turns, and what nothing points at afterwards.

use rusqlite::Connection;

use crate::{Error, Store};

/// What belongs to a turn, and the turns themselves, in an order that keeps every reference whole.
/// Each is run with the identifiers as JSON.
const OF_TURNS: [&str; 9] = [
    "delete from mynah_labels where left_sample in (select id from mynah_samples
        where turn_id in (select value from json_each(?1)))
        or right_sample in (select id from mynah_samples
        where turn_id in (select value from json_each(?1)))",
    "delete from mynah_samples where turn_id in (select value from json_each(?1))",
    "delete from mynah_turns where turn_id in (select value from json_each(?1))",
    "delete from turn_tools where turn_id in (select value from json_each(?1))",
    "delete from turn_fragments where turn_id in (select value from json_each(?1))",
    "delete from tool_instantiations where turn_id in (select value from json_each(?1))",
    "delete from turn_search where turn_id in (select value from json_each(?1))",
    // A conversation goes back to the last turn that it still has.
    "update threads set tip_message_hash = (
            select t.tip_message_hash from turns as t
            where t.thread_id = threads.id and t.id not in (select value from json_each(?1))
            order by t.id desc limit 1)
        where id in (select thread_id from turns where id in (select value from json_each(?1)))",
    "delete from turns where id in (select value from json_each(?1))",
];

/// Messages and what belongs to them, if no turn and no conversation leads to them, and
/// conversations without a turn.
const UNREACHABLE: [&str; 7] = [
    "delete from threads where tip_message_hash is null
        and id not in (select thread_id from turns where thread_id is not null)
        and id not in (select forked_from from threads where forked_from is not null)",
    "create temp table gone as
        with recursive kept (hash) as (
            select tip_message_hash from turns union select parent_message_hash from turns
            union select tip_message_hash from threads
            union select m.parent_hash from kept as k join messages as m on m.hash = k.hash)
        select hash from messages where hash not in (select hash from kept where hash is not null)",
    "delete from part_fragments where part_id in
        (select id from parts where message_hash in (select hash from gone))",
    "delete from part_attachments where part_id in
        (select id from parts where message_hash in (select hash from gone))",
    "delete from parts where message_hash in (select hash from gone)",
    "delete from messages where hash in (select hash from gone)",
    "drop table gone",
];

impl Store {
    /// Deletes turns, and messages that no other turn needs. What is deleted is overwritten in the
    /// file. Returns how many turns there were.
    ///
    /// # Errors
    /// If it cannot be written; then nothing is deleted.
    pub fn delete(&mut self, turns: &[String]) -> Result<usize, Error> {
        let ids = serde_json::Value::from(turns.to_vec()).to_string();
        let set = |connection: &Connection, secure: bool| {
            connection.pragma_update_and_check(None, "secure_delete", secure, |_| Ok(()))
        };
        self.read("delete", |connection| set(connection, true))?;
        let deleted = self.change("delete", |transaction| {
            let mut n_turns = 0;
            for sql in OF_TURNS {
                // The last of them deletes the turns.
                n_turns = transaction.execute(sql, [&ids])?;
            }
            UNREACHABLE.iter().try_for_each(|sql| transaction.execute(sql, []).map(drop))?;
            // The index keeps words until its pieces are merged.
            transaction
                .execute("insert into turn_search_fts (turn_search_fts) values ('optimize')", [])?;
            Ok(n_turns)
        });
        let after = self.read("delete", |connection| {
            set(connection, false)?;
            // The log still has what was deleted; another reader may keep it for a while.
            connection.query_row("pragma wal_checkpoint(truncate)", [], |_| Ok(()))
        });
        let n = deleted?;
        after.map(|()| n)
    }
}
