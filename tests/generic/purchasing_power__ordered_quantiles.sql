{% test purchasing_power__ordered_quantiles(model) %}
select
    user_id,
    spend_p10,
    spend_p50,
    spend_p90
from {{ model }}
where not (0 <= spend_p10 and spend_p10 <= spend_p50 and spend_p50 <= spend_p90)
{% endtest %}
