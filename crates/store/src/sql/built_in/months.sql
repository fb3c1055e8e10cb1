select
    substr(datetime_utc, 1, 7) as month,
    count(*) as answers,
    sum(input_tokens) as tokens_read,
    sum(output_tokens) as tokens_written,
    round(sum(duration_ms) / 60000.0, 1) as minutes
from turns
group by month
order by month desc
