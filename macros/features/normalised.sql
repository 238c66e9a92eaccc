{#-
    A catalogue entry as the model sees it: transformed, then standardised with frozen parameters, cut at 10 standard
    deviations and stored as a 32-bit float. `scaling` is an alias of scaling_row().
-#}
{% macro normalised(entry, feature_set, relation, scaling) %}
    {%- set column = purchasing_power.scaling_column(feature_set, entry.name) -%}
    {{ return(
        'cast(least(greatest((' ~ purchasing_power.transformed(entry, relation)
        ~ ' - ' ~ scaling ~ '.' ~ column ~ '_center) / ' ~ scaling ~ '.' ~ column ~ '_scale, -10), 10) as real)'
    ) }}
{% endmacro %}


{#- The transform of a catalogue entry, in double precision. -#}
{% macro transformed(entry, relation) %}
    {%- set value = 'cast(' ~ relation ~ '.' ~ entry.name ~ ' as ' ~ purchasing_power.type_double() ~ ')' -%}
    {%- if entry.transform == 'log1p' -%}
        {{ return('ln(1 + greatest(' ~ value ~ ', 0))') }}
    {%- elif entry.transform == 'signed_log1p' -%}
        {{ return('sign(' ~ value ~ ') * ln(1 + abs(' ~ value ~ '))') }}
    {%- elif entry.transform == 'identity' -%}
        {{ return(value) }}
    {%- endif -%}
    {{ exceptions.raise_compiler_error(
        'The catalogue entry "' ~ entry.name ~ '" has the transform "' ~ entry.transform
        ~ '": write log1p, signed_log1p or identity.'
    ) }}
{% endmacro %}


{#- The column of purchasing_power__scaling that belongs to a feature. -#}
{% macro scaling_column(feature_set, name) %}
    {{ return(feature_set ~ '_' ~ name) }}
{% endmacro %}


{#-
    The parameters of one scaling version as one wide row; `condition` picks the version's rows of the scaling table. No
    row unless all are there: an engine may let greatest() turn a missing parameter into data.
-#}
{% macro scaling_row(condition) %}
    select
        {% for feature_set, entries in [
            ('channel', purchasing_power.channel_catalogue()),
            ('context', purchasing_power.context_features()),
        ] -%}
        {% for entry in entries -%}
        {% set column = purchasing_power.scaling_column(feature_set, entry.name) -%}
        {% for parameter in ['center', 'scale'] -%}
        max(
            case
                when feature_set = '{{ feature_set }}' and feature_name = '{{ entry.name }}' then {{ parameter }}
            end
        ) as {{ column }}_{{ parameter }},
        {% endfor -%}
        {% endfor -%}
        {% endfor -%}
        count(*) as feature_count
    from {{ ref('purchasing_power__scaling') }}
    where {{ condition }}
    having count(*) = {{ (purchasing_power.channel_catalogue() + purchasing_power.context_features()) | length }}
{% endmacro %}


{#- All entries of one feature set as one flat array, in tensor order. -#}
{% macro normalised_array(entries, feature_set, relation, scaling) %}
    {%- set values = [] -%}
    {%- for entry in entries -%}
        {%- do values.append(purchasing_power.normalised(entry, feature_set, relation, scaling)) -%}
    {%- endfor -%}
    {{ return(purchasing_power.float_array(values)) }}
{% endmacro %}


{#-
    Select statement: how many rows a relation has, and the mean and the standard deviation of each transformed entry. In
    parts, each a select of its own, where an engine bears only so many aggregates at once.
-#}
{% macro scaling_moments(entries, relation) %}
    {%- set parts = [] -%}
    {%- for some in entries | batch(purchasing_power.aggregates_at_once() or entries | length) -%}
        {%- set columns = ['count(*) as row_count'] if loop.first else [] -%}
        {%- for entry in some -%}
            {%- set value = purchasing_power.transformed(entry, relation) -%}
            {%- do columns.append('avg(' ~ value ~ ') as ' ~ entry.name ~ '_center') -%}
            {%- do columns.append('stddev_pop(' ~ value ~ ') as ' ~ entry.name ~ '_scale') -%}
        {%- endfor -%}
        {%- do parts.append('(select ' ~ columns | join(', ') ~ ' from ' ~ relation ~ ') as moments_' ~ loop.index) -%}
    {%- endfor -%}
    {{ return('select * from ' ~ parts | join(' cross join ')) }}
{% endmacro %}
