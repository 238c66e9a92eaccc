{{ purchasing_power.drift_measures(['channel', 'context']) }}

select * from drift
