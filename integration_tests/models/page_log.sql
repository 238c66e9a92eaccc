select
    visitor,
    date_trunc('hour', clicked_at) as hour_began,
    kind,
    count(*) as hits,
    sum(seconds) as seconds
from {{ source('shop', 'clicks') }}
group by visitor, date_trunc('hour', clicked_at), kind
