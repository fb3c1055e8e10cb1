select
    w.value as wordcloud_word,
    count(*) as wordcloud_count
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
limit 100
