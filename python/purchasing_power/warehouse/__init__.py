"""The warehouse: the dbt project, its connection, the model registry and the input mapping."""
