"""A small decision engine over YAML rules: vocabulary, conditions, rulesets, evaluation. It knows no domain."""
