-- The tables of corpus.db. Texts themselves lie in texts-NNNNNN.gz beside it.

-- Where texts come from: one row for each PATH that was added.
create table sources (
    id integer primary key,
    -- The path or reference as it was given, and the place it stands for.
    name text not null unique,
    origin text not null,
    format text not null,
    -- An SPDX expression, and how it became known; null where it is not known.
    licence text,
    licence_evidence text,
    -- Whether someone has decided that it may be used without a known licence, and when.
    allowed_at text,
    -- Of the file's bytes; of a folder, of the sums and names of its files.
    sha256 text,
    bytes integer not null default 0,
    language text,
    added_at text not null,
    -- Null while it is being added.
    completed_at text
) strict;

-- The files of a source, as far as they have been read: where an interrupted add goes on.
create table files (
    source_id integer not null references sources (id) on delete cascade,
    path text not null,
    -- Of the file's own bytes.
    sha256 text not null,
    bytes integer not null,
    -- Records of it that are in the corpus.
    records integer not null,
    is_read integer not null,
    primary key (source_id, path)
) strict, without rowid;

-- Stretches of texts-NNNNNN.gz: one member of the gzip file each.
create table blocks (
    id integer primary key,
    shard integer not null,
    offset integer not null,
    stored_bytes integer not null,
    bytes integer not null
) strict;

create table documents (
    id integer primary key,
    source_id integer not null references sources (id) on delete cascade,
    -- Its place in the source: a file, with the number of the record in it.
    place text not null,
    title text,
    author text,
    url text,
    -- Where it differs from the source's.
    licence text,
    block_id integer not null references blocks (id),
    start integer not null,
    bytes integer not null,
    characters integer not null,
    -- What the cleaning has found; null until it has looked.
    language text,
    -- Of the normalised text: equal for exact duplicates.
    text_hash blob,
    -- MinHash of the text in bands, 8 bytes each.
    bands blob
) strict;
create index documents_by_source on documents (source_id);
create index documents_by_hash on documents (text_hash);

-- What was not taken in, and why: opt-outs, excluded authors, files that are no text.
create table refused (
    id integer primary key,
    source_id integer not null references sources (id) on delete cascade,
    place text not null,
    reason text not null,
    evidence text not null
) strict;

-- The cleaning's rules, and whether each counts.
create table rules (
    name text primary key,
    is_on integer not null
) strict, without rowid;

-- Why a rule would leave a document out.
create table reasons (
    document_id integer not null references documents (id) on delete cascade,
    rule text not null,
    -- What was measured, and in words.
    value real,
    detail text not null,
    primary key (document_id, rule)
) strict, without rowid;
create index reasons_by_rule on reasons (rule, document_id);

-- Stretches of a text that a rule replaces (personal data) or takes out (lines).
create table edits (
    document_id integer not null references documents (id) on delete cascade,
    rule text not null,
    start integer not null,
    length integer not null,
    primary key (document_id, start, rule)
) strict, without rowid;
create index edits_by_rule on edits (rule);

-- Documents that are used: those no rule that is on takes away, under a licence that is known or
-- with someone's permission.
create view used as
select d.*
from documents d join sources s on s.id = d.source_id
where (coalesce(d.licence, s.licence) is not null or s.allowed_at is not null)
  and not exists (
    select 1 from reasons r join rules on rules.name = r.rule
    where r.document_id = d.id and rules.is_on
  );

-- What the cleaning was told, such as the languages that are wanted.
create table settings (
    name text primary key,
    value text not null
) strict, without rowid;
