"""Settings: pydantic schemas, YAML files and dotted overrides."""
