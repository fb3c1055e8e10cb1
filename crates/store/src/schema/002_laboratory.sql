-- Version 2: what mynah knows beyond `llm`: how an answer was drawn, experiments and their samples,
-- judgements by people, saved queries, settings.

-- A turn as mynah drew it. The texts, the model and the tokens are in `turns`.
create table mynah_turns (
    turn_id text primary key references turns (id),
    -- Which command asked: run, chat, try, ...
    command text not null,
    -- Which of the answers to the same prompt it is, from 0.
    sample integer not null,
    -- A 64-bit number in two's complement: SQLite has no unsigned integers.
    seed integer,
    temperature real,
    -- What identifies the weights, such as their SHA-256.
    fingerprint text,
    -- Why the answer ended: stop, length, ...
    finish text not null,
    first_token_ms real,
    duration_ms real
);

create table mynah_experiments (
    id text primary key,
    name text not null,
    design_hash text not null,
    design_json text not null,
    state text not null check (state in ('running', 'finished', 'stopped', 'failed')),
    result_json text,
    created_utc text not null,
    ended_utc text
);
create index mynah_experiments_design_hash on mynah_experiments (design_hash);

-- A sample: which cell of the design it fills, and the turn that filled it.
create table mynah_samples (
    id integer primary key,
    experiment_id text not null references mynah_experiments (id),
    arm text not null,
    input text not null,
    repeat integer not null,
    -- The block of time that it was drawn in, and its place in the order of all samples.
    block integer not null,
    position integer not null,
    turn_id text not null unique references turns (id),
    checks_json text,
    unique (experiment_id, arm, input, repeat)
);

-- What a person said of two samples without knowing their arms.
create table mynah_labels (
    left_sample integer not null references mynah_samples (id),
    right_sample integer not null references mynah_samples (id),
    criterion text not null,
    person text not null,
    choice text not null check (choice in ('left', 'right', 'tie', 'neither')),
    note text,
    datetime_utc text not null,
    primary key (left_sample, right_sample, criterion, person)
) without rowid;

create table mynah_queries (
    name text primary key,
    sql text not null,
    description text,
    created_utc text not null
);

create table mynah_settings (name text primary key, value text not null);

-- Samples with their texts, for people: `select arm, avg(length(answer)) from mynah_answers ...`.
create view mynah_answers as
select
    s.id,
    s.experiment_id,
    e.name as experiment,
    s.arm,
    s.input,
    s.repeat,
    s.block,
    s.position,
    q.prompt,
    q.response as answer,
    t.model,
    m.fingerprint,
    m.seed,
    m.temperature,
    m.finish,
    t.input_tokens,
    t.output_tokens,
    m.first_token_ms,
    m.duration_ms,
    s.checks_json,
    t.datetime_utc
from mynah_samples as s
join mynah_experiments as e on e.id = s.experiment_id
join turns as t on t.id = s.turn_id
join mynah_turns as m on m.turn_id = s.turn_id
left join turn_search as q on q.turn_id = s.turn_id;
