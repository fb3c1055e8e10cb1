-- Version 3: runs of training, what was measured on the way, and what the models wrote.

create table mynah_trainings (
    id text primary key,
    name text not null,
    -- Where the model is.
    folder text not null,
    seed integer not null,
    -- The effective configuration.
    config_toml text not null,
    steps integer not null,
    state text not null check (state in ('running', 'finished', 'stopped', 'failed')),
    -- Of all held-out text, at the end.
    bits_per_byte real,
    created_utc text not null,
    ended_utc text
);

-- Some of the steps, evenly spaced, and those after which held-out text was read.
create table mynah_training_points (
    training_id text not null references mynah_trainings (id),
    step integer not null,
    -- How long the run had taken.
    seconds real,
    loss real,
    bits_per_byte real,
    held_out_bits_per_byte real,
    primary key (training_id, step)
) without rowid;

create table mynah_training_samples (
    training_id text not null references mynah_trainings (id),
    step integer not null,
    position integer not null,
    prompt text not null,
    text text not null,
    primary key (training_id, step, position)
) without rowid;
