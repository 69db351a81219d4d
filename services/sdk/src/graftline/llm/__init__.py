"""One client for every stage that asks a language model.

    with LlmSession(config.llm, ctx.runtime, cache=VaultCache(ctx), log=ctx.log) as llm:
        requests = (LlmRequest.of(config.llm, messages, FORM, tag=row) for row in rows)
        for request, answer in llm.answer_all(requests):
            …  # an LlmReply or an LlmFailure, exactly one for each request
        Result(…, **llm.totals.cost(), figures=llm.totals.figures())  # of units: `llm.asking`

Who pays for a request is its account's to say (`llm.totals`). The account's name is kept beside the
answers, so that a step's accounts hold what all its attempts paid, whatever killed them; what other
steps paid for is cached, and costs nothing. A budget begins with what the accounts hold.

The providers' own libraries speak to the providers, and are imported only where an endpoint of
that kind is opened; the service that asks depends on them. Ours are the pool of endpoints, the
cache of answers, the budget and the accounts. How answers are understood is `domain.answers`.
"""
