{#-
    What makes a later run read the users alone whose rows changed.

    int_purchasing_power__input_digests has a digest of every user's raw rows and of what these are joined to;
    int_purchasing_power__changed_users those whose digest is not the one that int_purchasing_power__consumed_inputs
    remembers, which is written last. Whatever fails in between, the next run finds the same users again, and the same keys.
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
        'training', 'training_users', 'refit_scaling', 'refit_cleaning', 'explained_users', 'lifecycle', 'audiences',
        'audience_uplift', 'price_bands', 'recommended_categories', 'recommended_products', 'risk',
        'publish_to', 'monitoring', 'groups', 'smallest_group', 'retention_days',
    ] %}
        {% do rules.update({name: purchasing_power.setting(name)}) %}
    {% endfor %}
    {{ return(local_md5(tojson(rules, sort_keys=true))) }}
{% endmacro %}


{#- What a run has before it: all digests and the as-of date. By it a run that came to its end is told from one that did not. -#}
{% macro run_stamp() %}
    {{ return(
        '(select md5(concat(cast(sum(of_users.digest) as ' ~ dbt.type_string() ~ "), '|', cast(max(known_past.as_of_date) as "
        ~ dbt.type_string() ~ '))) from ' ~ ref('int_purchasing_power__input_digests') ~ ' as of_users cross join '
        ~ ref('int_purchasing_power__as_of') ~ ' as known_past)'
    ) }}
{% endmacro %}


{#-
    The rows of a log that may come to another end than in the run before: those of changed users, and those of others that
    share a key with one, because of rows that share a key one stays. Two selects, as the second mostly looks for nothing,
    and then an engine reads nothing.
-#}
{% macro touched_rows(input_name, rows) %}
    select * from {{ rows }}
    where {{ purchasing_power.is_changed() }}
    {%- if purchasing_power.has_input(input_name, purchasing_power.input_keys(input_name)[0]) %}
    union all
    select given.* from {{ rows }} as given
    where
        {{ purchasing_power.has_touched_key(input_name) }}
        and {{ purchasing_power.is_unknown('given.user_id', ref('int_purchasing_power__changed_users')) }}
    {%- endif %}
{%- endmacro %}


{#- Condition: a row's user, or its having none, is among those whose rows changed. -#}
{% macro is_changed() %}
    {{ return(
        purchasing_power.digest_user('user_id') ~ ' in (select user_id from ' ~ ref('int_purchasing_power__changed_users') ~ ')'
    ) }}
{% endmacro %}


{#- Condition: a row's user, or its having none, is not in a relation. No `not in`: of that PostgreSQL makes no join. -#}
{% macro is_unknown(user_id, relation) %}
    {{ return(
        'not exists (select 1 from ' ~ relation ~ ' as known where known.user_id = ' ~ purchasing_power.digest_user(user_id) ~ ')'
    ) }}
{% endmacro %}


{#- Condition: a row shares its key with a row of a changed user. -#}
{% macro has_touched_key(input_name) %}
    {{ return(
        '(mapping_position, ' ~ purchasing_power.input_keys(input_name)[0] ~ ') in (select mapping_position, row_key from '
        ~ ref('int_purchasing_power__touched_keys') ~ " where relation = '" ~ input_name ~ "')"
    ) }}
{% endmacro %}


{#- The logs that have a key and were checked before: name, key, what was checked. None on a first run. -#}
{% macro logs_checked_before() %}
    {% set found = [] %}
    {% for input_name in ['order_lines', 'browse_events', 'reviews'] %}
        {% set key = purchasing_power.input_keys(input_name)[0] %}
        {% set checked = purchasing_power.built_before('int_purchasing_power__' ~ input_name ~ '_checked') %}
        {% if checked is not none and purchasing_power.has_input(input_name, key) %}
            {% do found.append({'name': input_name, 'key': key, 'checked': checked}) %}
        {% endif %}
    {% endfor %}
    {{ return(found) }}
{% endmacro %}


{#- Pre-hook of a log's checked rows: takes out what this run reads again, and what nobody gives any more. -#}
{% macro clear_checked_rows(input_name) %}
    {%- set conditions = [purchasing_power.is_changed()] -%}
    {%- if purchasing_power.has_input(input_name, purchasing_power.input_keys(input_name)[0]) -%}
        {%- do conditions.append(purchasing_power.has_touched_key(input_name)) -%}
    {%- endif -%}
    {{ return(purchasing_power.clear_rows(conditions)) }}
{% endmacro %}


{#- Pre-hook of a table that is rebuilt a user at a time. -#}
{% macro clear_users() %}
    {{ return(purchasing_power.clear_rows([purchasing_power.is_rebuilt()])) }}
{% endmacro %}


{#- Pre-hook of the texts' sentiment: what was read anew, and what nobody wrote any more. -#}
{% macro clear_texts() %}
    {%- set read, reviews = ref('int_purchasing_power__text_sentiment'), ref('stg_purchasing_power__reviews') -%}
    {{ return(purchasing_power.cleared([
        'text_md5 in (select text_md5 from ' ~ read ~ ')',
        'not exists (select 1 from ' ~ reviews ~ ' as known where known.rating is null and md5(known.review_text) = '
        ~ this.identifier ~ '.text_md5)',
    ]) if purchasing_power.is_later_run() else '') }}
{% endmacro %}


{#- Pre-hook of the states: those that moved, and those of users whose steps are gone. -#}
{% macro clear_states() %}
    {%- set moved, steps = ref('int_purchasing_power__state_updates'), ref('purchasing_power__user_steps') -%}
    {{ return(purchasing_power.cleared([
        'user_id in (select user_id from ' ~ moved ~ ')',
        purchasing_power.is_unknown(this.identifier ~ '.user_id', steps),
    ]) if purchasing_power.is_later_run() else '') }}
{% endmacro %}


{#- The conditions come with their refs made: dbt looks for them before it knows whether the run is a later one. -#}
{% macro clear_rows(conditions) %}
    {%- set digests, changed_users = ref('int_purchasing_power__input_digests'), ref('int_purchasing_power__changed_users') -%}
    {%- if purchasing_power.is_later_run() -%}
        {{ return(purchasing_power.cleared(
            conditions + [purchasing_power.is_unknown(this.identifier ~ '.user_id', digests)]
        )) }}
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
