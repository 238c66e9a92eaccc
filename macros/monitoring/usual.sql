{#-
    Control limits after Shewhart: beside each value of a series what the days before it make of it. Select list of usual_days, usual
    and spread; the caller names the series by `partition` and orders it by `observed_on`. A `suffix` tells several apart.
-#}
{% macro usual(value, partition, suffix='') %}
    {%- set frame -%}
    over (
            partition by {{ partition | join(', ') }} order by observed_on
            rows between {{ purchasing_power.monitoring_rules().reference_days }} preceding and 1 preceding
        )
    {%- endset -%}
    count({{ value }}) {{ frame }} as usual_days{{ suffix }},
        avg({{ value }}) {{ frame }} as usual{{ suffix }},
        coalesce(stddev_samp({{ value }}) {{ frame }}, 0) as spread{{ suffix }}
{%- endmacro %}


{#-
    How far a value lies from what is usual, in standard deviations of what one more day was to be expected to bring: that of
    the days before, which weekdays and sales are part of, and what mere counting adds. 0 where too few days say nothing.
-#}
{% macro departure(value, noise='0', suffix='') %}
    {%- set fewest = purchasing_power.monitoring_rules().fewest_days -%}
    case
            when usual_days{{ suffix }} < {{ fewest }} or {{ value }} is null then 0
            else ({{ value }} - usual{{ suffix }})
                / greatest(sqrt(spread{{ suffix }} * spread{{ suffix }} * (1 + 1.0 / usual_days{{ suffix }}) + {{ noise }}), 0.000001)
        end
{%- endmacro %}
