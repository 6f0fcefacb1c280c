"""Should we run this model ourselves: with which framework, on which GPUs, at what cost - and can I have the files?

    >>> from deployadvisor import recommend
    >>> advice = recommend(data_sensitivity="public", requests_per_day=200, hardware="none")
    >>> advice.route
    'hosted_api'
"""

__version__ = "0.1.0"
