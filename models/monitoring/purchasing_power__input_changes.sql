{%- set rules = purchasing_power.monitoring_rules() -%}
{%- set double = purchasing_power.type_double() -%}
with

input_days as (

    select * from {{ ref('int_purchasing_power__input_days') }}

),

scaled as (

    -- on the scale on which changes of one size mean the same: counts and amounts as logarithms, shares as they are
    select
        input_name,
        measure,
        kind,
        observed_on,
        case
            when kind = 'count' then ln(1 + total)
            when base > 0 then total / base
        end as scaled_value,
        base,
        case when kind = 'count' then 1 when base > 0 then base end as weight,
        case
            when kind = 'value' and base > 0 then greatest(squares / base - (total / base) * (total / base), 0)
        end as variance
    from input_days

),

{#-
    Three times: a day that departs from those before it, a closed one or a sale, is no measure of those after it. The first of
    several odd days hides the others from the first limits.
-#}
{% for stage in ['_first', '_second', ''] -%}
{%- set value = 'scaled_value' if loop.first else 'steady_value' ~ loop.previtem -%}
limited{{ stage }} as (

    select
        *,
        {{ purchasing_power.usual(value, ['input_name', 'measure'], stage, weight='weight') }},
        -- of the days before: a bug spreads the values of its own day
        avg(case when {{ value }} is not null then variance end) over (
            partition by input_name, measure order by observed_on
            rows between {{ rules.reference_days }} preceding and 1 preceding
        ) as {{ 'usual_variance' ~ stage }}
    from {{ 'scaled' if loop.first else 'steady' ~ loop.previtem }}

),

compared{{ stage }} as (

    select
        *,
        case
            when kind = 'count' then 1 / exp(usual{{ stage }})
            when kind = 'share'
                then (greatest(usual{{ stage }} * (1 - usual{{ stage }}), 0) + 1 / nullif(base, 0)) / nullif(base, 0)
            else usual_variance{{ stage }} / nullif(base, 0)
        end as {{ 'noise' ~ stage }}
    from limited{{ stage }}

),

{% if not loop.last -%}
steady{{ stage }} as (

    select
        *,
        {{ purchasing_power.steady('scaled_value', 'coalesce(noise' ~ stage ~ ', 0)', stage) }}
            as {{ 'steady_value' ~ stage }}
    from compared{{ stage }}

),

{% endif -%}
{% endfor -%}
judged as (

    select
        *,
        {{ purchasing_power.departure('scaled_value', 'coalesce(noise, 0)') }} as departure,
        case kind
            when 'count' then {{ 'ln(1 + ' ~ rules.volume_change ~ ')' }}
            when 'share' then {{ rules.share_change }}
            else {{ 'ln(1 + ' ~ rules.value_change ~ ')' }}
        end as smallest_change
    from compared

),

input_changes as (

    select

        ----------  ids
        input_name,
        measure,
        observed_on,

        ----------  text
        kind,

        ----------  numerics
        {% for name, expression in {'value': 'scaled_value', 'usual_value': 'usual'}.items() -%}
        cast(case kind
            when 'count' then exp({{ expression }}) - 1
            when 'value' then exp({{ expression }})
            else {{ expression }}
        end as {{ double }}) as {{ name }},
        {% endfor -%}
        cast(usual_days as integer) as usual_days,
        cast(departure as {{ double }}) as departure,

        ----------  booleans
        observed_on = max(observed_on) over () as is_newest,
        abs(departure) >= {{ rules.departures }} and abs(scaled_value - usual) >= smallest_change as is_unusual

    from judged
    where scaled_value is not null

)

select * from input_changes
