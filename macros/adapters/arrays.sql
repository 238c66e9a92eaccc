{#- A float array of the given expressions. -#}
{% macro float_array(values) %}
    {{ return(adapter.dispatch('float_array', 'purchasing_power')(values)) }}
{% endmacro %}

{% macro default__float_array(values) %}
    {{ purchasing_power.unsupported('arrays of floats') }}
{% endmacro %}

{% macro duckdb__float_array(values) %}
    {{ return('[\n        ' ~ values | join(',\n        ') ~ '\n    ]') }}
{% endmacro %}

{% macro postgres__float_array(values) %}
    {{ return('array[\n        ' ~ values | join(',\n        ') ~ '\n    ]') }}
{% endmacro %}

{% macro spark__float_array(values) %}
    {{ return('array(\n        ' ~ values | join(',\n        ') ~ '\n    )') }}
{% endmacro %}


{#- Aggregate: the values of a column as an array, in order. -#}
{% macro ordered_array(column, order_by) %}
    {{ return(adapter.dispatch('ordered_array', 'purchasing_power')(column, order_by)) }}
{% endmacro %}

{% macro default__ordered_array(column, order_by) %}
    {{ purchasing_power.unsupported('ordered array aggregate') }}
{% endmacro %}

{% macro duckdb__ordered_array(column, order_by) %}
    {{ return('list(' ~ column ~ ' order by ' ~ order_by ~ ')') }}
{% endmacro %}

{% macro postgres__ordered_array(column, order_by) %}
    {{ return('array_agg(' ~ column ~ ' order by ' ~ order_by ~ ')') }}
{% endmacro %}

{#- Arrays of structs are sorted by their first field. -#}
{% macro spark__ordered_array(column, order_by) %}
    {{ return(
        'transform(array_sort(collect_list(named_struct(\'place\', ' ~ order_by ~ ", 'value', " ~ column ~ '))), pair -> pair.value)'
    ) }}
{% endmacro %}


{#- Aggregate: the arrays of a column, in order, laid end to end as one flat array. -#}
{% macro ordered_flat_array(column, order_by) %}
    {{ return(adapter.dispatch('ordered_flat_array', 'purchasing_power')(column, order_by)) }}
{% endmacro %}

{% macro default__ordered_flat_array(column, order_by) %}
    {{ purchasing_power.unsupported('ordered array aggregate') }}
{% endmacro %}

{% macro duckdb__ordered_flat_array(column, order_by) %}
    {{ return('flatten(list(' ~ column ~ ' order by ' ~ order_by ~ '))') }}
{% endmacro %}

{#- Arrays of arrays are rectangles, which unnest() lays end to end. -#}
{% macro postgres__ordered_flat_array(column, order_by) %}
    {{ return('array(select unnest(array_agg(' ~ column ~ ' order by ' ~ order_by ~ ')))') }}
{% endmacro %}

{% macro spark__ordered_flat_array(column, order_by) %}
    {{ return('flatten(' ~ purchasing_power.spark__ordered_array(column, order_by) ~ ')') }}
{% endmacro %}


{#- An array of floats that holds none. -#}
{% macro empty_float_array() %}
    {{ return(adapter.dispatch('empty_float_array', 'purchasing_power')()) }}
{% endmacro %}

{% macro default__empty_float_array() %}
    {{ purchasing_power.unsupported('arrays of floats') }}
{% endmacro %}

{% macro duckdb__empty_float_array() %}
    {{ return('cast([] as float[])') }}
{% endmacro %}

{% macro postgres__empty_float_array() %}
    {{ return("cast('{}' as real[])") }}
{% endmacro %}

{% macro spark__empty_float_array() %}
    {{ return('cast(array() as array<float>)') }}
{% endmacro %}


{#- The element of an array at a position, from 1. -#}
{% macro array_element(array, position) %}
    {{ return(adapter.dispatch('array_element', 'purchasing_power')(array, position)) }}
{% endmacro %}

{% macro default__array_element(array, position) %}
    {{ return(array ~ '[' ~ position ~ ']') }}
{% endmacro %}

{#- get() counts from 0, and has NULL where there is nothing. -#}
{% macro spark__array_element(array, position) %}
    {{ return('get(' ~ array ~ ', ' ~ position ~ ' - 1)') }}
{% endmacro %}
