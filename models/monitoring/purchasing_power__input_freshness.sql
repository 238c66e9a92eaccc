{#-
    How old the newest row of each log is, beside the longest silence that is usual for it; and, where
    purchasing_power__monitoring.fresh_within_days asks for it, how old all of them are today.
-#}
{%- set fresh_within_days = purchasing_power.monitoring_rules().fresh_within_days -%}
with

as_of as (

    select * from {{ ref('int_purchasing_power__as_of') }}

),

active_days as (

    select
        input_name,
        observed_on
    from {{ ref('int_purchasing_power__input_days') }}
    where
        measure = 'rows'
        and total > 0

),

gaps as (

    select
        input_name,
        observed_on,
        lag(observed_on) over (partition by input_name order by observed_on) as previous_on
    from active_days

),

logs as (

    select
        input_name,
        max(observed_on) as newest_on,
        count(*) as active_days,
        coalesce(max({{ purchasing_power.days_between('previous_on', 'observed_on') }}) - 1, 0) as longest_silence
    from gaps
    group by input_name

),

silences as (

    select
        logs.input_name,
        logs.newest_on,
        {{ purchasing_power.days_between('logs.newest_on', 'as_of.as_of_date') }} - 1 as silent_days,
        logs.longest_silence as usual_silent_days,
        -- a day without a row in a log that has none every few days means little
        (
            logs.active_days >= {{ purchasing_power.monitoring_rules().fewest_days }}
            and {{ purchasing_power.days_between('logs.newest_on', 'as_of.as_of_date') }} - 1 > 2 * logs.longest_silence
        ) as is_late
    from logs
    cross join as_of
    union all
    select
        'all inputs' as input_name,
        as_of_date - 1 as newest_on,
        {{ purchasing_power.days_between('as_of_date', purchasing_power.today()) }} as silent_days,
        {{ fresh_within_days if fresh_within_days is not none else 'null' }} as usual_silent_days,
        {% if fresh_within_days is not none -%}
        {{ purchasing_power.days_between('as_of_date', purchasing_power.today()) }} > {{ fresh_within_days }}
        {%- else -%}
        false
        {%- endif %} as is_late
    from as_of

),

input_freshness as (

    select

        ----------  ids
        input_name,

        ----------  dates
        newest_on,

        ----------  numerics
        cast(silent_days as integer) as silent_days,
        cast(usual_silent_days as integer) as usual_silent_days,

        ----------  booleans
        is_late

    from silences

)

select * from input_freshness
