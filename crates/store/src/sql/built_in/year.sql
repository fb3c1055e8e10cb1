-- Answers
select 'answers in the last year' as label, count(*) as big_number
from turns where datetime_utc >= strftime('%Y-%m-%dT%H:%M:%S', mynah_now(), '-1 year');

-- Conversations
select 'conversations' as label, count(distinct thread_id) as big_number
from turns as t
where datetime_utc >= strftime('%Y-%m-%dT%H:%M:%S', mynah_now(), '-1 year')
    and not exists (select 1 from mynah_samples where turn_id = t.id);

-- Tokens
select 'tokens written' as label, coalesce(sum(output_tokens), 0) as big_number
from turns where datetime_utc >= strftime('%Y-%m-%dT%H:%M:%S', mynah_now(), '-1 year');

-- Time
select 'minutes of answering' as label, round(coalesce(sum(duration_ms), 0) / 60000.0, 1) as big_number
from turns where datetime_utc >= strftime('%Y-%m-%dT%H:%M:%S', mynah_now(), '-1 year');

-- What you asked about
select w.value as wordcloud_word, count(*) as wordcloud_count
from (
    -- A prompt that was given for several samples was asked once.
    select q.prompt
    from turn_search as q
    join turns as t on t.id = q.turn_id
    left join mynah_turns as m on m.turn_id = t.id
    where t.datetime_utc >= strftime('%Y-%m-%dT%H:%M:%S', mynah_now(), '-1 year')
        and coalesce(m.command, 'llm') != 'try'
    group by t.thread_id, t.parent_message_hash
) as asked
join json_each(mynah_words(asked.prompt)) as w
group by w.value
order by wordcloud_count desc, wordcloud_word
limit 80;

-- The models you used most
select model as bar_label, count(*) as bar_quantity
from turns
where datetime_utc >= strftime('%Y-%m-%dT%H:%M:%S', mynah_now(), '-1 year')
group by model
order by bar_quantity desc, bar_label
limit 8;

-- Tokens written by month
select substr(datetime_utc, 1, 7) as bar_label, coalesce(sum(output_tokens), 0) as bar_quantity
from turns
where datetime_utc >= strftime('%Y-%m-%dT%H:%M:%S', mynah_now(), '-1 year')
group by bar_label
order by bar_label;

-- Minutes of answering by month
select substr(datetime_utc, 1, 7) as bar_label,
    round(coalesce(sum(duration_ms), 0) / 60000.0, 1) as bar_quantity
from turns
where datetime_utc >= strftime('%Y-%m-%dT%H:%M:%S', mynah_now(), '-1 year')
group by bar_label
order by bar_label;

-- The commands that asked
select coalesce(m.command, 'llm') as bar_label, count(*) as bar_quantity
from turns as t left join mynah_turns as m on m.turn_id = t.id
where t.datetime_utc >= strftime('%Y-%m-%dT%H:%M:%S', mynah_now(), '-1 year')
group by bar_label
order by bar_quantity desc, bar_label;

-- What you asked most often
select q.prompt as prompt,
    count(distinct t.thread_id || t.parent_message_hash) as times,
    max(substr(t.datetime_utc, 1, 10)) as last
from turn_search as q
join turns as t on t.id = q.turn_id
left join mynah_turns as m on m.turn_id = t.id
where q.prompt != '' and coalesce(m.command, 'llm') != 'try'
    and t.datetime_utc >= strftime('%Y-%m-%dT%H:%M:%S', mynah_now(), '-1 year')
group by q.prompt
order by times desc, last desc
limit 12;
