-- Version 1: conversations, in the tables of the command line `llm` 0.36 (https://llm.datasette.io),
-- so that its `llm logs -d` and Datasette read this file as their own. Names, columns and keys are
-- its; `dev/reference/llm_logs.py` compares them with what `llm` itself creates.

create table _llm_migrations (name text primary key, applied_at text);

-- A message is known by a hash of what it says and of the message before it. Conversations that
-- begin alike share their beginning.
create table messages (
    hash text primary key,
    parent_hash text references messages (hash),
    role text,
    provider_metadata text
);
create index idx_messages_parent_hash on messages (parent_hash);

create table parts (
    id integer primary key,
    message_hash text references messages (hash),
    position integer,
    type text,
    tool_name text,
    text text,
    payload text
);
create unique index idx_parts_message_hash_position on parts (message_hash, position);

-- A conversation: a name for the message that it has come to.
create table threads (
    id text primary key,
    name text,
    tip_message_hash text references messages (hash),
    forked_from text references threads (id),
    datetime_utc text
);

create table schemas (id text primary key, content text);

-- One call of a model: from the message that it was given to the message that it answered.
create table turns (
    id text primary key,
    thread_id text references threads (id),
    parent_message_hash text references messages (hash),
    tip_message_hash text references messages (hash),
    model text,
    resolved_model text,
    options_json text,
    schema_id text references schemas (id),
    input_tokens integer,
    output_tokens integer,
    token_details text,
    duration_ms integer,
    datetime_utc text,
    response_json text
);
create index idx_turns_thread_id on turns (thread_id);

-- What was asked and answered in a turn, and its index of words.
create table turn_search (
    id integer primary key,
    turn_id text references turns (id),
    prompt text,
    response text
);
create unique index idx_turn_search_turn_id on turn_search (turn_id);
create virtual table turn_search_fts using fts5 (prompt, response, content = "turn_search");
create trigger turn_search_ai after insert on turn_search begin
    insert into turn_search_fts (rowid, prompt, response)
    values (new.rowid, new.prompt, new.response);
end;
create trigger turn_search_ad after delete on turn_search begin
    insert into turn_search_fts (turn_search_fts, rowid, prompt, response)
    values ('delete', old.rowid, old.prompt, old.response);
end;
create trigger turn_search_au after update on turn_search begin
    insert into turn_search_fts (turn_search_fts, rowid, prompt, response)
    values ('delete', old.rowid, old.prompt, old.response);
    insert into turn_search_fts (rowid, prompt, response)
    values (new.rowid, new.prompt, new.response);
end;

-- Attachments, fragments and tools: mynah writes none yet, `llm` may.
create table attachments (id text primary key, type text, path text, url text, content blob);
create table part_attachments (
    part_id integer references parts (id),
    attachment_id text references attachments (id),
    "order" integer,
    primary key (part_id, attachment_id, "order")
);
create table fragments (
    id integer primary key,
    hash text,
    content text,
    datetime_utc text,
    source text
);
create unique index idx_fragments_hash on fragments (hash);
create table fragment_aliases (
    alias text primary key,
    fragment_id integer references fragments (id)
);
create table part_fragments (
    part_id integer references parts (id),
    fragment_id integer references fragments (id),
    "order" integer,
    primary key (part_id, fragment_id, "order")
);
create index idx_part_fragments_fragment_id on part_fragments (fragment_id);
create table turn_fragments (
    turn_id text references turns (id),
    fragment_id integer references fragments (id),
    "order" integer,
    kind text,
    primary key (turn_id, fragment_id, kind, "order")
);
create index idx_turn_fragments_fragment_id on turn_fragments (fragment_id);
create table tools (
    id integer primary key,
    hash text,
    name text,
    description text,
    input_schema text,
    plugin text
);
create unique index idx_tools_hash on tools (hash);
create table tool_instances (
    id integer primary key,
    plugin text,
    name text,
    arguments text
);
create table turn_tools (
    turn_id text references turns (id),
    tool_id integer references tools (id),
    instance_id integer references tool_instances (id),
    primary key (turn_id, tool_id)
);
create table tool_instantiations (
    turn_id text references turns (id),
    tool_call_id text,
    instance_id integer references tool_instances (id),
    primary key (turn_id, tool_call_id)
);

-- What versions of `llm` before 0.32 wrote; it still reads these.
create table conversations (id text primary key, name text, model text);
create table responses (
    id text primary key,
    model text,
    prompt text,
    system text,
    prompt_json text,
    options_json text,
    response text,
    response_json text,
    conversation_id text references conversations (id),
    duration_ms integer,
    datetime_utc text,
    input_tokens integer,
    output_tokens integer,
    token_details text,
    schema_id text references schemas (id),
    resolved_model text,
    reasoning text
);
create virtual table responses_fts using fts5 (prompt, response, content = "responses");
create trigger responses_ai after insert on responses begin
    insert into responses_fts (rowid, prompt, response)
    values (new.rowid, new.prompt, new.response);
end;
create trigger responses_ad after delete on responses begin
    insert into responses_fts (responses_fts, rowid, prompt, response)
    values ('delete', old.rowid, old.prompt, old.response);
end;
create trigger responses_au after update on responses begin
    insert into responses_fts (responses_fts, rowid, prompt, response)
    values ('delete', old.rowid, old.prompt, old.response);
    insert into responses_fts (rowid, prompt, response)
    values (new.rowid, new.prompt, new.response);
end;
create table prompt_attachments (
    response_id text references responses (id),
    attachment_id text references attachments (id),
    "order" integer,
    primary key (response_id, attachment_id)
);
create table prompt_fragments (
    response_id text references responses (id),
    fragment_id integer references fragments (id),
    "order" integer,
    primary key (response_id, fragment_id, "order")
);
create table system_fragments (
    response_id text references responses (id),
    fragment_id integer references fragments (id),
    "order" integer,
    primary key (response_id, fragment_id, "order")
);
create table tool_responses (
    tool_id integer references tools (id),
    response_id text references responses (id),
    primary key (tool_id, response_id)
);
create table tool_calls (
    id integer primary key,
    response_id text references responses (id),
    tool_id integer references tools (id),
    name text,
    arguments text,
    tool_call_id text
);
create table tool_results (
    id integer primary key,
    response_id text references responses (id),
    tool_id integer references tools (id),
    name text,
    output text,
    tool_call_id text,
    instance_id integer references tool_instances (id),
    exception text
);
create table tool_results_attachments (
    tool_result_id integer references tool_results (id),
    attachment_id text references attachments (id),
    "order" integer,
    primary key (tool_result_id, attachment_id)
);

-- Every conversation as a tree: a line for each message, indented by its depth.
create view message_tree as
with recursive
    walk (hash, root_hash, depth, path) as (
        select hash, hash, 0, printf('%012d', rowid) from messages where parent_hash is null
        union all
        select m.hash, w.root_hash, w.depth + 1, w.path || printf('/%012d', m.rowid)
        from walk as w join messages as m on m.parent_hash = w.hash
    ),
    seen (hash, datetime_utc) as (
        select tip_message_hash, datetime_utc from turns
        union
        select m.parent_hash, s.datetime_utc
        from seen as s join messages as m on m.hash = s.hash where m.parent_hash is not null
    ),
    first_seen as (
        select hash, min(datetime_utc) as datetime_utc from seen group by hash
    )
select
    w.root_hash,
    strftime('%Y-%m-%d %H:%M:%S', f.datetime_utc) as datetime,
    printf('%*s', 4 * w.depth, '') || substr(
        replace(coalesce(nullif(p.text, ''), '[' || coalesce(p.type, 'empty') || ']'), char(10), ' '),
        1, 60
    ) as message,
    coalesce(p.tool_name, '') as tools,
    w.hash as message_hash,
    w.path
from walk as w
left join first_seen as f on f.hash = w.hash
left join parts as p on p.message_hash = w.hash and p.position = 0
order by w.path;
