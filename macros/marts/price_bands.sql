{#-
    Price bands cut a category's unit prices, as paid, into parts of equally many lines; 1 is the cheapest. They are made
    twice: of what is known today, and of what was known one horizon ago, which purchasing_power__price_band_evaluation
    compares with what was bought since.
-#}

{#- How far back a line counts half. -#}
{% macro price_band_half_life() %}
    {{ return(2 * purchasing_power.setting('horizon_days') | int) }}
{% endmacro %}


{#- Lines that a category needs before it is cut: of fewer a band is an accident. -#}
{% macro price_band_min_lines() %}
    {{ return(50) }}
{% endmacro %}


{#- The band of a price, given a row of int_purchasing_power__price_band_bounds under that alias. -#}
{% macro price_band(price, bounds) %}
    {%- set parts = [] -%}
    {%- for band in range(1, purchasing_power.setting('price_bands')) -%}
        {%- do parts.append('case when ' ~ price ~ ' > ' ~ bounds ~ '.highest_price_' ~ band ~ ' then 1 else 0 end') -%}
    {%- endfor -%}
    {{ return('1 + ' ~ parts | join(' + ')) }}
{% endmacro %}
