{#- Whose rows this run reads again: everybody on a first run, a full refresh, and under other rules than before. -#}
with

digests as (

    select * from {{ ref('int_purchasing_power__input_digests') }}

),

known as (

    {{ purchasing_power.known_consumed_inputs() }}

),

as_of as (

    select * from {{ ref('int_purchasing_power__as_of') }}

),

changed_users as (

    select coalesce(digests.user_id, known.user_id) as user_id
    from digests
    full outer join known on digests.user_id = known.user_id
    cross join as_of
    where
        digests.user_id is null
        or known.user_id is null
        or digests.digest != known.digest
        or known.rules_version != '{{ purchasing_power.rules_version() }}'
        or coalesce(known.cleaning_version, '') != coalesce(({{ purchasing_power.newest_cleaning() }}), '')
        -- the end of the known past went over some of the user's rows
        or (
            known.as_of_date != as_of.as_of_date
            and digests.newest_at >= least(known.as_of_date, as_of.as_of_date)
        )

)

select * from changed_users
