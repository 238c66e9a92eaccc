{{ purchasing_power.drift_measures(['score']) }}

select * from drift
