select 'answers' as label, count(*) as big_number from turns;
select 'conversations' as label, count(*) as big_number from threads;
select 'experiments' as label, count(*) as big_number from mynah_experiments;
select 'tokens written' as label, coalesce(sum(output_tokens), 0) as big_number from turns;
