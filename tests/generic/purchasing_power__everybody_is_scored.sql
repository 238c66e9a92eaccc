{#- Every known user has a score, and nobody else has one. -#}
{% test purchasing_power__everybody_is_scored(model) %}
select
    users.user_id as known_user_id,
    scores.user_id as scored_user_id
from {{ ref('purchasing_power__users') }} as users
full outer join {{ model }} as scores on users.user_id = scores.user_id
where users.user_id is null or scores.user_id is null
{% endtest %}
