{% test purchasing_power__at_most_one_champion(model) %}
select count(*) as champions
from {{ model }}
where status = 'champion'
having count(*) > 1
{% endtest %}
