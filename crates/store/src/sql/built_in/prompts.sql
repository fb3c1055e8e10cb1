select
    -- A prompt that was given for several samples was asked once.
    count(distinct t.thread_id || t.parent_message_hash) as times,
    max(substr(t.datetime_utc, 1, 10)) as last,
    q.prompt as prompt
from turn_search as q
join turns as t on t.id = q.turn_id
left join mynah_turns as m on m.turn_id = t.id
where q.prompt != '' and coalesce(m.command, 'llm') != 'try'
group by q.prompt
order by times desc, last desc
limit 20
