{#-
    Verifies one mapping against the warehouse: the relation is there and holds rows, every expression reads columns
    that exist and gives what the contract asks for. Models that this same run will build are left to it.
-#}
{% macro check_mapped_relation(where, entry, columns, input_name) %}
    {% set relation = entry['relation'] | trim %}
    {% set source = purchasing_power.find_node(where, relation) if purchasing_power.is_node(relation) else purchasing_power.input_source(relation) %}
    {% if purchasing_power.is_node(relation) %}
        {% if load_relation(source) is none %}
            {{ return('') }}
        {% endif %}
    {% elif purchasing_power.is_file(relation) %}
        {% if not purchasing_power.file_exists(relation) %}
            {{ purchasing_power.refuse_config(
                where, 'names the file ' ~ relation ~ ', and no file matches it: write a path or glob, absolute or from where dbt runs.'
            ) }}
        {% endif %}
    {% else %}
        {{ purchasing_power.check_table_exists(where, relation) }}
    {% endif %}

    {% set has_rows = run_query('select 1 from ' ~ source ~ ' limit 1').rows | length > 0 %}
    {% if not has_rows and input_name == 'order_lines' %}
        {{ purchasing_power.refuse_config(where, 'maps ' ~ relation ~ ', which is empty: load it first, or map another relation.') }}
    {% elif not has_rows %}
        {{ exceptions.warn(where ~ ' maps ' ~ relation ~ ', which is empty: its channels will be 0 for everybody.') }}
    {% endif %}

    {{ purchasing_power.check_expressions(where, relation, source, entry, columns) }}
{% endmacro %}


{#- The relation of a ref(...) or source(...), found in the graph: a hook must not refer to what dbt did not see it parse. -#}
{% macro find_node(where, relation) %}
    {% set name = modules.re.findall("['\"]([^'\"]+)['\"]", relation) %}
    {% set nodes = graph.nodes if relation.startswith('ref') else graph.sources %}
    {% for node in nodes.values() %}
        {% if node.name == name[-1] and node.resource_type in ('model', 'seed', 'snapshot', 'source') and (relation.startswith('ref') or node.source_name == name[0]) %}
            {{ return(api.Relation.create(
                database=node.database, schema=node.schema, identifier=node.get('identifier') or node.get('alias') or node.name
            )) }}
        {% endif %}
    {% endfor %}
    {{ purchasing_power.refuse_config(where, 'maps ' ~ relation ~ ', which this dbt project does not define.') }}
{% endmacro %}


{#- Refuses schema.table (or database.schema.table, or a table of the target's schema) that is not there. -#}
{% macro check_table_exists(where, relation) %}
    {% set parts = relation.replace('"', '').split('.') %}
    {% set identifier = parts[-1] %}
    {% set schema = parts[-2] if parts | length > 1 else target.schema %}
    {% set database = parts[-3] if parts | length > 2 else target.database %}
    {% set present = purchasing_power.table_names(database, schema) %}
    {% if identifier | lower not in present | map('lower') | list %}
        {{ purchasing_power.refuse_config(
            where,
            'maps ' ~ relation ~ ', which is not in the warehouse (schema ' ~ schema ~ ' holds '
            ~ (present | join(', ') or 'no tables') ~ '): write a table, ref, source or file that is there.'
        ) }}
    {% endif %}
{% endmacro %}


{#- Refuses expressions that read columns which are not there, or that do not give the contract's type. -#}
{% macro check_expressions(where, relation, source, entry, columns) %}
    {% set expressions = entry['columns'] %}
    {% set present = purchasing_power.select_types('select * from ' ~ source).keys() | list %}
    {% set places = {} %}
    {% for column, expression in expressions.items() %}
        {% do places.update({purchasing_power.place_of_column(where, column): expression}) %}
    {% endfor %}
    {% if entry.get('where') %}
        {% do places.update({where ~ '.where': entry['where']}) %}
    {% endif %}
    {% for place, expression in places.items() %}
        {% set problem = purchasing_power.expression_problem(expression | string, present, source) %}
        {% if problem %}
            {{ purchasing_power.refuse_config(
                place,
                'is `' ~ expression ~ '`, ' ~ problem ~ '; ' ~ relation ~ ' has ' ~ present | join(', ') ~ '.'
            ) }}
        {% endif %}
    {% endfor %}

    {% set select_list = [] %}
    {% for column, expression in expressions.items() %}
        {% do select_list.append(expression ~ ' as ' ~ column) %}
    {% endfor %}
    {% set query = 'select ' ~ select_list | join(', ') ~ ' from ' ~ source ~ ' as input' %}
    {% for column, type in purchasing_power.select_types(query).items() %}
        {{ purchasing_power.check_type(purchasing_power.place_of_column(where, column), expressions[column], type, columns[column].type, query, column) }}
    {% endfor %}
{% endmacro %}


{#- Refuses an expression whose type, or whose text, cannot become the contract's type. -#}
{% macro check_type(where, expression, type, wanted, query, column) %}
    {% set wants = {'text': 'text', 'integer': 'a number', 'money': 'a number', 'number': 'a number', 'timestamp': 'a time', 'embedding': 'an array of numbers'}[wanted] %}
    {% set family = purchasing_power.type_family(type) %}
    {% if wanted == 'text' and type | lower in ('float', 'double', 'real') %}
        {{ purchasing_power.refuse_config(
            where, 'is `' ~ expression ~ '` of type ' ~ type ~ ', in which an id reads 58.0 or nan: write `cast('
            ~ expression ~ ' as bigint)`.'
        ) }}
    {% elif wanted != 'text' and family not in ('text', wants) %}
        {{ purchasing_power.refuse_config(
            where, 'is `' ~ expression ~ '` of type ' ~ type ~ ': write an expression that gives ' ~ wants ~ '.'
        ) }}
    {% elif wanted != 'text' and family == 'text' %}
        {% set sample = 'select ' ~ column ~ ' as given from (' ~ query ~ ') as mapped where ' ~ column ~ ' is not null limit 1000' %}
        {% set counts = run_query(
            'select count(*), count(' ~ purchasing_power.contract_cast('given', wanted) ~ '), min(given) from (' ~ sample ~ ') as sampled'
        ).rows[0] %}
        {% if counts[0] > 0 and counts[1] == 0 %}
            {{ purchasing_power.refuse_config(
                where, 'is `' ~ expression ~ '`, text like ' ~ tojson(counts[2]) ~ ', of which the first ' ~ counts[0]
                ~ ' values hold nothing that reads as ' ~ wants ~ ': write an expression that gives ' ~ wants ~ '.'
            ) }}
        {% endif %}
    {% endif %}
{% endmacro %}


{#- Where the user wrote the expression of a column: in the mapping, or in a channel of their own. -#}
{% macro place_of_column(where, column) %}
    {% for channel in purchasing_power.setting('extra_channels') if purchasing_power.extra_column(channel) == column %}
        {{ return('purchasing_power__extra_channels[' ~ loop.index0 ~ '].expression') }}
    {% endfor %}
    {{ return(where ~ '.columns.' ~ column) }}
{% endmacro %}
