{{ purchasing_power.input_model('browse_events') }}
