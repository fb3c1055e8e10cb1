select
    model as bar_label,
    count(*) as bar_quantity
from turns
group by model
order by bar_quantity desc, bar_label
limit 20
