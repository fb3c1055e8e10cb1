"""What the command line `llm` makes of a log, for `crates/store`.

    pip install llm==0.36 datasette
    python dev/reference/llm_logs.py fixture            > fixtures/store/llm-0.36.json
    python dev/reference/llm_logs.py version-1          > fixtures/store/version-1.sql
    python dev/reference/llm_logs.py dump FILE          > fixtures/store/version-N.sql
    python dev/reference/llm_logs.py check FILE

`fixture` writes the tables that `llm` creates and the rows that it keeps of a conversation.
`version-1` writes a file of our first version in which `llm` itself has kept that conversation.
`dump` writes a file as SQL text: tables, rows, views; not what SQLite's index keeps for itself.
`check` reads a file that mynah wrote with `llm` and with Datasette, and fails if one of them finds
less in it than there is.
"""

import datetime
import json
import pathlib
import sqlite3
import subprocess
import sys
from importlib import metadata

import llm
import sqlite_utils
from llm.logs import LogStore

STEP_1 = pathlib.Path(__file__).parents[2] / "crates/store/src/schema/001_conversations.sql"
SYSTEM = "Be brief."
SAID = [
    ("What is the capital of France?", "Paris."),
    ('And of "北京"?\n\tTab, \x01, \x7f, é, 🐦', "It is one: \\ / \u2028"),
]
START = datetime.datetime(2026, 3, 1, 12, 0, 0, 250000, tzinfo=datetime.timezone.utc)


class Scripted(llm.Model):
    """Says what it is told to."""

    model_id = "scripted"

    class Options(llm.Options):
        temperature: float | None = None
        seed: int | None = None

    def execute(self, prompt, stream, response, conversation):
        response.set_usage(input=12, output=34)
        yield next(self.answers)


def converse(db):
    model = Scripted()
    model.answers = iter(answer for _, answer in SAID)
    conversation = model.conversation()
    conversation.id = "01kjmyc6et0000000000000000"
    for i, (question, _) in enumerate(SAID):
        system = SYSTEM if i == 0 else None
        response = conversation.prompt(question, system=system, temperature=0.5, seed=7)
        response.text()
        response.id = f"01kjmyc6et000000000000000{i + 1}"
        response._start_utcnow = START + datetime.timedelta(seconds=i)
        response._start, response._end = 0.0, 0.75
        LogStore(db).log(response)


def tables(db):
    """Columns, keys and indexes of every table that is not SQLite's own."""
    result = {}
    for (name,) in db.execute(
        "select name from sqlite_master where type in ('table', 'view')"
        " and name not like '%_fts_%' and name not like 'sqlite_%' and name not like 'mynah_%' order by name"
    ).fetchall():
        indexes = [
            {"unique": bool(row[2]), "columns": [c[2] for c in db.execute(f'pragma index_info("{row[1]}")')]}
            for row in db.execute(f'pragma index_list("{name}")').fetchall()
            if row[3] == "c"
        ]
        result[name] = {
            "columns": [[c[1], c[2].upper(), c[5]] for c in db.execute(f'pragma table_info("{name}")')],
            "keys": sorted([k[3], k[2], k[4]] for k in db.execute(f'pragma foreign_key_list("{name}")')),
            "indexes": sorted(indexes, key=lambda index: index["columns"]),
        }
    return result


def rows(db, sql):
    db.row_factory = sqlite3.Row
    found = [dict(row) for row in db.execute(sql)]
    db.row_factory = None
    return found


def fixture():
    db = sqlite_utils.Database(memory=True)
    LogStore(db)
    made = tables(db.conn)
    converse(db)
    print(
        json.dumps(
            {
                "source": f"llm {metadata.version('llm')}",
                "tables": made,
                "migrations": [row["name"] for row in db["_llm_migrations"].rows],
                "conversation": {"system": SYSTEM, "said": SAID},
                "messages": rows(db.conn, "select hash, parent_hash, role from messages order by rowid"),
                "parts": rows(db.conn, "select message_hash, position, type, tool_name, text, payload from parts order by id"),
                "threads": rows(db.conn, "select id, name, tip_message_hash, forked_from from threads"),
                "turns": rows(db.conn, "select * from turns order by id"),
                "turn_search": rows(db.conn, "select id, turn_id, prompt, response from turn_search order by id"),
            },
            indent=1,
            ensure_ascii=False,
        )
    )


def version_1():
    db = sqlite3.connect(":memory:")
    db.executescript(STEP_1.read_text())
    names = json.loads((STEP_1.parents[4] / "fixtures/store/llm-0.36.json").read_text())["migrations"]
    db.executemany("insert into _llm_migrations values (?, '2026-03-01 12:00:00+00:00')", [[n] for n in names])
    db.execute("pragma user_version = 1")
    db.commit()
    converse(sqlite_utils.Database(db))
    db.execute("update threads set datetime_utc = '2026-03-01 12:00:00+00:00'")
    db.commit()
    dump(db)


def dump(db):
    quote = lambda values: ", ".join(db.execute("select quote(?)", [v]).fetchone()[0] for v in values)
    objects = db.execute(
        "select type, name, sql from sqlite_master where sql is not null and name not like '%_fts_%'"
    ).fetchall()
    of = lambda *types: [(name, sql) for type_, name, sql in objects if type_ in types]
    for _, sql in of("table") + of("index", "trigger"):
        print(sql.strip() + ";")
    print("pragma foreign_keys = off;")
    for name, sql in of("table"):
        if "virtual" in sql.lower().split("(")[0]:
            continue
        for row in db.execute(f'select * from "{name}"').fetchall():
            # Control characters are written as numbers, so that the file stays text.
            values = quote(row).replace("\x01", "' || char(1) || '").replace("\x7f", "' || char(127) || '")
            print(f'insert into "{name}" values ({values});')
    for _, sql in of("view"):
        print(sql.strip() + ";")
    print(f"pragma user_version = {db.execute('pragma user_version').fetchone()[0]};")


def check(path):
    store = LogStore(sqlite_utils.Database(path))
    count = store.db["turns"].count
    broken = store.verify()
    assert broken == [], f"hashes that llm finds wrong: {broken}"
    run = lambda *command: subprocess.run(command, check=True, capture_output=True, text=True).stdout
    logged = json.loads(run("llm", "logs", "list", "-d", path, "-n", "0", "--json"))
    assert len(logged) == count, (len(logged), count)
    for entry in logged:
        assert entry["prompt"] or entry["response"], entry
        searched = rows(store.db.conn, f"select * from turn_search where turn_id = '{entry['id']}'")
        assert searched[0]["response"] == entry["response"], entry
    answered = json.loads(run("datasette", path, "--get", f"/{pathlib.Path(path).stem}/turns.json?_shape=array&_size=1000"))
    assert len(answered) == min(count, 1000), len(answered)
    tree = json.loads(run("datasette", path, "--get", f"/{pathlib.Path(path).stem}/message_tree.json?_shape=array"))
    assert tree and tree[0]["message"], tree
    print(f"llm {metadata.version('llm')} and datasette {metadata.version('datasette')} read {count} turns")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["fixture"]:
            fixture()
        case ["version-1"]:
            version_1()
        case ["dump", path]:
            dump(sqlite3.connect(path))
        case ["check", path]:
            check(path)
        case _:
            sys.exit(__doc__)
