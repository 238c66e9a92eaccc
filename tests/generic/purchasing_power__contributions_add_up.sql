{#- The reasons of a user explain all of the difference between their expected spend and the average, to a ten-thousandth. -#}
{% test purchasing_power__contributions_add_up(model) %}
select
    user_id,
    max(expected_spend) - max(average_expected_spend) as difference,
    sum(contribution) as explained
from {{ model }}
group by user_id
having
    abs(sum(contribution) - (max(expected_spend) - max(average_expected_spend)))
    > 1e-4 * (1 + max(expected_spend) + max(average_expected_spend))
{% endtest %}
