{#-
    Whether this model already holds parameters that satisfy a condition, so that nothing has to be fitted again: asked before
    the SQL is made, because an engine computes what it then throws away. Only where tables are built; elsewhere the SQL says it.
-#}
{% macro is_fitted(relation, condition) %}
    {% if not execute or flags.WHICH not in ('run', 'build', 'retry') or not is_incremental() %}
        {{ return(false) }}
    {% endif %}
    {{ return(run_query('select count(*) as row_count from ' ~ relation ~ ' as known where ' ~ condition).rows[0]['row_count'] > 0) }}
{% endmacro %}
