"""The date that chat templates are told."""

TEMPLATE_DATE = "26 Jul 2024"
"""The `date_string` of Llama 3.x templates, in training and in evaluation: a prompt must not depend
on the day on which it is rendered. It is what these templates themselves fall back on."""
