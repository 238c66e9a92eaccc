{#-
    What makes a later run read the users alone whose rows changed.

    int_purchasing_power__input_digests has a digest of every user's raw rows and of what these are joined to;
    int_purchasing_power__changed_users those whose digest is not the one that int_purchasing_power__consumed_inputs
    remembers, which is written last. Whatever fails in between, the next run finds the same users again.
-#}

{#- A user in such tables: rows without a user count as those of one, whose id no user can have. -#}
{% macro digest_user(user_id) %}
    {{ return('coalesce(' ~ user_id ~ ", '')") }}
{% endmacro %}


{#- What the rows of a run mean beside their values: every setting that staging or features look at, and the package. -#}
{% macro rules_version() %}
    {% set rules = {'package': purchasing_power.package_version()} %}
    {% for name in purchasing_power.default_vars() if name not in [
        'as_of_date', 'anchor_every_days', 'anchor_min_history_days', 'anchor_limit', 'validation_share', 'tier_names',
        'training', 'refit_scaling', 'refit_cleaning',
    ] %}
        {% do rules.update({name: purchasing_power.setting(name)}) %}
    {% endfor %}
    {{ return(local_md5(tojson(rules, sort_keys=true))) }}
{% endmacro %}


{#-
    Condition over the rows of a log (checked or not): they may come to another end than in the run before. They are those of
    changed users, and those that share a key with one, because of rows that share a key one stays.
-#}
{% macro is_touched(input_name) %}
    {%- set key = purchasing_power.input_keys(input_name)[0] -%}
    {%- set conditions = [
        purchasing_power.digest_user('user_id') ~ ' in (select user_id from ' ~ ref('int_purchasing_power__changed_users') ~ ')'
    ] -%}
    {%- if purchasing_power.has_input(input_name, key) -%}
        {%- do conditions.append(purchasing_power.has_touched_key(input_name)) -%}
    {%- endif -%}
    {{ return('(' ~ conditions | join(' or ') ~ ')') }}
{% endmacro %}


{% macro has_touched_key(input_name) %}
    {{ return(
        '(mapping_position, ' ~ purchasing_power.input_keys(input_name)[0] ~ ') in (select (mapping_position, row_key) from '
        ~ ref('int_purchasing_power__touched_keys') ~ " where relation = '" ~ input_name ~ "')"
    ) }}
{% endmacro %}


{#- The rows of each log that has a key: as the run before left them, checked, and as they are given now. None on a first run. -#}
{% macro rows_before_and_now() %}
    {% set found = [] %}
    {% for input_name in ['order_lines', 'browse_events', 'reviews'] %}
        {% set key = purchasing_power.input_keys(input_name)[0] %}
        {% set before = purchasing_power.built_before('int_purchasing_power__' ~ input_name ~ '_checked') %}
        {% if before is not none and purchasing_power.has_input(input_name, key) %}
            {% for rows in [before, ref('purchasing_power__' ~ input_name)] %}
                {% do found.append({'relation': input_name, 'key': key, 'of': rows}) %}
            {% endfor %}
        {% endif %}
    {% endfor %}
    {{ return(found) }}
{% endmacro %}


{#- Pre-hook of a log's checked rows: takes out what this run reads again, and what nobody gives any more. -#}
{% macro clear_checked_rows(input_name) %}
    {{ return(purchasing_power.clear_rows(purchasing_power.is_touched(input_name), purchasing_power.digest_user('user_id'))) }}
{% endmacro %}


{#- Pre-hook of a table that is rebuilt a user at a time. -#}
{% macro clear_users() %}
    {{ return(purchasing_power.clear_rows(purchasing_power.is_rebuilt(), 'user_id')) }}
{% endmacro %}


{#- The condition comes with its refs made: dbt looks for them before it knows whether the run is a later one. -#}
{% macro clear_rows(condition, user_id) %}
    {%- set digests, changed_users = ref('int_purchasing_power__input_digests'), ref('int_purchasing_power__changed_users') -%}
    {%- if is_incremental() -%}
        {{ return('delete from ' ~ this ~ ' where ' ~ condition ~ ' or ' ~ user_id ~ ' not in (select user_id from ' ~ digests ~ ')') }}
    {%- elif execute -%}
        {{ purchasing_power.require_everybody(digests, changed_users) }}
    {%- endif -%}
    {{ return('') }}
{% endmacro %}


{#- Condition: a row's user is made anew in this run. -#}
{% macro is_rebuilt() %}
    {{ return('user_id in (select user_id from ' ~ ref('int_purchasing_power__users_to_rebuild') ~ ')') }}
{% endmacro %}


{#-
    Stops a model that is about to be built from nothing while what it reads holds changed users alone: a full refresh of
    it by itself, or a table that somebody dropped, would lose everybody else.
-#}
{% macro require_everybody(digests, changed_users) %}
    {% set left_out = run_query(
        'select count(*) as user_count from ' ~ digests ~ ' as known where not exists (select 1 from ' ~ changed_users
        ~ ' as changed where changed.user_id = known.user_id)'
    ).rows[0]['user_count'] %}
    {% if left_out > 0 %}
        {{ exceptions.raise_compiler_error(
            this ~ ' has to be built from nothing, but what it reads was made for a daily run and leaves out ' ~ left_out
            ~ ' users. Nothing was changed: run the same command with --full-refresh and --select +' ~ model.name ~ '+.'
        ) }}
    {% endif %}
{% endmacro %}
