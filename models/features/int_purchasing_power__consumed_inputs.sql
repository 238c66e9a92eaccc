{#-
    What this run read, written once everything is made of it: a later run compares with it. Should a model fail before, the
    users that it was about are found changed again.
-#}
-- depends_on: {{ ref('int_purchasing_power__running_totals') }}
with

digests as (

    select * from {{ ref('int_purchasing_power__input_digests') }}

),

as_of as (

    select * from {{ ref('int_purchasing_power__as_of') }}

),

inputs_version as (

    select * from {{ ref('int_purchasing_power__inputs_version') }}

),

consumed_inputs as (

    select
        digests.user_id,
        digests.digest,
        digests.newest_at,
        as_of.as_of_date,
        '{{ purchasing_power.rules_version() }}' as rules_version,
        ({{ purchasing_power.newest_cleaning() }}) as cleaning_version,
        inputs_version.inputs_version,
        {{ purchasing_power.run_stamp() }} as run_stamp
    from digests
    cross join as_of
    cross join inputs_version

)

select * from consumed_inputs
