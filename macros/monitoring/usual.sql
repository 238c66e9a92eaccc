{#-
    Control limits after Shewhart: beside each value of a series what the days before it make of it. Select list of usual_days, usual
    and spread, the standard deviation, in which a day counts by its weight: a mean of few rows says little. The caller names the
    series by `partition` and orders it by `observed_on`. A `suffix` tells several apart.
-#}
{% macro usual(value, partition, suffix='', weight='1.0') %}
    {%- set frame -%}
    over (
            partition by {{ partition | join(', ') }} order by observed_on
            rows between {{ purchasing_power.monitoring_rules().reference_days }} preceding and 1 preceding
        )
    {%- endset -%}
    {%- set weight = 'case when ' ~ value ~ ' is not null then ' ~ weight ~ ' end' -%}
    {%- set mean = 'sum(' ~ weight ~ ' * ' ~ value ~ ') ' ~ frame ~ ' / sum(' ~ weight ~ ') ' ~ frame -%}
    {%- set mean_square = 'sum(' ~ weight ~ ' * ' ~ value ~ ' * ' ~ value ~ ') ' ~ frame ~ ' / sum(' ~ weight ~ ') ' ~ frame -%}
    count({{ value }}) {{ frame }} as usual_days{{ suffix }},
        {{ mean }} as usual{{ suffix }},
        sqrt(greatest({{ mean_square }} - ({{ mean }}) * ({{ mean }}), 0)) as spread{{ suffix }}
{%- endmacro %}


{#-
    How far a value lies from what is usual, in standard deviations of what one more day was to be expected to bring: that of
    the days before, which weekdays and sales are part of, and what mere counting adds. 0 where too few days say nothing.
-#}
{% macro departure(value, noise='0', suffix='') %}
    {%- set fewest = purchasing_power.monitoring_rules().fewest_days -%}
    {#- One day more than those that made the mean, and one fewer that is free. -#}
    {%- set days = 'usual_days' ~ suffix -%}
    {%- set variance = 'spread' ~ suffix ~ ' * spread' ~ suffix ~ ' * (' ~ days ~ ' + 1) / (' ~ days ~ ' - 1.0)' -%}
    case
            when usual_days{{ suffix }} < {{ fewest }} or {{ value }} is null then 0
            else ({{ value }} - usual{{ suffix }}) / greatest(sqrt({{ variance }} + {{ noise }}), 0.000001)
        end
{%- endmacro %}


{#- A value, and NULL where it departs from the days before it so far that it says nothing of the days after it. -#}
{% macro steady(value, noise='0', suffix='') %}
    {%- set departures = purchasing_power.monitoring_rules().departures -%}
    case when abs({{ purchasing_power.departure(value, noise, suffix) }}) < {{ departures }} then {{ value }} end
{%- endmacro %}
