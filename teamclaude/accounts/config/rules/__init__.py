"""What is odd about rules that are valid, and settings that are small languages of their own.

- keep_warm: times of day, as `Mon-Fri 08:30`
- model_routes: lists of models that accounts serve or don't serve, as routes
- rule_notes: all that is odd about the rules of one configuration
- usage_notes: limits of usage that can't have the effect that they were written for
"""
