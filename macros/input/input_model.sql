{#-
    The body of an input model: the user's relation, renamed and typed to the contract.
    A value that is not of the contract's type, or below 0 where that means nothing, becomes NULL; `raw_values` keeps what was
    written, so that staging can refuse the row without losing it, and `raw_hash` tells whether it is still the same.
-#}
{% macro input_model(input_name) %}
{%- set columns = purchasing_power.input_contract()[input_name] -%}
{%- set mappings = purchasing_power.input_mappings(input_name) -%}
{%- if not mappings %}
select
    {% for column, spec in columns.items() -%}
    cast(null as {{ purchasing_power.contract_type(spec.type) }}) as {{ column }},
    {% endfor -%}
    cast(null as {{ dbt.type_int() }}) as mapping_position,
    cast(null as {{ purchasing_power.type_text_array() }}) as raw_values,
    cast(null as {{ purchasing_power.type_hash() }}) as raw_hash
where 1 = 0
{%- endif %}
{%- for entry in mappings %}
{%- set given = entry.get('columns', {}) %}
select
    {% for column, spec in columns.items() -%}
    {% if column in given -%}
    {{ purchasing_power.contract_value('mapped.' ~ column, spec) }} as {{ column }},
    {% else -%}
    cast(null as {{ purchasing_power.contract_type(spec.type) }}) as {{ column }},
    {% endif -%}
    {% endfor -%}
    {{ loop.index }} as mapping_position,
    {{ purchasing_power.text_array(given.keys() | list, 'mapped') }} as raw_values,
    {{ purchasing_power.raw_hash(given.keys() | list, 'mapped') }} as raw_hash
from (
    select
        {% for column in given -%}
        {{ purchasing_power.pseudonym('(' ~ given[column] ~ ')') if column == 'user_id' else '(' ~ given[column] ~ ')' }} as {{ column }}{{ ',' if not loop.last }}
        {% endfor %}
    from {{ purchasing_power.input_rows(entry) }}
) as mapped
{%- if not loop.last %}

union all
{% endif %}
{%- endfor %}
{% endmacro %}


{#- A mapped expression as the contract's column wants it. -#}
{% macro contract_value(expression, spec) %}
    {%- set value = purchasing_power.contract_cast(expression, spec.type) -%}
    {%- if spec.upper -%}
        {{ return('upper(' ~ value ~ ')') }}
    {%- elif spec.not_negative -%}
        {{ return('case when ' ~ value ~ ' >= 0 then ' ~ value ~ ' end') }}
    {%- endif -%}
    {{ return(value) }}
{% endmacro %}


{#- What was written in a row of an input, as a JSON object (text): `raw_values` under the names of the row's mapping. -#}
{% macro raw_json(input_name) %}
    {%- set mappings = purchasing_power.input_mappings(input_name) -%}
    {%- set objects = [] -%}
    {%- for entry in mappings -%}
        {%- do objects.append(purchasing_power.json_object(entry.get('columns', {}).keys() | list, 'raw_values')) -%}
    {%- endfor -%}
    {%- if not objects -%}
        {{ return('cast(null as ' ~ dbt.type_string() ~ ')') }}
    {%- elif objects | length == 1 -%}
        {{ return(objects[0]) }}
    {%- endif -%}
    {%- set cases = [] -%}
    {%- for object in objects -%}
        {%- do cases.append('when ' ~ loop.index ~ ' then ' ~ object) -%}
    {%- endfor -%}
    {{ return('case mapping_position ' ~ cases | join(' ') ~ ' end') }}
{% endmacro %}
